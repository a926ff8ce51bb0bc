"""What runs on the node, and the files between it and the runner."""

import json
import signal
import sys
import threading
import time

import pytest

from runner.files.consoles import holder_file
from runner.launch.interface import CANNOT_START
from runner.launch.slurm import element as slurm_element
from runner.launch.slurm.batch import Marks, Task, make_batch, read_batch
from runner.launch.slurm.element import EXIT_ENDED, ElementRun, Holder
from runner.launch.slurm.options import Options, resources
from tests.unit.runner.lab import wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(slurm_element, "TICK", 0.01)
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


def task(tmp_path, name, code):
    """A task that runs Python code."""
    folder = tmp_path / name
    return Task((sys.executable, "-Sc", code), tmp_path / f"{name}.txt", folder, f"key of {name}")


def leave_result(one, key=None):
    one.folder.mkdir()
    content = {"accuracy": 50.0, "job_key": key or one.key}
    (one.folder / "result.json").write_text(json.dumps(content))


def run(tmp_path, *chains):
    batch = make_batch(tmp_path / "batches", [chains])
    code = ElementRun(batch.folder, 0).run()
    marks = Marks(batch.folder)
    marks.refresh()
    return batch, code, marks


def test_a_batch_is_read_as_it_was_written(tmp_path):
    one, two = task(tmp_path, "one", "1"), task(tmp_path, "two", "2")
    batch = make_batch(tmp_path / "batches", [((one, two),), ((two,), (one,))])
    assert read_batch(batch.folder) == batch
    assert [(each.element, each.number) for each in batch.tasks()] == [
        *((0, 0), (0, 1), (1, 2), (1, 3))
    ]
    assert [each.console.stem for each in batch.tasks()] == ["one", "two", "two", "one"]


def test_tests_are_not_run_without_their_training_but_without_each_other(tmp_path):
    broken, fine = "raise SystemExit(3)", "print('here')"
    first = (task(tmp_path, "a", broken), task(tmp_path, "b", fine))
    second = (task(tmp_path, "c", fine), task(tmp_path, "d", broken), task(tmp_path, "e", fine))
    _, code, marks = run(tmp_path, first, second)
    assert code == 0
    assert marks.ended == {0: 3, 2: 0, 3: 3, 4: 0}
    assert "\nhere\n" in (tmp_path / "e.txt").read_text()
    assert not (tmp_path / "b.txt").exists()
    assert not list(tmp_path.glob("*.holder"))


def test_what_is_done_already_is_not_run(tmp_path):
    one, two = task(tmp_path, "one", "raise SystemExit(9)"), task(tmp_path, "two", "1")
    leave_result(one)
    leave_result(two, key="of other settings")
    _, _, marks = run(tmp_path, (one, two))
    assert marks.ended == {0: 0, 1: 0} and marks.started == {1}


def test_a_restart_leaves_alone_what_has_ended_before_it_well_or_not(tmp_path):
    chain = [task(tmp_path, name, "1") for name in ("train", "failed", "left")]
    batch = make_batch(tmp_path / "batches", [(tuple(chain),)])
    Marks(batch.folder).end(0, 0)
    Marks(batch.folder).end(1, 7)
    assert ElementRun(batch.folder, 0).run() == 0
    assert [one.console.exists() for one in chain] == [False, False, True]
    broken = make_batch(tmp_path / "batches", [(tuple(chain[:2]),)])
    Marks(broken.folder).end(0, 7)
    assert ElementRun(broken.folder, 0).run() == 0
    assert not chain[1].console.exists()


def test_a_program_that_is_not_there_is_told(tmp_path):
    missing = Task(("/nowhere/python",), tmp_path / "x.txt", tmp_path / "x", "")
    _, _, marks = run(tmp_path, (missing,))
    assert marks.ended == {0: CANNOT_START}
    assert "No such file" in (tmp_path / "x.txt").read_text()


def run_and(tmp_path, chains, act):
    """Run an element and do something once its first task says that it is ready."""
    batch = make_batch(tmp_path / "batches", [chains])
    element = ElementRun(batch.folder, 0)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(element.run()))
    thread.start()
    console = chains[0][0].console
    wait_until(lambda: console.exists() and "ready" in console.read_text())
    act(element)
    thread.join(30)
    marks = Marks(batch.folder)
    marks.refresh()
    return batch, codes[0], marks


WAITS = "import time; print('ready', flush=True); time.sleep(60)"


def test_a_cancelled_element_leaves_no_mark_of_what_it_ended(tmp_path):
    chains = ((task(tmp_path, "a", WAITS), task(tmp_path, "b", "1")),)
    _, code, marks = run_and(tmp_path, chains, lambda element: element.ask(signal.SIGTERM))
    assert code == EXIT_ENDED and marks.ended == {} and marks.started == {0}


def test_it_requeues_its_own_element_at_the_time_limit_and_not_for_ever(tmp_path, monkeypatch):
    asked = []

    class Refused:
        returncode = 1

    monkeypatch.setattr(
        slurm_element.subprocess, "run", lambda words: asked.append(words) or Refused
    )
    monkeypatch.setattr(slurm_element, "MAX_RESTARTS", 2)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")
    batch = make_batch(tmp_path / "batches", [((task(tmp_path, "a", WAITS),),)])
    for restart in range(3):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
        element = ElementRun(batch.folder, 0)
        element.ask(signal.SIGUSR1)
        assert element.run() == 1
    assert asked == [["scontrol", "requeue", "77_0"]] * 2


def test_one_whose_run_has_been_given_away_ends_it_and_goes_no_further(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_element, "LOOK_AT_HOLDER", 0.01)
    chain = (task(tmp_path, "a", WAITS), task(tmp_path, "b", "1"))
    newer = Holder(time.time() + 60, 0, "99_0", "n2")
    _, code, marks = run_and(tmp_path, (chain,), lambda element: newer.take(chain[0].console))
    assert code == 0 and marks.ended == {}
    assert holder_file(chain[0].console).read_text() == newer.token
    assert not chain[1].console.exists()


def test_a_restart_and_a_later_submission_are_newer(tmp_path):
    console = tmp_path / "a.txt"
    first, again = Holder(100.5, 0, "7_0", "n1"), Holder(100.5, 1, "7_0", "n2")
    later = Holder(200.5, 0, "8_0", "n1")
    for older, newer in ((first, again), (again, later)):
        older.take(console)
        assert newer.may_take(console) and older.holds(console)
        newer.take(console)
        assert not older.may_take(console) and not older.holds(console)
    holder_file(console).write_text("cut sho")
    assert first.may_take(console)
    later.release(console)
    assert not first.holds(console) and first.may_take(console)


def test_the_older_one_does_not_take_a_task_back(tmp_path):
    one = task(tmp_path, "a", "1")
    Holder(time.time() + 60, 0, "99_0", "n2").take(one.console)
    _, _, marks = run(tmp_path, (one,))
    assert marks.started == set() and not one.console.exists()


@pytest.mark.parametrize(
    "words, seconds, chosen",
    [
        ("", None, {"gres": "gpu:1", "time": "1440"}),
        ("", 3000.0, {"gres": "gpu:1", "time": "200"}),
        ("", 20.0, {"gres": "gpu:1", "time": "10"}),
        ("-t 60 -G 1", None, {}),
        ("-t60 --gpus-per-node=a100:1", None, {}),
        ("--time-min=5 --gpu-bind=none", 20.0, {"gres": "gpu:1", "time": "10"}),
    ],
)
def test_what_the_user_says_nothing_of_has_a_default(tmp_path, words, seconds, chosen):
    pair = (task(tmp_path, "a", ""), task(tmp_path, "b", ""))
    options = Options(tuple(words.split()))
    assert resources([(pair,), (pair[:1],)], options, lambda task: seconds) == chosen


def test_sbatch_variables_of_the_user_count_as_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SBATCH_GRES", "gpu:2")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "5")
    assert resources([((task(tmp_path, "a", ""),),)], Options(), lambda task: None) == {}
