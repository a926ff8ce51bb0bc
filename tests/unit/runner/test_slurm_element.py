"""What runs on the node, and the files between it and the runner."""

import json
import signal
import sys
import threading
from dataclasses import replace

import pytest

from runner.files.consoles import lock
from runner.launch.slurm import element as slurm_element
from runner.launch.slurm.batch import make_batch, read_batch
from runner.launch.slurm.client import array_script
from runner.launch.slurm.element import EXIT_ENDED, ElementRun
from runner.plan.jobs import Job
from tests.unit.runner.lab import wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(slurm_element, "TICK", 0.01)
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


def task(tmp_path, name, code):
    """A job that runs Python code."""
    argv = (sys.executable, "-Sc", code)
    folder, console = tmp_path / name, tmp_path / f"{name}.txt"
    key = f"key of {name}"
    return Job(name, "coop", "train", "base", "dtd", 1, folder, console, key, argv)


def leave_result(one, key=None):
    one.folder.mkdir()
    content = {"accuracy": 50.0, "job_key": key or one.key}
    (one.folder / "result.json").write_text(json.dumps(content))


def run(tmp_path, *chain):
    """Run an element; its exit code."""
    return ElementRun(make_batch(tmp_path / "batches", [chain]), 0).run()


def test_a_batch_is_read_as_it_was_written(tmp_path):
    one, two = task(tmp_path, "one", "1"), task(tmp_path, "two", "2")
    chains = [(one, two), (two,), (one,)]
    folder = make_batch(tmp_path / "batches", chains)
    assert read_batch(folder) == chains
    (folder / "tasks.json").write_text('[[{"argv": ["cut sho')
    assert read_batch(folder) == []


def test_tests_are_not_run_without_their_training_but_without_each_other(tmp_path):
    broken, fine = "raise SystemExit(3)", "print('here')"
    first = (task(tmp_path, "a", broken), task(tmp_path, "b", fine))
    second = (task(tmp_path, "c", fine), task(tmp_path, "d", broken), task(tmp_path, "e", fine))
    assert run(tmp_path, *first) == 0
    assert not (tmp_path / "b.txt").exists()
    assert run(tmp_path, *second) == 0
    assert "\nhere\n" in (tmp_path / "e.txt").read_text()


def test_what_is_done_already_is_not_run(tmp_path):
    fails = "raise SystemExit(9)"
    one, two, three = (task(tmp_path, name, fails) for name in ("one", "two", "three"))
    leave_result(one)
    leave_result(two, key="of other settings")
    run(tmp_path, one, two, three)
    assert one.console.read_text() == two.console.read_text() == ""
    assert "# started" in three.console.read_text()


def test_a_program_that_is_not_there_is_told(tmp_path):
    missing = replace(task(tmp_path, "x", ""), argv=("/nowhere/python",))
    assert run(tmp_path, missing) == 0
    assert "No such file" in (tmp_path / "x.txt").read_text()


WAITS = "import time; print('ready', flush=True); time.sleep(60)"


def test_a_cancelled_element_ends_its_run_and_goes_no_further(tmp_path):
    chain = (task(tmp_path, "a", WAITS), task(tmp_path, "b", "1"))
    element = ElementRun(make_batch(tmp_path / "batches", [chain]), 0)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(element.run()))
    thread.start()
    console = chain[0].console
    wait_until(lambda: console.exists() and "ready" in console.read_text())
    element.ask(signal.SIGTERM)
    thread.join(30)
    assert codes == [EXIT_ENDED] and not chain[1].console.exists()


def test_it_requeues_its_own_element_at_the_time_limit_and_not_for_ever(tmp_path, monkeypatch):
    asked = []

    class Refused:
        returncode = 1

    monkeypatch.setattr(
        slurm_element.subprocess, "run", lambda words: asked.append(words) or Refused
    )
    monkeypatch.setattr(slurm_element, "MAX_RESTARTS", 2)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")
    folder = make_batch(tmp_path / "batches", [(task(tmp_path, "a", WAITS),)])
    for restart in range(3):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
        element = ElementRun(folder, 0)
        element.ask(signal.SIGUSR1)
        assert element.run() == 1
    assert asked == [["scontrol", "requeue", "77_0"]] * 2


def test_a_restart_waits_for_the_lock_that_a_lost_node_has_left(tmp_path, monkeypatch):
    one = task(tmp_path, "a", "print('here')")
    with one.console.open("ab") as old:
        assert lock(old)
        run(tmp_path, one)
        assert one.console.read_text() == ""
        monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
        threading.Timer(0.3, old.close).start()
        run(tmp_path, one)
    assert "\nhere\n" in one.console.read_text()


def test_a_restart_that_is_told_to_end_while_it_waits_does_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    one = task(tmp_path, "a", "1")
    element = ElementRun(make_batch(tmp_path / "batches", [(one,)]), 0)
    with one.console.open("ab") as old:
        assert lock(old)
        threading.Timer(0.1, element.ask, [signal.SIGTERM]).start()
        assert element.run() == EXIT_ENDED
    assert one.console.read_text() == ""


@pytest.mark.parametrize(
    "words, said",
    [
        ("", False),
        ("-t 60 -G 1", True),
        ("-t60 --gpus-per-node=a100:1", True),
        ("--time-min=5 --gpu-bind=none", False),
    ],
)
def test_what_the_user_says_of_gpus_stands_alone(tmp_path, words, said):
    assert ("--gres=gpu:1" not in array_script(tmp_path, words.split())) == said


def test_sbatch_variables_of_the_user_count_as_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SBATCH_GPUS", "2")
    assert "--gres" not in array_script(tmp_path, ())
