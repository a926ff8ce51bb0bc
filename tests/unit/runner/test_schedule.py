"""The scheduler over a launcher that only pretends, by a clock that only pretends."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from runner.launch import schedule
from runner.launch.interface import Change, Code
from runner.launch.schedule import Scheduler
from runner.launch.stop_signals import StopRequest
from runner.launch.times import Times
from runner.plan.jobs import Job


@dataclass
class World:
    """Jobs, a clock, and a launcher that starts `width` commands and ends them at each poll.

    Attributes:
        ends: by job name, exit codes of its tries; 0 after them.
        begun: job names with the time of each start.
    """

    path: Path
    width: int = 1
    ends: dict[str, list] = field(default_factory=dict)
    begun: list[tuple[str, float]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    now: float = 0.0
    leaves_running: bool = False

    def __post_init__(self):
        self.times = Times(self.path / "times.json")
        self.jobs: list[Job] = []
        self.waiting: dict[str, tuple[int, Job]] = {}
        self.running: dict[str, Job] = {}

    def job(self, name, needs=None, dataset="", seconds=None):
        kind = "test" if needs else "train"
        argv = ["train.py", "--trainer", "T", "--config-file", "y.yaml"]
        argv += ["--dataset-config-file", f"{dataset or name}.yaml"]
        argv += ["--eval-only"] if needs else []
        folder = self.path / name.replace(" ", "/")
        console = self.path / f"{name}.txt"
        argv = (*argv, "--job-key", name)
        job = Job(name, "exp", kind, "", dataset or name, 1, folder, console, name, argv, needs)
        self.jobs.append(job)
        if seconds is not None:
            self.times.learn(job, seconds)
        return job

    def run(self, *, retries=0):
        return Scheduler(self, self, StopRequest(), self.times, retries=retries).run(self.jobs)

    # The clock, in place of the module `time`.
    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    # The launcher.
    def submit(self, job, priority):
        self.waiting[job.name] = (priority, job)

    def poll(self):
        before = list(self.running.values())
        for _, job in sorted(self.waiting.values(), key=lambda each: each[0]):
            if len(self.running) < self.width:
                self.running[job.name] = self.waiting.pop(job.name)[1]
                self.begun.append((job.name, round(self.now, 1)))
        ended = [self.end(self.running.pop(job.name)) for job in before]
        return [*ended, *map(Change, self.running.values())]

    def end(self, job):
        code = self.ends[job.name].pop(0) if self.ends.get(job.name) else 0
        if code == 0:
            job.folder.mkdir(parents=True, exist_ok=True)
            record = {"accuracy": 1.0, "job_key": job.name}
            (job.folder / "result.json").write_text(json.dumps(record))
        return Change(job, True, code)

    def cancel(self, hurry):
        self.waiting.clear()
        self.running.clear()

    # The watcher.
    def started(self, job):
        pass

    def finished(self, job, result, seconds):
        self.told.append(f"{job.name} done")

    def elsewhere(self, job):
        self.told.append(f"{job.name} elsewhere")

    def failed(self, failure, *, retry):
        self.told.append(f"{failure.job.name}: {failure.reason}{', again' if retry else ''}")

    def tick(self):
        assert self.now < 1000, "it does not end"

    def stopping(self):
        pass

    @property
    def order(self):
        return [name for name, _ in self.begun]


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.setattr(schedule, "time", made)
    return made


def test_the_longest_chain_goes_first_and_its_tests_before_what_is_new(world):
    short = world.job("short", seconds=10)
    long = world.job("long", seconds=60)
    middle = world.job("middle", seconds=40)
    for training, seconds in ((short, 40), (long, 5), (middle, 1)):
        world.job(f"{training.name} test", training, dataset=training.name, seconds=seconds)
    world.run()
    assert world.order == ["long", "long test", "short", "short test", "middle", "middle test"]


def test_without_any_record_the_order_is_that_of_the_plan(world):
    for name in ("c", "a", "b"):
        world.job(name)
    for training in list(world.jobs):
        world.job(f"{training.name} test", training)
    world.run()
    assert world.order == ["c", "c test", "a", "a test", "b", "b test"]


def test_a_training_without_a_record_goes_first(world):
    world.job("long", seconds=90)
    world.job("unknown")
    world.job("short", seconds=10)
    world.run()
    assert world.order == ["unknown", "long", "short"]


def test_pauses_before_retries_grow_up_to_a_minute(world):
    world.job("bad")
    world.ends["bad"] = [1] * 8
    assert not world.run(retries=8).failures
    starts = [now for _, now in world.begun]
    pauses = [round(later - sooner) for sooner, later in pairwise(starts)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_while_a_job_pauses_its_place_is_used(world):
    world.job("bad", seconds=100)
    for number in range(3):
        world.job(f"good {number}", seconds=1)
    world.ends["bad"] = [1]
    world.run(retries=1)
    assert world.order == ["bad", "good 0", "good 1", "good 2", "bad"]


def test_retries_come_to_an_end_and_the_tests_are_named(world):
    training = world.job("bad")
    test = world.job("bad test", training)
    world.ends["bad"] = [7, 7, 7]
    outcome = world.run(retries=2)
    assert [(failure.job, failure.exit_code) for failure in outcome.failures] == [(training, 7)]
    assert outcome.blocked == [test]
    assert world.told == ["bad: exit code 7, again"] * 2 + ["bad: exit code 7"]


@pytest.mark.parametrize("code, starts", [(2, 1), (1, 3), (-11, 3), (Code.TIMED_OUT, 3)])
def test_a_mistake_of_the_user_is_not_tried_again(world, code, starts):
    world.job("bad")
    world.ends["bad"] = [code] * 9
    assert len(world.run(retries=2).failures) == 1
    assert len(world.begun) == starts


def test_a_job_that_another_runner_did_meanwhile_lets_its_tests_go_on(world):
    training = world.job("train")
    world.job("train test", training)
    training.folder.mkdir()
    world.ends["train"] = [Code.DONE_ELSEWHERE]
    (training.folder / "result.json").write_text('{"accuracy": 5.0, "job_key": "train"}')
    outcome = world.run()
    assert outcome.results["train"].accuracy == 5.0 and world.order == ["train", "train test"]


def test_what_was_not_started_is_submitted_again_in_its_place_and_does_not_count(world):
    world.job("first")
    world.job("second")
    world.ends["first"] = [Code.NOT_STARTED]
    assert not world.run(retries=0).failures
    assert world.order == ["first", "first", "second"] and world.told == [
        "first done",
        "second done",
    ]


def test_what_could_not_be_started_is_a_failure(world):
    world.job("bad")
    world.ends["bad"] = [Code.CANNOT_START]
    assert world.run().failures[0].reason == "could not be started"
