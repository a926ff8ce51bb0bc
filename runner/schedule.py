"""Run jobs over a launcher: dependencies, retries, and what is done by its files."""

import enum
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from runner.jobs import Job
from runner.launcher import (
    DONE_ELSEWHERE,
    OTHER_SETTINGS,
    STARTED_ELSEWHERE,
    Command,
    Launcher,
    State,
    Status,
)
from runner.mistakes import Mistakes
from runner.results import RunResult, read_log, read_result, set_aside
from runner.stop import StopRequest

USER_MISTAKE = 2  # exit code of train.py: another try would end the same way
TICK = 0.05


class Standing(enum.Enum):
    """What lies in a job's folder."""

    DONE = "done"
    TO_RUN = "to run"
    OTHER = "result of other settings"


Survey = Mapping[str, tuple[Standing, RunResult | None]]
"""By job name: what its folder holds, and the result that counts, if any."""


@dataclass(frozen=True)
class Failure:
    """A job that did not leave a result."""

    job: Job
    reason: str
    exit_code: int | None


@dataclass
class Outcome:
    """How the jobs ended: results by job name, failures, those whose training failed, and those
    not tried since runs like them were refused."""

    results: dict[str, RunResult] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    blocked: list[Job] = field(default_factory=list)
    hopeless: list[Job] = field(default_factory=list)
    stopped: bool = False

    def count_in(self, found: Survey) -> list[str]:
        """Take in what a later survey has found done: it is no failure any more.

        Returns:
            the names of those jobs, which another runner has run.
        """
        late = []
        for name, (standing, result) in found.items():
            if standing is Standing.DONE and result and name not in self.results:
                self.results[name] = result
                late.append(name)
        self.failures = [each for each in self.failures if each.job.name not in self.results]
        self.blocked = [job for job in self.blocked if job.name not in self.results]
        self.hopeless = [job for job in self.hopeless if job.name not in self.results]
        return late


class Watcher(Protocol):
    """Who wants to know how it goes."""

    def started(self, job: Job) -> None:
        """A job runs now."""

    def finished(self, job: Job, result: RunResult, seconds: float | None) -> None:
        """A job has left its result; `seconds` is None where another runner has run it."""

    def failed(self, failure: Failure, *, retry: bool) -> None:
        """A job has ended without a result; `retry`: it will be run again."""

    def tick(self) -> None:
        """Called many times a second."""

    def stopping(self) -> None:
        """Running jobs are about to be ended."""


def survey(jobs: Sequence[Job]) -> Survey:
    """Return for each job, by name, what its folder holds.

    A test whose training must run is to run as well, whatever lies there.
    """
    found: dict[str, tuple[Standing, RunResult | None]] = {}
    for job in jobs:
        standing, result = _look(job)
        if job.needs and found[job.needs.name][0] is Standing.TO_RUN and standing is Standing.DONE:
            standing, result = Standing.TO_RUN, None
        found[job.name] = (standing, result)
    return found


def _look(job: Job) -> tuple[Standing, RunResult | None]:
    result = read_result(job.folder)
    if result is None and not (job.folder / "result.json").exists() and not job.console.exists():
        # Only a run that this runner never started may count by its log alone: ours leave
        # result.json, and without it they did not end.
        result = read_log(job.folder, kind=job.kind)
    if result is None:
        return Standing.TO_RUN, None
    if result.from_log or result.key == job.key:
        return Standing.DONE, result
    return Standing.OTHER, result


class Scheduler:
    """Feeds a launcher; a test becomes ready when its own training is done."""

    def __init__(self, launcher: Launcher, watcher: Watcher, stop: StopRequest, *, retries: int):
        self._launcher = launcher
        self._watcher = watcher
        self._stop = stop
        self._retries = retries
        self._mistakes = Mistakes()
        self._tries: dict[str, int] = {}
        self._submitted: dict[int, Job] = {}
        self._running: dict[int, float] = {}

    def run(self, jobs: Sequence[Job]) -> Outcome:
        """Run the jobs and return how they ended; returns early when a stop is asked for.

        The launcher is left without a running command, whatever happens here, unless it is one
        that leaves them running.
        """
        self._priority = {job.name: number for number, job in enumerate(jobs)}
        waiting = {job.name: job for job in jobs}
        for job in waiting.values():
            if job.needs and job.needs.name in waiting:
                set_aside(job.folder)  # belongs to the model that is about to be replaced
        outcome = Outcome()
        try:
            while not self._stop.count:
                self._submit_ready(waiting, outcome)
                if not self._submitted:
                    break
                self._take(self._launcher.poll(), outcome)
                self._give_up_hopeless(waiting, outcome)
                self._watcher.tick()
                time.sleep(TICK)
            outcome.stopped = bool(self._stop.count)
        finally:
            if self._stop.count and not self._launcher.leaves_running:
                self._watcher.stopping()
            self._launcher.cancel(self._stop.hurry)
        return outcome

    def _submit_ready(self, waiting: dict[str, Job], outcome: Outcome) -> None:
        lost = {failure.job.name for failure in outcome.failures}
        unfinished = {*waiting, *(job.name for job in self._submitted.values())}
        for name, job in list(waiting.items()):
            needs = job.needs.name if job.needs else ""
            if needs in lost:
                outcome.blocked.append(waiting.pop(name))
            elif needs not in unfinished:
                self._submit(waiting.pop(name))

    def _give_up_hopeless(self, waiting: dict[str, Job], outcome: Outcome) -> None:
        for number, job in list(self._submitted.items()):
            if self._mistakes.covers(job) and self._launcher.withdraw(number):
                outcome.hopeless.append(self._submitted.pop(number))
        for name, job in list(waiting.items()):
            if self._mistakes.covers(job):
                outcome.hopeless.append(waiting.pop(name))

    def _submit(self, job: Job) -> None:
        self._tries[job.name] = self._tries.get(job.name, 0) + 1
        refuse = partial(_refusal, job)
        command = Command(job.argv, job.console, self._priority[job.name], refuse)
        self._submitted[self._launcher.submit(command)] = job

    def _take(self, statuses: Mapping[int, Status], outcome: Outcome) -> None:
        for number, status in statuses.items():
            job = self._submitted[number]
            if status.state is State.RUNNING and number not in self._running:
                self._running[number] = time.monotonic()
                self._watcher.started(job)
            elif status.state is State.GONE:
                seconds = time.monotonic() - self._running.pop(number, time.monotonic())
                del self._submitted[number]
                self._settle(job, status.exit_code, seconds, outcome)

    def _settle(self, job: Job, code: int | None, seconds: float, outcome: Outcome) -> None:
        result = read_result(job.folder)
        elsewhere = code == DONE_ELSEWHERE
        if (elsewhere or not code) and result and result.key == job.key:
            outcome.results[job.name] = result
            self._watcher.finished(job, result, None if elsewhere else seconds)
            return
        failure = Failure(job, _reason(code), code)
        final = code in (USER_MISTAKE, STARTED_ELSEWHERE, OTHER_SETTINGS)
        retry = not final and self._tries[job.name] <= self._retries and not self._stop.count
        self._watcher.failed(failure, retry=retry)
        if retry:
            self._submit(job)
        else:
            outcome.failures.append(failure)
        if code == USER_MISTAKE:
            self._mistakes.note(job)


def _refusal(job: Job) -> int:
    """Look once more: another runner may have been there while the job stood in line."""
    result = read_result(job.folder)
    if result is None:
        return 0
    return DONE_ELSEWHERE if result.key == job.key else OTHER_SETTINGS


def _reason(code: int | None) -> str:
    if code == STARTED_ELSEWHERE:
        return "already running elsewhere: another process holds its console file"
    if code == OTHER_SETTINGS:
        return "its folder holds a result of other settings, made since this runner started"
    if code in (0, None, DONE_ELSEWHERE):
        return "ended without a whole result.json of this job"
    if code is not None and code < 0:
        return f"killed by signal {-code}" if code > -100 else "could not be started"
    return f"exit code {code}"
