"""Jobs as processes on this machine: one queue, and every free slot takes its next job."""

import heapq
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from runner.errors import UserError
from runner.files.consoles import heading, holder_file, lock
from runner.launch.device_sharing import Devices, Taken
from runner.launch.gpus import Slot
from runner.launch.interface import CANNOT_START, STARTED_ELSEWHERE, TIMED_OUT, Change, refusal
from runner.launch.processes import Isolated, Process
from runner.plan.jobs import Job


@dataclass(eq=False)
class _Running:
    job: Job
    process: Process
    taken: Taken
    console: BinaryIO
    since: float
    told_at: float = math.inf  # that its time is over


class LocalLauncher:
    """A pool of processes (see runner.launch.interface).

    Each job leads a process group of its own, which Ctrl-C in the terminal does not reach and which
    can be ended as a whole.
    """

    leaves_running = False

    def __init__(
        self,
        slots: Sequence[Slot],
        starter: Isolated | None = None,
        *,
        rooms: Mapping[str, float | None] | None = None,
        need: Callable[[Job], float | None] = lambda job: None,
        limit: float = math.inf,
        grace: float = 10.0,
    ):
        """
        Args:
            starter: makes the processes, by default isolated ones.
            rooms: free MiB of the devices that take as many jobs at once as fit.
            need: the MiB that a job takes there, as far as that is known by now.
            limit: seconds after which a job is ended.
            grace: seconds between SIGTERM and SIGKILL.
        """
        self.width = len(slots)
        self._starter = starter or Isolated()
        self._devices = Devices(slots, rooms)
        self._need = need
        self._limit = limit
        self._grace = grace
        self._waiting: dict[str, Job] = {}
        self._line: list[tuple[int, int, str]] = []  # also names that wait no more
        self._count = 0
        self._running: list[_Running] = []

    def submit(self, job: Job, priority: int) -> None:
        self._count += 1
        self._waiting[job.name] = job
        heapq.heappush(self._line, (priority, self._count, job.name))

    def poll(self) -> list[Change]:
        # Start before looking who has ended: between two polls the caller may put a more urgent
        # job in, or withdraw one, before a slot that has come free is filled.
        changes = []
        while (job := self._next()) and (taken := self._devices.take(partial(self._need, job))):
            del self._waiting[job.name]
            try:
                refused = self._start(job, taken)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"cannot write {job.console}: {reason}") from error
            if refused:
                self._devices.give_back(taken)
            changes.append(Change(job, bool(refused), refused or None))
        self._end_overdue()
        return changes + self._reap()

    def withdraw(self, job: Job) -> bool:
        return self._waiting.pop(job.name, None) is not None

    def cancel(self, hurry: Callable[[], bool]) -> None:
        self._waiting.clear()
        try:
            self._end(signal.SIGTERM, time.monotonic() + self._grace, hurry)
            self._end(signal.SIGKILL)
        finally:
            self._starter.close()

    def _next(self) -> Job | None:
        while self._line and self._line[0][2] not in self._waiting:
            heapq.heappop(self._line)
        return self._waiting[self._line[0][2]] if self._line else None

    def _end(
        self,
        number: signal.Signals,
        deadline: float = math.inf,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send everything a signal and wait until it has ended, at most up to the deadline."""
        for run in self._running:
            run.process.end(number)
        while self._running and time.monotonic() < deadline and not hurry():
            self._reap()
            time.sleep(0.02)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for run in self._running:
            if now - run.since > self._limit and run.told_at == math.inf:
                run.process.end(signal.SIGTERM)
                run.told_at = now
            elif now - run.told_at > self._grace:
                run.process.end(signal.SIGKILL)

    def _start(self, job: Job, taken: Taken) -> int:
        """Start a job; return 0, or the exit code that stands for the refusal."""
        job.console.parent.mkdir(parents=True, exist_ok=True)
        console = job.console.open("ab")
        # The lock belongs to the open file, which the job inherits as its output: it holds until
        # the last process of the run has ended, even if this runner is killed.
        refused = refusal(job) if lock(console) else STARTED_ELSEWHERE
        if refused:
            console.close()
            return refused
        # A process that a cluster has lost sight of may still think that this run is its own.
        holder_file(job.console).unlink(missing_ok=True)
        console.write(heading(job.argv, taken.slot.name))
        console.flush()
        try:
            process = self._starter.start(job.argv, taken.slot.environment, console)
        except OSError as error:
            console.write(f"{error}\n".encode())
            console.close()
            return CANNOT_START
        self._running.append(_Running(job, process, taken, console, time.monotonic()))
        return 0

    def _reap(self) -> list[Change]:
        ended = [run for run in self._running if run.process.ended()]
        self._running = [run for run in self._running if run not in ended]
        changes = []
        for run in ended:
            code = run.process.exit_code if run.told_at == math.inf else TIMED_OUT
            narrow = partial(self._devices.narrow, run.taken) if run.taken.most > 1 else None
            changes.append(Change(run.job, True, code, narrow))
            run.console.close()
            self._devices.give_back(run.taken)
        return changes
