"""The local launcher on its own."""

import sys
import time

import pytest

from runner.errors import UserError
from runner.launch.gpus import Slot
from runner.launch.local import TIMED_OUT, Command, LocalLauncher, State, Status
from tests.unit.runner.lab import wait_until

DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)"
)


def test_it_kills_what_ignores_sigterm_after_the_grace_time(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})], grace=0.3)
    console = tmp_path / "console.txt"
    launcher.submit(Command((sys.executable, "-uc", DEAF), console))
    launcher.poll()
    wait_until(lambda: console.read_text().endswith("\n1\n"))
    began = time.monotonic()
    launcher.cancel(lambda: False)
    assert 0.3 <= time.monotonic() - began < 5
    assert launcher.poll() == {}


def test_lower_priorities_start_first_and_exit_codes_come_back_once(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    words = (sys.executable, "-Sc", "raise SystemExit(3)")
    late = launcher.submit(Command(words, tmp_path / "late.txt", priority=9))
    early = launcher.submit(Command(words, tmp_path / "early.txt", priority=1))
    first = launcher.poll()
    assert first[early].state is State.RUNNING and first[late].state is State.PENDING
    codes = {}

    def both_gone():
        for number, status in launcher.poll().items():
            if status.state is State.GONE:
                assert number not in codes
                codes[number] = status.exit_code
        return len(codes) == 2

    wait_until(both_gone)
    assert codes == {early: 3, late: 3}


def test_a_console_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    launcher = LocalLauncher([Slot("CPU", {})])
    launcher.submit(Command((sys.executable, "--version"), tmp_path / "file/console.txt"))
    with pytest.raises(UserError, match=r"cannot write .*/file/console.txt: "):
        launcher.poll()


def test_a_command_that_waits_can_be_withdrawn(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    words = (sys.executable, "-Sc", "import time; time.sleep(0.2)")
    first = launcher.submit(Command(words, tmp_path / "first.txt"))
    second = launcher.submit(Command(words, tmp_path / "second.txt"))
    launcher.poll()
    assert launcher.withdraw(second) and not launcher.withdraw(first)
    wait_until(lambda: launcher.poll() == {})
    assert not (tmp_path / "second.txt").exists()


def test_a_program_that_is_not_there_ends_as_gone(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    number = launcher.submit(Command(("/no/such/program",), tmp_path / "console.txt"))
    status = launcher.poll()[number]
    assert status.state is State.GONE and status.exit_code != 0
    assert "No such file" in (tmp_path / "console.txt").read_text()


def test_a_command_that_is_refused_at_the_last_moment_is_gone_without_a_start(tmp_path):
    launcher = LocalLauncher([Slot("CPU", {})])
    console = tmp_path / "console.txt"
    words = (sys.executable, "-Sc", "import time; time.sleep(60)")
    number = launcher.submit(Command(words, console, refuse=lambda: -7))
    assert launcher.poll()[number] == Status(State.GONE, -7)
    assert console.read_text() == ""
    launcher.submit(Command(words, console, refuse=lambda: 0))  # slot and lock are free again
    assert [status.state for status in launcher.poll().values()] == [State.RUNNING]
    launcher.cancel(lambda: True)


@pytest.mark.parametrize("code", [DEAF, "import time; time.sleep(60)"])
def test_a_command_that_hangs_is_ended_when_its_time_is_over(tmp_path, code):
    launcher = LocalLauncher([Slot("CPU", {})], limit=0.3, grace=0.3)
    number = launcher.submit(Command((sys.executable, "-uc", code), tmp_path / "console.txt"))
    statuses = {}

    def gone():
        statuses.update(launcher.poll())
        return statuses[number].state is State.GONE

    wait_until(gone)
    assert statuses[number].exit_code == TIMED_OUT
    assert launcher.poll() == {}


def test_a_command_that_had_company_can_have_less_of_it(tmp_path):
    launcher = LocalLauncher([Slot("one", {}, "GPU 0"), Slot("two", {}, "GPU 0")])
    words = (sys.executable, "-Sc", "import time; time.sleep(0.3); raise SystemExit(1)")
    gone = {}

    def run(count):
        numbers = [launcher.submit(Command(words, tmp_path / f"{n}.txt")) for n in range(count)]
        gone.clear()

        def all_gone():
            gone.update({k: v for k, v in launcher.poll().items() if v.state is State.GONE})
            return len(gone) == len(numbers)

        wait_until(all_gone)
        return [gone[number].narrow for number in numbers]

    assert run(1) == [None]
    assert {narrow() for narrow in run(2)} == {"GPU 0 takes 1 at a time from now on"}
    assert run(2) == [None, None]
