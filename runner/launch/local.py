"""Jobs as processes on this machine: one queue, and every free slot takes its next job."""

import heapq
import math
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from runner.errors import UserError
from runner.files.consoles import heading, holder_file, lock
from runner.files.records import tail
from runner.launch.device_sharing import Devices, Taken
from runner.launch.gpus import Slot
from runner.launch.interface import CANNOT_START, STARTED_ELSEWHERE, TIMED_OUT, Change, refusal
from runner.launch.processes import Isolated, Process
from runner.plan.jobs import Job

_OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|_STATUS_ALLOC_FAILED"
    r"|^MemoryError|can't allocate memory|Cannot allocate memory"
)


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
        rooms: Mapping[str, float] | None = None,
        need: Callable[[Job], float] = lambda job: math.inf,
        limit: float = math.inf,
        grace: float = 10.0,
    ):
        """
        Args:
            starter: makes the processes, by default isolated ones.
            rooms: free MiB of the devices that take as many jobs at once as fit.
            need: the MiB that a job takes there; infinite as long as that is not known.
            limit: seconds after which a job is ended.
            grace: seconds between SIGTERM and SIGKILL.
        """
        self.width = len(slots)
        self._starter = starter or Isolated()
        self._devices = Devices(slots, rooms)
        self._need = need
        self._limit = limit
        self._grace = grace
        self._line: list[tuple[int, str, Job]] = []
        self._running: list[_Running] = []

    def submit(self, job: Job, priority: int) -> None:
        heapq.heappush(self._line, (priority, job.name, job))

    def poll(self) -> list[Change]:
        # Start before looking who has ended: between two polls the caller may put a more urgent
        # job in before a slot that has come free is filled.
        changes = []
        while self._line and (taken := self._devices.take(partial(self._need, self._line[0][2]))):
            job = heapq.heappop(self._line)[2]
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

    def cancel(self, hurry: Callable[[], bool]) -> None:
        self._line.clear()
        try:
            self._end(signal.SIGTERM, time.monotonic() + self._grace, hurry)
            self._end(signal.SIGKILL)
        finally:
            self._starter.close()

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
            crowded = run.taken.most > 1 and _out_of_memory(code, run.job)
            narrowed = self._devices.narrow(run.taken) if crowded else ""
            changes.append(Change(run.job, True, code, narrowed))
            run.console.close()
            self._devices.give_back(run.taken)
        return changes


def _out_of_memory(exit_code: int | None, job: Job) -> bool:
    """Whether a run has ended for want of memory: by what it printed, or killed as the kernel kills
    where memory is out."""
    if exit_code == -signal.SIGKILL:
        return True
    return bool(exit_code) and any(map(_OUT_OF_MEMORY.search, tail(job.console, 60)))
