"""What a person sees while the jobs run: a line per finished job, and on a terminal below them a
block that is drawn anew in place."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from runner.files.consoles import last_start
from runner.files.records import RunResult
from runner.launch.schedule import Failure
from runner.plan.jobs import ANY, Job

_SHOWN = 6  # experiments whose accuracy is shown
_LOOKS = 30.0  # seconds for which a started job's place is looked for
_UP = "\x1b[{}A"
_TO_END = "\x1b[K"
_REST = "\x1b[J"


@dataclass
class _Means:
    """Sums of the accuracies of one experiment, by column."""

    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, column: str, accuracy: float) -> None:
        total, count = self.sums.get(column, (0.0, 0))
        self.sums[column] = (total + accuracy, count + 1)

    def __str__(self) -> str:
        each = [f"{column} {s / n:.2f} ({n})" for column, (s, n) in self.sums.items()]
        return ", ".join(each)


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
        self._out = stream or sys.stdout
        self._screen = _Screen(self._out) if _is_terminal(self._out) else None
        self._jobs = list(jobs)
        self._left = {job.name: job for job in jobs}
        self._width = width
        self._known = {job.name: expected(job) for job in jobs}
        self._running: dict[str, float] = {}
        self._places: dict[str, str] = {}
        self._seconds: dict[str, list[float]] = {}
        self._failed = 0
        self._means: dict[str, _Means] = {}
        self._begin = time.monotonic()
        self._last_tick = 0.0
        for job, result in done:
            self._count(job, result)

    def started(self, job: Job) -> None:
        self._running[job.name] = time.monotonic()
        self._places.pop(job.name, None)

    def finished(self, job: Job, result: RunResult, seconds: float | None) -> None:
        how = "by another runner"
        if seconds is not None:
            self._seconds.setdefault(job.kind, []).append(seconds)
            how = f"in {duration(seconds)}"
        self._close(job)
        self._count(job, result)
        self._line(f"{job.name}: {result.accuracy:.2f}% {how}")

    def elsewhere(self, job: Job) -> None:
        self._running.pop(job.name, None)
        self._line(f"{job.name}: already running elsewhere, waiting for it to end")

    def failed(self, failure: Failure, *, retry: bool) -> None:
        self._running.pop(failure.job.name, None)
        if not retry:
            self._failed += 1
            self._close(failure.job)
        again = ", trying again" if retry else ""
        self._line(f"{failure.job.name}: FAILED, {failure.reason}{again}")

    def tick(self) -> None:
        now = time.monotonic()
        if self._screen is None or now - self._last_tick < 1:
            return
        self._last_tick = now
        self._screen.draw(self._block(), above="")

    def stopping(self) -> None:
        self._say(f"stopping {len(self._running)} at work; once more to kill at once")

    def close(self) -> None:
        """Leave the numbers and the accuracies where the block was."""
        if self._screen is None:
            return
        took = duration(time.monotonic() - self._begin)
        lines = [f"{self._numbers()}, {took}", *self._accuracies()]
        self._screen.draw([], above="".join(f"{line}\n" for line in lines))

    def _count(self, job: Job, result: RunResult) -> None:
        column = "accuracy" if job.column == ANY else job.column
        self._means.setdefault(job.experiment, _Means()).add(column, result.accuracy)

    def _close(self, job: Job) -> None:
        self._running.pop(job.name, None)
        self._left.pop(job.name, None)

    def _line(self, text: str) -> None:
        over = len(self._jobs) - len(self._left)
        left = self._time_left()
        rest = f", about {duration(left)} left" if left else ""
        self._say(f"{time.strftime('%H:%M:%S')}  {text}  [{over}/{len(self._jobs)}{rest}]")

    def _say(self, text: str) -> None:
        if self._screen:
            self._screen.draw(self._block(), above=f"{text}\n")
        else:
            print(text, file=self._out, flush=True)

    def _numbers(self) -> str:
        total, running = len(self._jobs), len(self._running)
        done = total - len(self._left) - self._failed
        others = {"failed": self._failed, "running": running, "waiting": len(self._left) - running}
        more = [f"{number} {what}" for what, number in others.items() if number]
        return ", ".join([f"{done} of {total} jobs done", *more])

    def _block(self) -> list[str]:
        """The lines of the block, the most important first."""
        left = self._time_left()
        head = f"{self._numbers()}, about {duration(left)} to go" if left else self._numbers()
        return [head, *self._working(), *self._accuracies()]

    def _working(self) -> list[str]:
        now, lines = time.monotonic(), []
        for name, since in self._running.items():
            lines.append(f"  {self._place(name, now - since)}{name}, {duration(now - since)}")
        return sorted(lines)

    def _place(self, name: str, since: float) -> str:
        """Return where a job runs, `GPU 0: `, as its console file says once it has begun."""
        if name not in self._places and name in self._left and since < _LOOKS:
            start = last_start(self._left[name].console)
            if start and start.time > time.time() - since - 2:
                self._places[name] = f"{start.place}: "
        return self._places.get(name, "")

    def _accuracies(self) -> list[str]:
        """A line per experiment; of many those of which something is left to run first."""
        running = {self._left[name].experiment for name in self._running if name in self._left}
        waiting = {job.experiment for job in self._left.values()}
        order = sorted(self._means, key=lambda name: (name not in running, name not in waiting))
        lines = [f"  {name}: {self._means[name]}" for name in order[:_SHOWN]]
        more = len(order) - _SHOWN
        return [*lines, f"  and {more} more experiments"] if more > 0 else lines

    def _time_left(self) -> float:
        """Estimate from what each run has taken before, else from the mean of its kind so far, else
        of all. No run that is at work ends before its own time."""
        now = time.monotonic()
        remaining = []
        for name, job in self._left.items():
            seconds = self._known[name] or self._mean(job.kind)
            if seconds:
                begun = self._running.get(name, now)
                remaining.append(max(0.0, seconds - (now - begun)))
        if not remaining:
            return 0.0
        return max(sum(remaining) / max(1, min(self._width, len(remaining))), max(remaining))

    def _mean(self, kind: str) -> float:
        values = self._seconds.get(kind) or [each for one in self._seconds.values() for each in one]
        return sum(values) / len(values) if values else 0.0


class _Screen:
    """A block of lines at the bottom of a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn = 0

    def draw(self, block: Sequence[str], *, above: str) -> None:
        """Replace the block, after the text `above` it, which stays."""
        columns, rows = _size(self._out)
        # A terminal that has become narrower since may have broken the old lines in two: what is
        # then left of them stays on the screen, and no line above the block is lost.
        text = (f"\r{_UP.format(self._drawn)}" if self._drawn else "\r") + _REST + above
        shown = [_cut(line, columns - 1) for line in block[: max(1, rows - 2)]]
        text += "".join(f"{line}{_TO_END}\n" for line in shown)
        self._drawn = len(shown)
        self._out.write(text)
        self._out.flush()


def _cut(line: str, columns: int) -> str:
    plain = "".join(sign if sign.isprintable() else "?" for sign in line)
    return plain if len(plain) <= columns else plain[: max(0, columns)]


def _is_terminal(out: TextIO) -> bool:
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def _size(out: TextIO) -> tuple[int, int]:
    """Return columns and rows, as they are now."""
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        size = shutil.get_terminal_size()
    return size.columns or 80, size.lines or 24


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
