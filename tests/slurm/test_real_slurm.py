"""`--launcher slurm` on a real SLURM; tests/slurm/cluster.py starts one (`make test-slurm`)."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support import command
from tests.unit.runner.lab import Lab

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        not os.environ.get("SLURM_CONF"),
        reason=os.environ.get("PROMPTLAB_NO_SLURM") or "SLURM_CONF is not set; make test-slurm",
    ),
]

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--launcher", "slurm")
DATASETS = "dtd,eurosat,fgvc_aircraft,food101"
TWELVE = ("--cfg", "coop", "--datasets", DATASETS, "--seeds", "1", "2", "3")
FRAGILE = ("--slurm-args", "--partition=fragile")
CSV = "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"


@pytest.fixture
def lab(tmp_path):
    """A lab that finds the cluster."""
    made = Lab(tmp_path)
    path = f"{Path(shutil.which('sbatch')).parent}:/usr/bin:/bin"
    made.env |= {"PATH": path, "PROMPTLAB_SLURM_INTERVAL": "1"}
    made.env["SLURM_CONF"] = os.environ["SLURM_CONF"]
    return made


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ended(runner, seconds=90.0):
    """Wait for a runner; what it printed."""
    out, err = runner.communicate(timeout=seconds)
    assert runner.returncode == 0, out + err
    return out


def squeue(*words):
    done = subprocess.run(["squeue", "-h", "-r", *words], capture_output=True, text=True)
    return done.stdout.strip()


def array_of(lab):
    """The id of the last array that was submitted."""
    return max(lab.path.glob("results/slurm/*/job")).read_text().strip()


def starts(lab, step=""):
    return [line for line in lab.events("start") if step in line["out"]]


def test_every_card_has_one_job_at_a_time_and_the_tables_are_the_local_ones(lab):
    """Twelve chains; an array of this site has ten elements at most."""
    lab.rules = [{"match": "", "seconds": 0.3}]
    out = ended(lab.start(*TWELVE, "--launcher", "slurm"), 200)
    arrays = re.findall(r"submitted array (\d+): (\d+) elements? for (\d+) jobs", out)
    assert [(elements, jobs) for _, elements, jobs in arrays] == [("10", "20"), ("2", "4")]
    by_card = {}
    for console in (lab.path / "outputs/coop/console").glob("*.txt"):
        node = re.search(r"# started .* on (n\d)$", console.read_text(), re.MULTILINE)[1]
        step, _, dataset, _, _, seed = console.stem.split("-")
        out = f"{step}/CoOp/{dataset}/"
        (start,) = [e for e in lab.events("start") if out in e["out"] and e["out"].endswith(seed)]
        (end,) = [e for e in lab.events("end") if e["pid"] == start["pid"]]
        card = (node, start["CUDA_VISIBLE_DEVICES"])
        by_card.setdefault(card, []).append((start["time"], end["time"]))
    assert set(by_card) <= {("n1", "0"), ("n1", "1"), ("n2", "0"), ("n2", "1")}
    assert len(by_card) > 1  # tests at the same time may have some of them for as long
    for spans in by_card.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    table = (lab.path / CSV).read_text()
    for path in (lab.path / "outputs").rglob("result.json"):
        path.unlink()
    (lab.path / CSV).unlink()
    assert lab.run(*TWELVE).returncode == 0
    assert (lab.path / CSV).read_text() == table


def test_a_runner_that_is_closed_finds_its_array_again(lab):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.interrupt_after(1, *ONE)
    assert first.returncode == 130 and "SLURM goes on with array" in first.stdout
    second = lab.start(*ONE)
    time.sleep(3)
    (lab.path / "go").touch()
    out = ended(second)
    assert "1 job is with SLURM already" in out
    assert "submitted" not in out and len(starts(lab)) == 2


def test_a_cancelled_array_fails_and_the_same_command_runs_it_again(lab):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE)
    wait_until(lambda: starts(lab))
    subprocess.run(["scancel", array_of(lab)], check=True)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "SLURM says of it: CANCELLED" in out
    (lab.path / "go").touch()
    assert "submitted" in ended(lab.start(*ONE))


def test_what_is_gone_and_forgotten_is_submitted_again(lab):
    lab.rules = [{"match": "train_base", "exit": 1, "fails": 1}]
    first = lab.interrupt_after(1, *ONE)
    if first.returncode == 130:  # it may have seen the failure
        array = array_of(lab)
        wait_until(lambda: not squeue("--states=all", "-j", array), 120)
    assert "submitted" in ended(lab.start(*ONE))
    assert len(starts(lab)) == 3


@pytest.mark.parametrize(
    "words, said",
    [("--partition=nowhere", "invalid partition"), ("--gres=gpu:9", "node configuration is not")],
)
def test_what_sbatch_refuses_is_one_line(lab, words, said):
    done = lab.run(*ONE, "--slurm-args", words)
    assert done.returncode == 2
    assert re.fullmatch(f"error: sbatch refused: .*{said}.*\n", done.stderr)
    assert ended(lab.start(*ONE))


def test_max_jobs_holds_the_array_back(lab):
    lab.rules = [{"match": "", "seconds": 0.5}]
    ended(lab.start(*TWELVE[:3], "dtd", *TWELVE[4:], "--launcher", "slurm", "--max-jobs", "1"))
    spans = sorted(line["time"] for line in [*lab.events("start"), *lab.events("end")])
    events = sorted([*lab.events("start"), *lab.events("end")], key=lambda line: line["time"])
    assert len(spans) == 12
    assert [line["event"] for line in events] == ["start", "end"] * 6


def test_an_element_that_is_requeued_goes_on_with_what_is_left(lab):
    lab.rules = [{"match": "test_new", "file": "go"}]
    runner = lab.start(*ONE)
    wait_until(lambda: len(starts(lab)) == 2)
    array = array_of(lab)
    subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True)
    wait_until(lambda: not psutil.pid_exists(starts(lab)[1]["pid"]))  # or it would end by "go"
    (lab.path / "go").touch()
    out = ended(runner, 240)  # SLURM waits two minutes
    assert out.count("submitted") == 1
    assert [line["out"].split("/")[2] for line in starts(lab)] == [
        *("train_base", "test_new", "test_new")
    ]


def test_an_element_at_its_time_limit_requeues_itself(lab):
    lab.rules = [{"match": "test_new", "file": "go", "patience": 600}]
    runner = lab.start(*ONE, "--slurm-args", "--time=2 --signal=B:USR1@60")
    wait_until(lambda: len(starts(lab)) == 2)
    array = array_of(lab)
    wait_until(lambda: "PENDING" in squeue("-j", array, "-o", "%T"), 150)
    (lab.path / "go").touch()
    out = ended(runner, 240)
    assert out.count("submitted") == 1
    assert [line["out"].split("/")[2] for line in starts(lab)] == [
        *("train_base", "test_new", "test_new")
    ]


def slurmd_of(node):
    """The process number of a node's slurmd on this cluster."""
    folder = Path(os.environ["SLURM_CONF"]).parent
    return int((folder / f"pid/slurmd.{node}").read_text())


def test_a_restart_waits_for_the_processes_of_a_lost_node_that_go_on(lab):
    """All nodes are this machine, where they hold the lock of the run."""
    lab.rules = [{"match": "train_base", "file": "go", "patience": 600}]
    runner = lab.start(*ONE, *FRAGILE)
    wait_until(lambda: starts(lab))
    array = array_of(lab)
    node = squeue("-j", array, "-o", "%N")
    assert node in ("n3", "n4")
    os.kill(slurmd_of(node), signal.SIGKILL)
    try:
        other = "n4" if node == "n3" else "n3"
        wait_until(lambda: squeue("-j", array, "-t", "RUNNING", "-o", "%N") == other, 300)
        (lab.path / "go").touch()
        out = ended(runner, 60)
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
    assert out.count("submitted") == 1
    assert len(starts(lab)) == 2 and lab.events("collision") == []


def test_a_real_training_goes_on_from_its_last_epoch_with_the_same_numbers(tmp_path):
    """train.py itself: requeued in the middle, and beside it unbroken, by the local launcher."""
    words = ["parallel_runner.py", "--demo", "--cfg", "coop", "--datasets", "demo_digits"]
    words += ["--seeds", "1"]
    options = ["OPTIM.MAX_EPOCH", "30"]
    cache = command.environment(PROMPTLAB_CACHE=str(tmp_path / "cache"), OMP_NUM_THREADS="1")
    accuracies = {}
    for name, more in {"local": ["--isolated"], "slurm": ["--launcher", "slurm"]}.items():
        place = tmp_path / name
        place.mkdir()
        script = [sys.executable, str(command.PROJECT / words[0]), *words[1:], *more, *options]
        runner = subprocess.Popen(
            script,
            cwd=place,
            env={**cache, "PROMPTLAB_SLURM_INTERVAL": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if name == "slurm":
            wait_until(lambda place=place: [*place.rglob("resume.pth.tar")], 120)
            array = next(place.glob("results/demo/slurm/*/job")).read_text().strip()
            subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True)
        out, _ = runner.communicate(timeout=400)
        assert runner.returncode == 0, out
        found = {p.parent.parts[-6]: json.loads(p.read_text()) for p in place.rglob("result.json")}
        accuracies[name] = {step: result["accuracy"] for step, result in found.items()}
    assert len(accuracies["slurm"]) == 2 and accuracies["slurm"] == accuracies["local"]
    (console,) = (tmp_path / "slurm/outputs/demo/coop/console").glob("train_base*.txt")
    assert "will resume training" in console.read_text()
