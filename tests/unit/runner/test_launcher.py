"""The local launcher on its own."""

import json
import sys
import time

import pytest

from runner.errors import UserError
from runner.launch.gpus import Slot
from runner.launch.interface import Change, Code
from runner.launch.local import LocalLauncher
from runner.plan.jobs import Job
from tests.unit.runner.lab import wait_until

DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)"
)
SLEEPS = "import time; time.sleep(60)"


def job(tmp_path, name, code, *, console=None):
    """A job that runs Python code."""
    argv = (sys.executable, "-uSc", code)
    console = console or tmp_path / f"{name}.txt"
    return Job(name, "coop", "train", "base", "dtd", 1, tmp_path / name, console, "key", argv)


def run(launcher, *jobs):
    """Submit jobs, wait until all have ended, and return how, by name."""
    for priority, each in enumerate(jobs):
        launcher.submit(each, priority)
    ended = {}

    def all_ended():
        for change in launcher.poll():
            if change.ended:
                assert change.job.name not in ended
                ended[change.job.name] = change
        return len(ended) == len(jobs)

    wait_until(all_ended)
    assert launcher.poll() == []
    return ended


def test_it_kills_what_ignores_sigterm_after_the_grace_time(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})], grace=0.3)
    deaf = job(tmp_path, "deaf", DEAF)
    launcher.submit(deaf, 0)
    launcher.poll()
    wait_until(lambda: deaf.console.read_text().endswith("\n1\n"))
    began = time.monotonic()
    launcher.cancel(lambda: False)
    assert 0.3 <= time.monotonic() - began < 5
    assert launcher.poll() == []


def test_lower_priorities_start_first_and_exit_codes_come_back_once(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    late, early = (job(tmp_path, name, "raise SystemExit(3)") for name in ("late", "early"))
    launcher.submit(late, 9)
    launcher.submit(early, 1)
    changes = launcher.poll()
    wait_until(lambda: changes.extend(launcher.poll()) or len(changes) == 4)
    first, then = [Change(early), Change(early, True, 3)], [Change(late), Change(late, True, 3)]
    assert changes == first + then


def test_a_console_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    launcher = LocalLauncher([Slot("CPU", {})])
    launcher.submit(job(tmp_path, "one", "1", console=tmp_path / "file/console.txt"), 0)
    with pytest.raises(UserError, match=r"cannot write .*/file/console.txt: "):
        launcher.poll()


def test_a_program_that_is_not_there_ends_at_once(tmp_path):
    missing = job(tmp_path, "missing", "")
    missing = Job(**{**vars(missing), "argv": ("/no/such/program",)})
    assert run(LocalLauncher([Slot("CPU", {})]), missing)["missing"].exit_code == Code.CANNOT_START
    assert "No such file" in missing.console.read_text()


def test_a_job_that_another_runner_did_otherwise_meanwhile_ends_without_a_start(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    one = job(tmp_path, "one", "raise SystemExit(3)")
    one.folder.mkdir()
    (one.folder / "result.json").write_text(json.dumps({"accuracy": 1.0, "job_key": "other"}))
    assert run(launcher, one)["one"] == Change(one, True, Code.OTHER_SETTINGS)
    assert one.console.read_text() == ""
    (one.folder / "result.json").unlink()
    assert run(launcher, one)["one"].exit_code == 3  # slot and lock are free again


@pytest.mark.parametrize("code", [DEAF, SLEEPS])
def test_a_job_that_hangs_is_ended_when_its_time_is_over(tmp_path, code):
    launcher = LocalLauncher([Slot("CPU", {})], limit=0.2, grace=0.2)
    assert run(launcher, job(tmp_path, "one", code))["one"].exit_code == Code.TIMED_OUT


def test_a_job_goes_to_the_gpu_that_has_the_fewest(tmp_path):
    launcher = LocalLauncher([Slot(name, {}) for name in ("GPU 0", "GPU 0", "GPU 1", "GPU 1")])
    jobs = [job(tmp_path, name, "1") for name in "abcde"]
    run(launcher, *jobs)
    places = [each.console.read_text().splitlines()[1].rpartition(", ")[2] for each in jobs]
    assert places[:4] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]
