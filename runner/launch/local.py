"""Jobs as processes on this machine: one queue, and every free slot takes its next job."""

import heapq
import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import BinaryIO

from runner.errors import UserError
from runner.files.consoles import heading, lock
from runner.launch.gpus import Slot
from runner.launch.interface import Change, Code, refusal
from runner.launch.processes import Isolated, Process
from runner.plan.jobs import Job


@dataclass(eq=False)
class _Running:
    job: Job
    process: Process
    slot: Slot
    console: BinaryIO
    since: float
    told_at: float = math.inf  # that its time is over


@dataclass
class LocalLauncher:
    """A pool of processes (see runner.launch.interface).

    Each job leads a process group of its own, which Ctrl-C in the terminal does not reach and which
    can be ended as a whole.

    Attributes:
        starter: makes the processes.
        limit: seconds after which a job is ended.
        grace: seconds between SIGTERM and SIGKILL.
    """

    slots: Sequence[Slot]
    starter: Isolated = field(default_factory=Isolated)
    _: KW_ONLY
    limit: float = math.inf
    grace: float = 10.0
    leaves_running = False

    def __post_init__(self) -> None:
        self.width = len(self.slots)
        self._free = list(self.slots)
        self._line: list[tuple[int, str, Job]] = []
        self._running: list[_Running] = []

    def submit(self, job: Job, priority: int) -> None:
        heapq.heappush(self._line, (priority, job.name, job))

    def poll(self) -> list[Change]:
        # Start before looking who has ended: between two polls the caller may put a more urgent
        # job in before a slot that has come free is filled.
        changes = []
        while self._line and self._free:
            job = heapq.heappop(self._line)[2]
            try:
                refused = self._start(job)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"cannot write {job.console}: {reason}") from error
            changes.append(Change(job, bool(refused), refused or None))
        self._end_overdue()
        return changes + self._reap()

    def cancel(self, hurry: Callable[[], bool]) -> None:
        self._line.clear()
        deadline = time.monotonic() + self.grace
        try:
            self._end_all(signal.SIGTERM, lambda: hurry() or time.monotonic() > deadline)
            self._end_all(signal.SIGKILL, lambda: False)
        finally:
            self.starter.close()

    def _end_all(self, number: signal.Signals, late: Callable[[], bool]) -> None:
        """Send everything a signal and wait until it has ended, or it is too late for that."""
        for run in self._running:
            run.process.end(number)
        while self._running and not late():
            self._reap()
            time.sleep(0.02)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for run in self._running:
            if now - run.since > self.limit and run.told_at == math.inf:
                run.process.end(signal.SIGTERM)
                run.told_at = now
            elif now - run.told_at > self.grace:
                run.process.end(signal.SIGKILL)

    def _start(self, job: Job) -> int:
        """Start a job on the GPU that has the fewest; return 0, or the exit code that stands for
        the refusal."""
        busy = Counter(run.slot.name for run in self._running)
        slot = min(self._free, key=lambda free: busy[free.name])
        job.console.parent.mkdir(parents=True, exist_ok=True)
        console = job.console.open("ab")
        # The lock belongs to the open file, which the job inherits as its output: it holds until
        # the last process of the run has ended, even if this runner is killed.
        refused = refusal(job) if lock(console) else Code.STARTED_ELSEWHERE
        if refused:
            console.close()
            return refused
        console.write(heading(job.argv, slot.name))
        console.flush()
        try:
            process = self.starter.start(job.argv, slot.environment, console)
        except OSError as error:
            console.write(f"{error}\n".encode())
            console.close()
            return Code.CANNOT_START
        self._free.remove(slot)
        self._running.append(_Running(job, process, slot, console, time.monotonic()))
        return 0

    def _reap(self) -> list[Change]:
        ended = [run for run in self._running if run.process.ended()]
        self._running = [run for run in self._running if run not in ended]
        changes = []
        for run in ended:
            code = run.process.exit_code if run.told_at == math.inf else Code.TIMED_OUT
            changes.append(Change(run.job, True, code))
            run.console.close()
            self._free.append(run.slot)
        return changes
