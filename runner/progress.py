"""What a person sees while the jobs run: a line per finished job, a live line on a terminal."""

import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from runner.jobs import Job
from runner.results import RunResult
from runner.schedule import Failure


class Progress:
    """Prints finished and failed jobs with the count and the time that is left."""

    def __init__(self, jobs: Sequence[Job], *, width: int, stream: TextIO | None = None):
        """`jobs`: those that will run, `width`: how many at once."""
        self._out = stream or sys.stdout
        self._live = self._out.isatty()
        self._total = len(jobs)
        self._left = {job.name: job for job in jobs}
        self._width = width
        self._running: dict[str, float] = {}
        self._seconds: dict[str, list[float]] = {}
        self._last_tick = 0.0
        self._shown = False

    def started(self, job: Job) -> None:
        self._running[job.name] = time.monotonic()

    def finished(self, job: Job, result: RunResult, seconds: float | None) -> None:
        how = "by another runner"
        if seconds is not None:
            self._seconds.setdefault(job.kind, []).append(seconds)
            how = f"in {duration(seconds)}"
        self._close(job)
        self._line(f"{job.name}: {result.accuracy:.2f}% {how}")

    def failed(self, failure: Failure, *, retry: bool) -> None:
        self._running.pop(failure.job.name, None)
        if not retry:
            self._close(failure.job)
        again = ", trying again" if retry else ""
        self._line(f"{failure.job.name}: FAILED, {failure.reason}{again}")

    def tick(self) -> None:
        now = time.monotonic()
        if not self._live or now - self._last_tick < 1:
            return
        self._last_tick = now
        names = [f"{name} {duration(now - since)}" for name, since in self._running.items()]
        text = f"{len(self._running)} running: " + ", ".join(names)
        self._wipe()
        self._out.write(text[: shutil.get_terminal_size().columns - 1])
        self._out.flush()
        self._shown = True

    def stopping(self) -> None:
        self._wipe()
        number = len(self._running)
        print(f"stopping {number} at work; once more to kill at once", file=self._out, flush=True)

    def close(self) -> None:
        """Take the live line away."""
        self._wipe()
        self._out.flush()

    def _close(self, job: Job) -> None:
        self._running.pop(job.name, None)
        self._left.pop(job.name, None)

    def _line(self, text: str) -> None:
        self._wipe()
        over = self._total - len(self._left)
        left = self._time_left()
        rest = f", about {duration(left)} left" if left else ""
        print(f"{time.strftime('%H:%M:%S')}  {text}  [{over}/{self._total}{rest}]", file=self._out)
        self._out.flush()

    def _wipe(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._shown = False

    def _time_left(self) -> float:
        """Estimate from the mean duration of each kind; of all jobs for a kind not yet seen."""
        every = [seconds for kind in self._seconds.values() for seconds in kind]
        if not every:
            return 0.0
        means = {kind: sum(values) / len(values) for kind, values in self._seconds.items()}
        work = sum(means.get(job.kind, sum(every) / len(every)) for job in self._left.values())
        return work / max(1, min(self._width, len(self._left)))


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
