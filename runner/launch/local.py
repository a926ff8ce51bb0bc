"""Start commands and say whether they are pending, running or gone.

A launcher does not know what a run is: whether one is done is read from its files, and retries and
dependencies are decided above (runner.launch.schedule). Another launcher is one more class of this
shape.
"""

import enum
import heapq
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from runner.errors import UserError
from runner.files.consoles import heading, lock
from runner.launch.gpus import Slot
from runner.launch.places import Need, Places, Taken
from runner.launch.slurm.holder import holder_file
from runner.launch.starters import Isolated, Process, Starter

STARTED_ELSEWHERE = -1000  # exit code of a command whose console another process still holds
CANNOT_START = -1001
DONE_ELSEWHERE = -1002  # what `Command.refuse` may answer
OTHER_SETTINGS = -1003
TIMED_OUT = -1004


class State(enum.Enum):
    """Where a command stands."""

    PENDING = "pending"
    RUNNING = "running"
    GONE = "gone"


@dataclass(frozen=True)
class Command:
    """What to start.

    Attributes:
        argv: words.
        console: file for everything that it prints; its lock is held from before `refuse` on.
        priority: place in the line, the lowest first.
        refuse: asked right before the start; an answer other than 0 is the exit code of a command
            that is not started after all.
        need: the MiB of a GPU that it takes, as far as that is known by now.
    """

    argv: tuple[str, ...]
    console: Path
    priority: int = 0
    refuse: Callable[[], int] | None = None
    need: Need = lambda: None


@dataclass(frozen=True)
class Status:
    """State of a command; exit code once it is gone (negative: killed by that signal), and if it
    shared its device with others, how to have fewer there from now on: a call that says so."""

    state: State
    exit_code: int | None = None
    narrow: Callable[[], str] | None = None


_PENDING = Status(State.PENDING)
_RUNNING = Status(State.RUNNING)


class Launcher(Protocol):
    """What the scheduler needs of a launcher."""

    width: int
    """How many commands run at once."""

    leaves_running: bool
    """Whether what runs goes on when the runner is stopped."""

    def submit(self, command: Command) -> int:
        """Take a command in and return its id; lower priorities start first."""

    def poll(self) -> dict[int, Status]:
        """Return the status of every command since the last poll; one that is gone is told once."""

    def withdraw(self, number: int) -> bool:
        """Forget a command that has not been started; return whether that was so."""

    def cancel(self, hurry: Callable[[], bool]) -> None:
        """End everything and return when it has ended, or leave it to itself if `leaves_running`;
        `hurry` says not to wait any longer."""


@dataclass
class _Running:
    process: Process
    taken: Taken
    console: BinaryIO
    since: float
    told_at: float = math.inf  # that its time is over


class LocalLauncher:
    """A pool of processes on this machine: one queue, and every free slot takes its next command.

    Each command leads a process group of its own, which Ctrl-C in the terminal does not reach and
    which can be ended as a whole.
    """

    leaves_running = False

    def __init__(
        self,
        slots: Sequence[Slot],
        starter: Starter | None = None,
        *,
        rooms: Mapping[str, float | None] | None = None,
        limit: float = math.inf,
        grace: float = 10.0,
    ):
        """
        Args:
            starter: makes the processes, by default isolated ones.
            rooms: free MiB of the devices that take as many commands at once as fit.
            limit: seconds after which a command is ended.
            grace: seconds between SIGTERM and SIGKILL.
        """
        self.width = len(slots)
        self._starter = starter or Isolated()
        self._places = Places(slots, rooms)
        self._limit = limit
        self._grace = grace
        self._next_id = 0
        self._pending: list[tuple[int, int, Command]] = []
        self._running: dict[int, _Running] = {}

    def submit(self, command: Command) -> int:
        self._next_id += 1
        heapq.heappush(self._pending, (command.priority, self._next_id, command))
        return self._next_id

    def poll(self) -> dict[int, Status]:
        # Start before looking who has ended: between two polls the caller may put a more urgent
        # command in, or withdraw one, before a slot that has come free is filled.
        statuses: dict[int, Status] = {}
        while self._pending and (taken := self._places.take(self._pending[0][2].need)):
            _, number, command = heapq.heappop(self._pending)
            try:
                refused = self._start(number, command, taken)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"cannot write {command.console}: {reason}") from error
            if refused:
                self._places.give_back(taken)
                statuses[number] = Status(State.GONE, refused)
        self._end_overdue()
        statuses |= self._reap()
        statuses |= {number: _PENDING for _, number, _ in self._pending}
        statuses |= {number: _RUNNING for number in self._running}
        return statuses

    def withdraw(self, number: int) -> bool:
        kept = [entry for entry in self._pending if entry[1] != number]
        found = len(kept) < len(self._pending)
        heapq.heapify(kept)
        self._pending = kept
        return found

    def cancel(self, hurry: Callable[[], bool]) -> None:
        self._pending.clear()
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
        for run in self._running.values():
            run.process.end(number)
        while self._running and time.monotonic() < deadline and not hurry():
            self._reap()
            time.sleep(0.02)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for run in self._running.values():
            if now - run.since > self._limit and run.told_at == math.inf:
                run.process.end(signal.SIGTERM)
                run.told_at = now
            elif now - run.told_at > self._grace:
                run.process.end(signal.SIGKILL)

    def _start(self, number: int, command: Command, taken: Taken) -> int:
        """Start a command; return 0, or the exit code that stands for the refusal."""
        command.console.parent.mkdir(parents=True, exist_ok=True)
        console = command.console.open("ab")
        # The lock belongs to the open file, which the command inherits as its output: it holds
        # until the last process of the run has ended, even if this runner is killed.
        if not lock(console):
            console.close()
            return STARTED_ELSEWHERE
        if command.refuse and (refused := command.refuse()):
            console.close()
            return refused
        # A process that a cluster has lost sight of may still think that this run is its own.
        holder_file(command.console).unlink(missing_ok=True)
        slot = taken.slot
        console.write(heading(command.argv, slot.name))
        console.flush()
        try:
            process = self._starter.start(command.argv, slot.environment, console)
        except OSError as error:
            console.write(f"{error}\n".encode())
            console.close()
            return CANNOT_START
        self._running[number] = _Running(process, taken, console, time.monotonic())
        return 0

    def _reap(self) -> dict[int, Status]:
        gone = {}
        for number, run in list(self._running.items()):
            if not run.process.ended():
                continue
            code = run.process.exit_code if run.told_at == math.inf else TIMED_OUT
            narrow = partial(self._places.narrow, run.taken) if run.taken.most > 1 else None
            gone[number] = Status(State.GONE, code, narrow)
            run.console.close()
            self._places.give_back(run.taken)
            del self._running[number]
        return gone
