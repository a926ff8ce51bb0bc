"""What a person sees while the jobs run: a line per finished job, and on a terminal below them a
block that is drawn anew in place."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from runner.files.records import RunResult
from runner.launch.schedule import Failure
from runner.output import duration, printable
from runner.plan.jobs import ANY, Job

_SHOWN = 6  # experiments whose accuracy is shown


class Progress:
    """Prints finished and failed jobs with the count and the time that is left."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        width: int,
        done: Iterable[tuple[Job, RunResult]] = (),
        expected: Callable[[Job], float | None] = lambda job: None,
        stream: TextIO | None = None,
    ):
        """
        Args:
            jobs: those that will run.
            width: how many at once.
            done: those that need not run, for the accuracy so far.
            expected: seconds that a job takes, None where nothing is known.
        """
        self._total, self._width, self._failed = len(jobs), width, 0
        self._left = {job.name: job for job in jobs}
        self._known = {job.name: expected(job) for job in jobs}
        self._running: dict[str, float] = {}
        self._seconds: list[float] = []
        self._accuracies: dict[str, dict[str, list[float]]] = {}
        self._begin = self._last_tick = time.monotonic()
        for job, result in done:
            self._count(job, result)
        stream = stream or sys.stdout
        drawn = stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")
        plain = {"color_system": None, "highlight": False, "markup": False, "emoji": False}
        self._console = Console(file=stream, force_terminal=drawn, **plain)  # type: ignore[arg-type]
        self._live: Live | None = None
        if drawn:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
            self._console.show_cursor()  # a runner that is killed could not give it back

    def started(self, job: Job) -> None:
        """A job runs now."""
        self._running[job.name] = time.monotonic()

    def finished(self, job: Job, result: RunResult, seconds: float | None) -> None:
        """A job has left its result; `seconds` is None where another runner has run it."""
        if seconds is not None:
            self._seconds.append(seconds)
        how = "by another runner" if seconds is None else f"in {duration(seconds)}"
        self._close(job)
        self._count(job, result)
        self._line(f"{job.name}: {result.accuracy:.2f}% {how}")

    def elsewhere(self, job: Job) -> None:
        """A job waits for another process that runs it."""
        self._running.pop(job.name, None)
        self._line(f"{job.name}: already running elsewhere, waiting for it to end")

    def failed(self, failure: Failure, *, retry: bool) -> None:
        """A job has ended without a result; `retry`: it will be run again."""
        self._running.pop(failure.job.name, None)
        if not retry:
            self._failed += 1
            self._close(failure.job)
        again = ", trying again" if retry else ""
        self._line(f"{failure.job.name}: FAILED, {failure.reason}{again}")

    def tick(self) -> None:
        """Draw the block anew; to be called many times a second."""
        now = time.monotonic()
        if self._live and now - self._last_tick >= 1:
            self._last_tick = now
            self._live.update(self._block(), refresh=True)

    def stopping(self) -> None:
        """Running jobs are about to be ended."""
        self._say(f"stopping {len(self._running)} at work; once more to kill at once")

    def close(self) -> None:
        """Leave the numbers and the accuracies where the block was."""
        if self._live:
            took = duration(time.monotonic() - self._begin)
            self._live.update(_text([f"{self._numbers()}, {took}", *self._accuracy_lines()]))
            self._live.stop()

    def _count(self, job: Job, result: RunResult) -> None:
        column = "accuracy" if job.column == ANY else job.column
        found = self._accuracies.setdefault(job.experiment, {})
        found.setdefault(column, []).append(result.accuracy)

    def _close(self, job: Job) -> None:
        self._running.pop(job.name, None)
        self._left.pop(job.name, None)

    def _line(self, text: str) -> None:
        over = f"{self._total - len(self._left)}/{self._total}"
        left = self._time_left()
        rest = f", about {duration(left)} left" if left else ""
        self._say(f"{time.strftime('%H:%M:%S')}  {text}  [{over}{rest}]")

    def _say(self, text: str) -> None:
        if self._live:
            self._live.update(self._block())
        self._console.print(text, soft_wrap=True)

    def _numbers(self) -> str:
        running = len(self._running)
        done = self._total - len(self._left) - self._failed
        others = {"failed": self._failed, "running": running, "waiting": len(self._left) - running}
        more = [f"{number} {what}" for what, number in others.items() if number]
        return ", ".join([f"{done} of {self._total} jobs done", *more])

    def _block(self) -> Text:
        """The lines of the block, the most important first."""
        left, now = self._time_left(), time.monotonic()
        head = f"{self._numbers()}, about {duration(left)} to go" if left else self._numbers()
        working = [f"  {name}, {duration(now - since)}" for name, since in self._running.items()]
        return _text([head, *working, *self._accuracy_lines()])

    def _accuracy_lines(self) -> list[str]:
        """A line per experiment; of many those of which something is left to run first."""
        waiting = {job.experiment for job in self._left.values()}
        order = sorted(self._accuracies, key=lambda name: name not in waiting)
        lines = []
        for name in order[:_SHOWN]:
            found = self._accuracies[name].items()
            means = [f"{column} {fmean(values):.2f} ({len(values)})" for column, values in found]
            lines.append(f"  {name}: {', '.join(means)}")
        more = len(order) - _SHOWN
        return [*lines, f"  and {more} more experiments"] if more > 0 else lines

    def _time_left(self) -> float:
        """Estimate from what each run has taken before, else from the mean of those so far. No run
        that is at work ends before its own time."""
        now = time.monotonic()
        mean = fmean(self._seconds) if self._seconds else 0.0
        remaining = [
            max(0.0, seconds - (now - self._running.get(name, now)))
            for name in self._left
            if (seconds := self._known[name] or mean)
        ]
        together = max(1, min(self._width, len(remaining)))
        return max(sum(remaining) / together, *remaining, 0.0)


def _text(lines: Sequence[str]) -> Text:
    """Return lines that are cut at the terminal's edge, and in which no name steers it."""
    return Text(printable("\n".join(lines)), no_wrap=True, overflow="crop")
