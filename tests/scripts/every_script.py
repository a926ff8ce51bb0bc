"""Every shell script for real, on the demo suite with one epoch (`make test-scripts`).

`make test` leaves this file out by its name. The argument lists are those of the tests with a stub.
Where a script goes through ten datasets, two of its three seeds are marked as done.
"""

import json
import re

import pytest

from tests.smoke.test_scripts import CASES as METHODS
from tests.smoke.test_scripts_seeds import CASES as LOOPS
from tests.support.script_lab import ScriptLab
from tests.support.script_run import script_paths

KGCOOP_LOOPS = ("scripts/run.sh", "scripts/xd_train.sh")
EVAL_NEEDS = "main.sh imagenet rn50_ep50 end 16 16 False"  # what eval.sh of the same folder tests
# CoOp's form of the linear probe names the dataset's class, which the demo has under another name.
PROBE = {
    "lpclip/feat_extractor.sh": "lpclip/feat_extractor.sh demo_digits",
    "lpclip/linear_probe.sh": "lpclip/linear_probe.sh DemoDigits",
}


def group(script):
    """Scripts that build on each other: those of one folder, of scripts/ those of one method."""
    folder, name = script.removeprefix("scripts/").rpartition("/")[::2]
    if script in KGCOOP_LOOPS:
        return name
    return folder or name.split("_")[0].removesuffix(".sh")


def groups():
    """First case of each script, by group: (line, calls that it makes of train.py)."""
    found = {}
    for line, calls in [*METHODS, *LOOPS]:
        script = line.split()[0]
        cases = found.setdefault(group(script), {})
        cases.setdefault(script, (PROBE.get(script, line), calls))
    return {name: list(cases.values()) for name, cases in found.items()}


GROUPS = groups()


def word(call, flag):
    """The value of a flag in a call; "" without it."""
    return (re.findall(rf"--{flag} (\S+)", call) or [""])[0]


def publish_weights(lab, calls, trained):
    """For calls that test published weights: a model that the group has trained with the YAML."""
    for call in calls:
        if word(call, "model-dir").startswith("/w/"):
            source = trained[word(call, "trainer"), word(call, "config-file")]
            lab.publish(source, word(call, "model-dir").removeprefix("/w/"))


@pytest.mark.parametrize("name", GROUPS)
def test_scripts_leave_a_result_for_each_call(name, tmp_path):
    lab, trained = ScriptLab(tmp_path), {}
    for line, calls in GROUPS[name]:
        calls = [call for call in calls if call.startswith("train.py ")]
        if line.split()[0] in KGCOOP_LOOPS:
            lab.mark_done(*(word(c, "output-dir") for c in calls if word(c, "seed") != "1"))
        if "/eval.sh" in line:
            lab.run(line.split()[0].replace("eval.sh", EVAL_NEEDS))
        publish_weights(lab, calls, trained)
        lab.run(line)
        for call in calls:
            result = json.loads((lab.repo / word(call, "output-dir") / "result.json").read_text())
            assert result == {} or 0 <= result["accuracy"] <= 100, call
            if "--eval-only" not in call:
                key = word(call, "trainer"), word(call, "config-file")
                trained[key] = word(call, "output-dir")


def test_no_script_is_left_out():
    assert {line.split()[0] for cases in GROUPS.values() for line, _ in cases} == script_paths()
