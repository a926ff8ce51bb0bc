"""`python -m runner status DIR`: what another shell sees of runs done, at work or broken."""

import os
import re
import time

import pytest

from runner.__main__ import main
from tests.unit.runner.lab import wait_until

WORDS = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")


@pytest.fixture
def status(lab, capsys, monkeypatch):
    """Asks for the status of a folder of the lab; exit code and lines."""
    monkeypatch.chdir(lab.path)

    def ask(folder):
        code = main(["status", folder])
        return code, capsys.readouterr().out.splitlines()

    return ask


def test_finished_runs_are_counted_with_their_accuracy(lab, status):
    lab.run(*WORDS)
    code, (head, accuracy) = status("outputs")
    assert code == 0
    assert re.fullmatch(r"coop: 4 done, of 4; last progress \d+ s ago", head)
    assert accuracy == "  accuracy so far: base 71.04 (2), new 61.04 (2)"
    for content in ("", "[]", '{"runs": 3}', '{"runs": {"x"'):  # a broken plan
        (lab.path / "outputs/coop/console/planned.json").write_text(content)
        assert status("outputs")[1][0].startswith("coop: 4 done, of 4")
    past = time.time() - 7200
    for path in lab.path.glob("outputs/**/*"):
        os.utime(path, (past, past))
    assert status("outputs")[1][0].endswith("last progress 2 h 0 min ago")


def test_a_run_at_work_is_named_with_place_and_last_line(lab, status):
    go = lab.path / "go"
    lab.rules = [{"match": "", "file": str(go)}]
    process = lab.start(*WORDS, "--jobs-per-gpu", "1", "--isolated")
    try:
        wait_until(lambda: lab.events("start"))
        (console,) = lab.path.glob("outputs/coop/console/*.txt")
        with console.open("a") as file:
            file.write("epoch [3/10]\tloss 0.1 \x1b[2J\n")
        code, lines = status("outputs")
        assert code == 0
        assert lines[0].startswith("coop: 0 done, 1 running, 3 missing, of 4; last progress ")
        assert re.fullmatch(
            r"  running: coop dtd seed1 train base, on CPU worker 0, since \d+ s", lines[1]
        )
        assert lines[2] == "    | epoch [3/10] loss 0.1 ?[2J"
    finally:
        go.touch()
        process.communicate(timeout=60)
    assert status("outputs")[1][0].startswith("coop: 4 done, of 4")


def test_a_failed_run_is_named_with_its_reason_and_its_test_is_missing(lab, status):
    lab.rules = [{"match": "dtd", "exit": 1, "says": "ValueError: no such thing"}]
    lab.run(*WORDS)
    code, lines = status("outputs/coop")
    assert code == 0
    assert lines[0].startswith("coop: 2 done, 1 failed, 1 missing, of 4")
    assert lines[2] == "  failed:  coop dtd seed1 train base: ValueError: no such thing"


def test_each_point_of_a_grid_is_an_experiment(lab, status):
    lab.run(*WORDS[:3], "dtd", *WORDS[4:], "--grid", "OPTIM.LR=0.1,0.2")
    _, lines = status("outputs")
    assert [line.split(":")[0] for line in lines[::2]] == ["coop/LR0.1", "coop/LR0.2"]


def test_modes_are_told_apart_in_the_accuracy(lab, status):
    lab.run("--cfg", "coop", "--mode", "xd", "b2n", "--datasets", "dtd", "--seeds", "1")
    _, (head, accuracy) = status("outputs")
    assert head.startswith("coop: 4 done, of 4")
    assert accuracy == "  accuracy so far: base 71.04 (1), new 61.04 (1), xd 61.04 (2)"


def test_a_folder_without_runs_is_one_line(lab, capsys, monkeypatch):
    monkeypatch.chdir(lab.path)
    for folder, line in (("nowhere", "no such folder"), ("data", "no run below it")):
        assert main(["status", folder]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: {folder}: {line}") and told.count("\n") == 1
