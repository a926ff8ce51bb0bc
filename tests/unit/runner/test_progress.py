"""What is seen while jobs run: plain lines, or a block that a terminal draws in place."""

import contextlib
import fcntl
import io
import os
import re
import struct
import termios
from pathlib import Path

import pytest

from runner.files.records import RunResult
from runner.launch.schedule import Failure
from runner.plan.jobs import Job
from runner.show import progress
from runner.show.progress import Progress


class Terminal:
    """One end of a pseudo-terminal, and what it would show of what is written to the other."""

    def __init__(self, columns=80, rows=24):
        self.master, slave = os.openpty()
        self.out = os.fdopen(slave, "w")
        os.set_blocking(self.master, False)
        self.lines, self.row = [""], 0
        self.text = ""
        self.resize(columns, rows)

    def resize(self, columns, rows):
        Terminal.size = os.terminal_size((columns, rows))
        fcntl.ioctl(self.out, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.master, 65536):
                self._take(data.decode())
        return self.lines

    def _take(self, text):
        self.text += text
        for part in re.findall(r"\x1b\[[?\d]*[A-Za-z]|\r\n|\r|\n|[^\x1b\r\n]+", text):
            if found := re.fullmatch(r"\x1b\[(\d+)A", part):
                self.row -= int(found[1])
            elif part == "\x1b[2K":
                self.lines[self.row] = ""
            elif part == "\r\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif part[0] not in "\r\x1b":
                self.lines[self.row] += part


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor=1: Terminal.size)


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test turns."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def job(tmp_path, name="coop dtd seed1 train", experiment="coop", kind="train"):
    console = tmp_path / f"{name}.txt"
    return Job(name, experiment, kind, "base", "dtd", 1, tmp_path / name, console, "key", ("x",))


def test_a_pipe_gets_plain_lines_alone(tmp_path):
    out = io.StringIO()
    first, second = job(tmp_path), job(tmp_path, "coop dtd seed2 train")
    shown = Progress([first, second], width=1, stream=out)
    shown.started(first)
    shown.tick()
    shown.finished(first, RunResult(70.0, "key"), 12)
    shown.failed(Failure(second, "exit code 1", 1), retry=False)
    shown.stopping()
    shown.close()
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("coop dtd seed1 train: 70.00% in 12 s  [1/2, about 12 s left]")
    assert lines[1].endswith("coop dtd seed2 train: FAILED, exit code 1  [2/2]")
    assert lines[2] == "stopping 0 at work; once more to kill at once" and len(lines) == 3
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue()


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(tmp_path, monkeypatch, term):
    monkeypatch.delenv("TERM")
    if term is not None:
        monkeypatch.setenv("TERM", term)
    screen, one = Terminal(), job(tmp_path)
    shown = Progress([one], width=1, stream=screen.out)
    shown.started(one)
    shown.tick()
    shown.finished(one, RunResult(70.0, "key"), 12)
    shown.close()
    assert len(screen.read()) == 2 and "\x1b" not in screen.text


def test_the_block_says_what_is_done_what_runs_and_the_accuracy_so_far(tmp_path, clock):
    jobs = [job(tmp_path, f"coop dtd seed{seed} train") for seed in range(1, 6)]
    screen = Terminal()
    earlier = job(tmp_path, "coop dtd seed9 train")
    done = [(earlier, RunResult(80.0, "key"))]
    shown = Progress(jobs, width=2, done=done, expected=lambda job: 600.0, stream=screen.out)
    for one in jobs[:3]:
        shown.started(one)
    shown.finished(jobs[0], RunResult(70.0, "key"), 30)
    shown.failed(Failure(jobs[1], "exit code 1", 1), retry=False)
    clock[0] += 20
    shown.tick()
    lines = screen.read()
    assert lines[0].endswith("coop dtd seed1 train: 70.00% in 30 s  [1/5, about 20 min left]")
    assert "seed2 train: FAILED" in lines[1]
    assert lines[2:] == [
        "1 of 5 jobs done, 1 failed, 1 running, 2 waiting, about 15 min to go",
        "  coop dtd seed3 train, 20 s",
        "  coop: base 75.00 (2)",
    ]


def test_the_block_is_drawn_in_place_and_leaves_its_last_numbers(tmp_path, clock):
    jobs = [job(tmp_path, f"coop dtd seed{seed} train") for seed in (1, 2)]
    screen = Terminal()
    shown = Progress(jobs, width=1, stream=screen.out)
    for one in jobs:
        shown.started(one)
        for _ in range(5):
            clock[0] += 2
            shown.tick()
            assert sum("of 2 jobs done" in line for line in screen.read()) == 1
        shown.finished(one, RunResult(60.0, "key"), 10)
    clock[0] += 5
    shown.tick()
    shown.close()
    lines = screen.read()
    assert lines[0].endswith("[1/2, about 10 s left]") and lines[1].endswith("in 10 s  [2/2]")
    assert lines[2:] == ["2 of 2 jobs done, 25 s", "  coop: base 60.00 (2)", ""]


def test_no_line_is_wider_or_the_block_higher_than_the_terminal(tmp_path, clock):
    jobs = [job(tmp_path, f"coop a_long_dataset seed{seed} train") for seed in range(1, 40)]
    screen = Terminal(columns=20, rows=6)
    shown = Progress(jobs, width=40, stream=screen.out)
    for one in jobs:
        shown.started(one)
    clock[0] += 2
    shown.tick()
    assert len(screen.read()) == 6
    assert all(len(line) <= 20 for line in screen.lines)
    screen.resize(60, 30)
    clock[0] += 2
    shown.tick()
    assert len(screen.read()) == 30 and max(map(len, screen.lines)) > 30


def test_a_terminal_that_has_become_narrower_loses_no_finished_line(tmp_path, clock):
    jobs = [job(tmp_path, f"coop dtd seed{seed} train") for seed in (1, 2, 3)]
    screen = Terminal(columns=100)
    shown = Progress(jobs, width=1, stream=screen.out)
    shown.finished(jobs[0], RunResult(60.0, "key"), 10)
    screen.resize(30, 24)
    shown.finished(jobs[1], RunResult(61.0, "key"), 10)
    lines = screen.read()
    assert "seed1 train: 60.00%" in lines[0] and "seed2 train: 61.00%" in lines[1]


def test_names_cannot_steer_the_terminal(tmp_path, clock):
    screen, one = Terminal(), job(tmp_path, "coop \x1b[2J\a dtd")
    shown = Progress([one], width=1, stream=screen.out)
    shown.started(one)
    clock[0] += 2
    shown.tick()
    screen.read()
    assert "\x1b[2J" not in screen.text and "coop ?[2J? dtd" in screen.text


def test_of_many_experiments_those_at_work_are_shown(tmp_path, clock):
    jobs = [job(tmp_path, f"e{number} dtd", f"e{number}") for number in range(10)]
    screen = Terminal()
    done = [(one, RunResult(50.0, "key")) for one in jobs]
    shown = Progress(jobs[9:], width=1, done=done, stream=screen.out)
    shown.started(jobs[9])
    clock[0] += 2
    shown.tick()
    lines = screen.read()
    assert lines[2] == "  e9: base 50.00 (1)" and lines[8] == "  and 4 more experiments"


def test_what_is_left_takes_at_least_what_its_longest_run_takes(tmp_path, clock):
    seconds = {"long": 3600.0, "short": 60.0}
    jobs = [job(tmp_path, name) for name in seconds]
    screen = Terminal()
    shown = Progress(jobs, width=2, expected=lambda one: seconds[one.name], stream=screen.out)
    clock[0] += 2
    shown.tick()
    assert screen.read()[0] == "0 of 2 jobs done, 2 waiting, about 60 min to go"


def test_the_runner_on_a_terminal(lab, monkeypatch):
    """From the command line: the lines of the end stand below what the block has left."""
    import subprocess
    import sys

    from tests.unit.runner.lab import DRIVER

    screen = Terminal(columns=120)
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    environment = {**lab.environment(words, True), "TERM": "xterm"}
    code = subprocess.call(
        [sys.executable, "-c", DRIVER, *words],
        cwd=lab.path,
        env=environment,
        stdout=screen.out,
        timeout=120,
    )
    lines = screen.read()
    assert code == 0, lines
    place = next(n for n, line in enumerate(lines) if line.startswith("2 of 2 jobs done, "))
    assert lines[place + 1] == "  coop: base 71.04 (1), new 61.04 (1)"
    assert lines[-2].startswith("picture: ") and Path(lab.path, lines[-2].split()[1]).is_file()
