"""Killed at random moments, the same command goes on to the same table."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.unit.runner.lab import Lab, alive

WORDS = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1,2", "--jobs-per-gpu", "2")
ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
SEED = int(os.environ.get("KILL_SEED", "7"))


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid):
    """Of a runner: jobs of their own, or the process that jobs are forks of."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def jobs(lab):
    return [line["pid"] for line in lab.events("start") if alive(line["pid"])]


def strike(lab, runner, what):
    """Kill what is named; a runner that outlives it goes on for a moment."""
    if what == "everything":
        for pid in [runner.number, *children(runner.number), *jobs(lab)]:
            kill(pid)
    elif what == "a job":
        for pid in jobs(lab)[:1]:
            kill(pid)
    elif what == "the children":
        for pid in children(runner.number):
            kill(pid)


def wait_for_a_start(lab, runner, before):
    deadline = time.monotonic() + 30
    while len(lab.events("start")) == before and runner.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("serves", ["", "1"], ids=["isolated", "warm"])
def test_whatever_is_killed_at_whatever_moment_the_table_is_the_same(tmp_path, serves):
    whole, broken = (Lab(tmp_path / name) for name in ("whole", "broken"))
    assert whole.run(*WORDS).returncode == 0
    broken.rules = [{"match": "seed", "seconds": 0.1}]
    broken.env["STUB_SERVES"] = serves
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        runner = broken.start(*WORDS)
        wait_for_a_start(broken, runner, len(broken.events("start")))
        time.sleep(chance.uniform(0, 0.2))
        strike(broken, runner, ("everything", "a job", "the children", "the runner")[number % 4])
        time.sleep(chance.uniform(0, 0.1))
        runner.kill()
        runner.communicate()
    broken.rules = []
    done = broken.run(*WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert broken.events("collision") == []
    table = "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"
    assert (broken.path / table).read_bytes() == (whole.path / table).read_bytes()
