"""Run jobs over a launcher: dependencies, retries, and what is done by its files."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from runner.files.consoles import in_use
from runner.files.records import RunResult, read_result, set_aside
from runner.launch.gpus import need_mb
from runner.launch.local import (
    DONE_ELSEWHERE,
    OTHER_SETTINGS,
    STARTED_ELSEWHERE,
    TIMED_OUT,
    Command,
    Launcher,
    State,
    Status,
)
from runner.launch.mistakes import Mistakes, out_of_memory
from runner.launch.order import followers, priorities
from runner.launch.stop import StopRequest
from runner.launch.times import Times
from runner.plan.jobs import Job
from runner.plan.standing import Standing, Survey

USER_MISTAKE = 2  # exit code of train.py: another try would end the same way
FINAL = (USER_MISTAKE, OTHER_SETTINGS)
FIRST_PAUSE = 2.0  # seconds before the first retry; each pause is twice the one before
LONGEST_PAUSE = 60.0
ELSEWHERE = 0.5  # seconds between two looks at jobs that other processes run
TICK = 0.05  # longest pause between two looks
_SHORTEST_TICK = 0.002


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

    def elsewhere(self, job: Job) -> None:
        """A job waits for another process that runs it."""

    def failed(self, failure: Failure, *, retry: bool) -> None:
        """A job has ended without a result; `retry`: it will be run again."""

    def tick(self) -> None:
        """Called many times a second."""

    def stopping(self) -> None:
        """Running jobs are about to be ended."""


class Scheduler:
    """Feeds a launcher; a test becomes ready when its own training is done."""

    def __init__(
        self,
        launcher: Launcher,
        watcher: Watcher,
        stop: StopRequest,
        times: Times,
        *,
        retries: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._launcher = launcher
        self._watcher = watcher
        self._stop = stop
        self._times = times
        self._retries = retries
        self._clock = clock
        self._sleep = sleep
        self._mistakes = Mistakes()
        self._outcome = Outcome()
        self._tries: Counter[str] = Counter()
        self._submitted: dict[int, Job] = {}
        self._running: dict[int, float] = {}
        self._resting: list[tuple[float, Job]] = []  # from when on it may be tried again
        self._elsewhere: dict[str, Job] = {}
        self._next_look = 0.0

    def run(self, jobs: Sequence[Job]) -> Outcome:
        """Run the jobs and return how they ended; returns early when a stop is asked for.

        The launcher is left without a running command, whatever happens here, unless it is one
        that leaves them running.
        """
        self._priority = priorities(jobs, self._times)
        self._followers = followers(jobs)
        following = {job.name for each in self._followers.values() for job in each}
        for job in jobs:
            _make_way(job, replaced=job.name in following)
        tick = _SHORTEST_TICK
        try:
            for job in jobs:
                if job.name not in following:
                    self._submit(job)
            while not self._stop.count and (self._submitted or self._resting or self._elsewhere):
                self._submit_rested()
                self._look_elsewhere()
                # A place that has come free is filled by the next poll: at once.
                ended = self._take(self._launcher.poll())
                self._watcher.tick()
                # Where one has just ended, the next may end soon as well.
                tick = _SHORTEST_TICK if ended else min(TICK, tick * 1.2)
                if not ended:
                    self._sleep(tick)
            self._outcome.stopped = bool(self._stop.count)
        finally:
            try:
                if self._stop.count and not self._launcher.leaves_running:
                    self._watcher.stopping()
            finally:
                self._end()
        return self._outcome

    def _end(self) -> None:
        try:
            self._launcher.cancel(self._stop.hurry)
        finally:
            self._times.save()

    def _submit(self, job: Job) -> None:
        self._tries[job.name] += 1
        command = Command(
            job.argv,
            job.console,
            self._priority[job.name],
            partial(_refusal, job),
            partial(self._need, job),
        )
        self._submitted[self._launcher.submit(command)] = job

    def _need(self, job: Job) -> float | None:
        peak = self._times.memory(job.argv)
        return None if peak is None else need_mb(peak)

    def _submit_rested(self) -> None:
        now = self._clock()
        for due, job in [entry for entry in self._resting if entry[0] <= now]:
            self._resting.remove((due, job))
            self._submit(job)

    def _look_elsewhere(self) -> None:
        """Take in what other processes have finished, and start again what they have left."""
        if not self._elsewhere or self._clock() < self._next_look:
            return
        self._next_look = self._clock() + ELSEWHERE
        for name, job in list(self._elsewhere.items()):
            if not in_use(job.console):
                del self._elsewhere[name]
                if _refusal(job) == DONE_ELSEWHERE:
                    self._settle(job, Status(State.GONE, DONE_ELSEWHERE), 0.0)
                else:
                    self._submit(job)

    def _take(self, statuses: Mapping[int, Status]) -> bool:
        """Take in where the commands stand; return whether one has ended."""
        ended = False
        for number, status in statuses.items():
            if status.state is State.RUNNING and number not in self._running:
                self._running[number] = self._clock()
                self._watcher.started(self._submitted[number])
            elif status.state is State.GONE:
                now = self._clock()
                job = self._submitted.pop(number)
                self._settle(job, status, now - self._running.pop(number, now))
                ended = True
        return ended

    def _settle(self, job: Job, status: Status, seconds: float) -> None:
        code, result = status.exit_code, read_result(job.folder)
        elsewhere = code == DONE_ELSEWHERE
        if (elsewhere or not code) and result and result.key == job.key:
            self._outcome.results[job.name] = result
            self._times.learn(job.argv, job.folder, None if elsewhere else seconds)
            self._watcher.finished(job, result, None if elsewhere else seconds)
            for follower in self._followers.get(job.name, ()):
                self._submit(follower)
        elif code == STARTED_ELSEWHERE:
            self._tries[job.name] -= 1
            self._elsewhere[job.name] = job
            self._watcher.elsewhere(job)
        else:
            self._fail(job, status)

    def _fail(self, job: Job, status: Status) -> None:
        code = status.exit_code
        reason, pause = _reason(code), 0.0
        if out_of_memory(code, job.console) and status.narrow:
            reason = f"{reason}, out of memory beside others: {status.narrow()}"
            self._tries[job.name] -= 1
            retry = True
        else:
            retry = code not in FINAL and self._tries[job.name] <= self._retries
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._tries[job.name] - 1))
        retry = retry and not self._stop.count
        failure = Failure(job, reason, code)
        self._watcher.failed(failure, retry=retry)
        if retry:
            self._resting.append((self._clock() + pause, job))
        else:
            self._outcome.failures.append(failure)
            self._drop_followers(job, self._outcome.blocked)
        if code == USER_MISTAKE:
            self._mistakes.note(job)
            self._give_up_hopeless()

    def _give_up_hopeless(self) -> None:
        for number, job in list(self._submitted.items()):
            if self._mistakes.covers(job) and self._launcher.withdraw(number):
                del self._submitted[number]
                self._outcome.hopeless.append(job)
                self._drop_followers(job, self._outcome.hopeless)
        for entry in [entry for entry in self._resting if self._mistakes.covers(entry[1])]:
            self._resting.remove(entry)
            self._outcome.hopeless.append(entry[1])
            self._drop_followers(entry[1], self._outcome.hopeless)

    def _drop_followers(self, job: Job, place: list[Job]) -> None:
        for follower in self._followers.pop(job.name, ()):
            place.append(follower)
            self._drop_followers(follower, place)


def _make_way(job: Job, *, replaced: bool) -> None:
    """Rename what lies where a job will leave its result; `replaced`: the model that it tested is
    about to be."""
    if in_use(job.console):
        return
    if replaced:
        set_aside(job.folder)
    elif (job.folder / "result.json").exists() and read_result(job.folder) is None:
        set_aside(job.folder, logs=False)  # cut short, or of another program


def _refusal(job: Job) -> int:
    """Look once more: another runner may have been there while the job stood in line."""
    result = read_result(job.folder)
    if result is None:
        return 0
    return DONE_ELSEWHERE if result.key == job.key else OTHER_SETTINGS


def _reason(code: int | None) -> str:
    if code == TIMED_OUT:
        return "ended, since it ran longer than --job-timeout"
    if code == OTHER_SETTINGS:
        return "its folder holds a result of other settings, made since this runner started"
    if code in (0, None, DONE_ELSEWHERE):
        return "ended without a whole result.json of this job"
    if code is not None and code < 0:
        return f"killed by signal {-code}" if code > -100 else "could not be started"
    return f"exit code {code}"
