"""Run jobs over a launcher: order, dependencies, retries, and what is done by its files."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from runner.files.consoles import in_use
from runner.files.records import RunResult, read_result
from runner.launch.interface import USER_MISTAKE, Change, Code, Launcher
from runner.launch.stop_signals import StopRequest
from runner.launch.times import Times
from runner.plan.jobs import Job

if TYPE_CHECKING:
    from runner.show.progress import Progress

FINAL = (USER_MISTAKE, Code.OTHER_SETTINGS)
FIRST_PAUSE = 2.0  # seconds before the first retry; each pause is twice the one before
LONGEST_PAUSE = 60.0
ELSEWHERE = 0.5  # seconds between two looks at jobs that other processes run
TICK = 0.02  # seconds between two looks at the launcher


@dataclass(frozen=True)
class Failure:
    """A job that did not leave a result."""

    job: Job
    reason: str
    exit_code: int | None


@dataclass
class Outcome:
    """How the jobs ended: results by job name, failures, and those whose training failed."""

    results: dict[str, RunResult] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    blocked: list[Job] = field(default_factory=list)
    stopped: bool = False


@dataclass
class Scheduler:
    """Feeds a launcher; a test becomes ready when its own training is done."""

    launcher: Launcher
    watcher: "Progress"
    stop: StopRequest
    times: Times
    _: KW_ONLY
    retries: int = 0

    def __post_init__(self) -> None:
        self._outcome = Outcome()
        self._tries: Counter[str] = Counter()
        self._submitted: set[str] = set()
        self._begun: dict[str, float] = {}
        self._resting: list[tuple[float, Job]] = []  # from when on it may be tried again

    def run(self, jobs: Sequence[Job]) -> Outcome:
        """Run the jobs and return how they ended; returns early when a stop is asked for.

        The launcher is left without a running job, whatever happens here, unless it is one that
        leaves them running.
        """
        self._followers = followers(jobs)
        following = {job.name for each in self._followers.values() for job in each}
        self._priority = self._priorities(jobs, following)
        for job in jobs:
            _make_way(job, replaced=job.name in following)
        try:
            for job in jobs:
                if job.name not in following:
                    self._submit(job)
            while not self.stop.count and (self._submitted or self._resting):
                self._submit_rested()
                changes = self.launcher.poll()
                for change in changes:
                    self._take(change)
                self.watcher.tick()
                # A place that has come free is filled by the next poll: at once.
                if not any(change.ended for change in changes):
                    time.sleep(TICK)
            self._outcome.stopped = bool(self.stop.count)
        finally:
            self._end()
        return self._outcome

    def _priorities(self, jobs: Sequence[Job], following: Collection[str]) -> dict[str, int]:
        """Return by job name its place in the line: the longest chains of a training and its tests
        go first, the tests of a chain that has begun before everything new. Chains of which nothing
        is known stand before the others, in the order of `jobs`."""

        def place(job: Job) -> tuple[bool, float]:
            chain = map(self.times.seconds, (job, *self._followers.get(job.name, ())))
            known = [seconds for seconds in chain if seconds is not None]
            return job.name not in following, -sum(known) if known else -float("inf")

        return {job.name: number for number, job in enumerate(sorted(jobs, key=place))}

    def _end(self) -> None:
        self.times.save()
        try:
            if self.stop.count and not self.launcher.leaves_running:
                self.watcher.stopping()
        finally:
            self.launcher.cancel(self.stop.hurry)

    def _submit(self, job: Job) -> None:
        self._tries[job.name] += 1
        self._submitted.add(job.name)
        self.launcher.submit(job, self._priority[job.name])

    def _submit_rested(self) -> None:
        """Submit what has waited long enough, and that no other process runs any more."""
        now = time.monotonic()
        for due, job in [entry for entry in self._resting if entry[0] <= now]:
            self._resting.remove((due, job))
            if in_use(job.console):
                self._resting.append((now + ELSEWHERE, job))
            else:
                self._submit(job)

    def _take(self, change: Change) -> None:
        name, now = change.job.name, time.monotonic()
        if change.ended:
            self._submitted.remove(name)
            self._settle(change, now - self._begun.pop(name, now))
        elif name not in self._begun:
            self._begun[name] = now
            self.watcher.started(change.job)

    def _settle(self, change: Change, seconds: float) -> None:
        job, code = change.job, change.exit_code
        elsewhere, result = code == Code.DONE_ELSEWHERE, read_result(job.folder)
        if (elsewhere or not code) and result and result.key == job.key:
            self._outcome.results[job.name] = result
            self.times.learn(job, None if elsewhere else seconds)
            self.watcher.finished(job, result, None if elsewhere else seconds)
            for follower in self._followers.get(job.name, ()):
                self._submit(follower)
        elif code == Code.NOT_STARTED:
            self._tries[job.name] -= 1
            self._submit(job)
        elif code == Code.STARTED_ELSEWHERE:
            self._tries[job.name] -= 1
            self._resting.append((time.monotonic() + ELSEWHERE, job))
            self.watcher.elsewhere(job)
        else:
            self._fail(change)

    def _fail(self, change: Change) -> None:
        job, code = change.job, change.exit_code
        again = code not in FINAL and self._tries[job.name] <= self.retries
        retry = again and not self.stop.count
        failure = Failure(job, _reason(code), code)
        self.watcher.failed(failure, retry=retry)
        if retry:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._tries[job.name] - 1))
            self._resting.append((time.monotonic() + pause, job))
        else:
            self._outcome.failures.append(failure)
            self._outcome.blocked += self._followers.pop(job.name, ())


def _make_way(job: Job, *, replaced: bool) -> None:
    """Rename what lies where a job will leave its result, so that nothing counts it and nothing is
    lost: one that is cut short or of another program; with `replaced`, where the model that it
    tested is about to be, a whole one and its logs as well."""
    names = ("result.json", "log.txt*") if replaced else ("result.json",)
    if in_use(job.console) or not (replaced or read_result(job.folder) is None):
        return
    stamp = f"{datetime.now():%Y-%m-%d-%H-%M-%S}"
    for path in [path for name in names for path in job.folder.glob(name) if path.is_file()]:
        path.rename(path.with_name(f"old-{path.name}-{stamp}"))


def _reason(code: int | None) -> str:
    if code == Code.TIMED_OUT:
        return "ended, since it ran longer than --job-timeout"
    if code == Code.OTHER_SETTINGS:
        return "its folder holds a result of other settings, made since this runner started"
    if code == Code.CANNOT_START:
        return "could not be started"
    if code in (0, None, Code.DONE_ELSEWHERE):
        return "ended without a whole result.json of this job"
    return f"exit code {code}" if code > 0 else f"killed by signal {-code}"


def followers(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Return the jobs that need another one of `jobs`, by the name of that."""
    names = {job.name for job in jobs}
    found: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.needs and job.needs.name in names:
            found[job.needs.name].append(job)
    return found
