"""A runner whose output leads nowhere: its jobs are run, or ended, as ever."""

import os
import pty
import signal

import pytest

from tests.unit.runner.lab import alive, wait_until

WORDS = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2")


@pytest.mark.parametrize(
    ("ends", "number"), [(os.pipe, signal.SIGINT), (pty.openpty, signal.SIGHUP)]
)
@pytest.mark.parametrize("flags", [(), ("--isolated",)])
def test_a_stop_ends_the_jobs_of_a_runner_that_nobody_reads(lab, ends, number, flags):
    lab.rules = [{"match": "seed", "seconds": 60}]
    reader, writer = ends()
    process = lab.start(*WORDS, *flags, stdout=writer)
    os.close(writer)
    lab.wait_for_start(process)
    os.close(reader)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    pids = [event["pid"] for event in lab.events("start")]
    wait_until(lambda: not any(map(alive, pids)))


def test_without_room_for_its_log_the_runner_runs_on(lab):
    with open("/dev/full", "w") as full:
        process = lab.start(*WORDS, stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
    assert (lab.path / "results/coop").is_dir()
    assert len(lab.events("end")) == 4
