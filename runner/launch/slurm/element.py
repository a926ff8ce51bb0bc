"""What an element of an array runs on its node: its chains, all at once.

A task that has ended leaves a mark, so that an element that starts again (after its time limit,
pre-emption or the loss of its node) goes on where it was. Who runs a task says so in a file beside
its console; a process that wakes up on a lost node finds another name there and gives up.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError
from runner.files.consoles import heading, holder_file, lock
from runner.files.records import read_result
from runner.files.writing import atomic_write
from runner.launch.interface import CANNOT_START, STARTED_ELSEWHERE
from runner.launch.processes import Isolated, Process
from runner.launch.slurm.batch import Marks, Task, read_batch

TICK = 0.2
LOOK_AT_HOLDER = 10.0  # seconds between two looks whether the run is still ours
GRACE = 20.0  # seconds between SIGTERM and SIGKILL; SLURM's own KillWait is 30 s
MAX_RESTARTS = 50  # after which the time limit is the end: an epoch does not fit into it
AT_TIME_LIMIT = signal.SIGUSR1
EXIT_ENDED = 128 + signal.SIGTERM
_HOLDER_FILE = "PROMPTLAB_HOLDER_FILE"
_HOLDER_TOKEN = "PROMPTLAB_HOLDER_TOKEN"


def main(folder: str) -> int:
    """Run the element that SLURM's environment names."""
    element = ElementRun(Path(folder), int(os.environ["SLURM_ARRAY_TASK_ID"]))
    for number in (AT_TIME_LIMIT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: element.ask(number))
    return element.run()


class ElementRun:
    """All chains of one element.

    Raises:
        UserError: the folder of the batch is not whole.
    """

    def __init__(self, folder: Path, index: int) -> None:
        batch = read_batch(folder)
        if batch is None:
            raise UserError(f"{folder} is not there or not whole")
        environment = os.environ
        job = environment.get("SLURM_ARRAY_JOB_ID", "0")
        self._restart = int(environment.get("SLURM_RESTART_COUNT") or 0)
        self._name = f"{job}_{index}"
        self._marks = Marks(folder)
        self._marks.refresh()
        node = environment.get("SLURMD_NODENAME") or socket.gethostname()
        holder = Holder(batch.submitted, self._restart, self._name, node)
        chains = batch.elements[index]
        threads = {} if "OMP_NUM_THREADS" in environment else _threads(len(chains))
        self._chains = [ChainRun(chain, self._marks, holder, threads) for chain in chains]
        self._asked = 0

    def ask(self, number: int) -> None:
        """Take a signal in: to be requeued, or to end."""
        self._asked = self._asked or number

    def run(self) -> int:
        """Run everything that is left and return the exit code of the element."""
        while not self._asked:
            if not any([chain.step() for chain in self._chains]):
                return 0 if all(chain.finished for chain in self._chains) else EXIT_ENDED
            time.sleep(TICK)
        self._stop()
        if self._asked != AT_TIME_LIMIT:
            return EXIT_ENDED
        if all(chain.finished for chain in self._chains):
            return 0
        return self._requeue()

    def _stop(self) -> None:
        deadline = time.monotonic() + GRACE
        for chain in self._chains:
            chain.stop(signal.SIGTERM)
        while any([chain.step() for chain in self._chains]):
            if time.monotonic() > deadline:
                for chain in self._chains:
                    chain.stop(signal.SIGKILL)
            time.sleep(TICK)

    def _requeue(self) -> int:
        if self._restart >= MAX_RESTARTS:
            print(f"restarted {self._restart} times; give it a longer --time")
            return 1
        print(f"{time.strftime('%F %T')} time limit: requeue {self._name}", flush=True)
        # The plain array id would requeue all elements.
        done = subprocess.run(["scontrol", "requeue", self._name])
        if done.returncode == 0:
            time.sleep(60)  # SLURM ends this process
        return 1


@dataclass(frozen=True)
class Holder:
    """One life of one element: a restart of a job is newer than its life before, and a job that
    was submitted later is newer still."""

    submitted: float
    restart: int
    job: str
    node: str

    @property
    def token(self) -> str:
        """What the file says while this one holds the task."""
        content = {"job": self.job, "restart": self.restart, "node": self.node}
        return json.dumps({**content, "submitted": self.submitted})

    def environment(self, console: Path) -> dict[str, str]:
        """Return what tells the command to look before it saves."""
        return {_HOLDER_FILE: str(holder_file(console)), _HOLDER_TOKEN: self.token}

    def may_take(self, console: Path) -> bool:
        """Whether nobody newer holds the task."""
        try:
            content = json.loads(holder_file(console).read_text(encoding="utf-8"))
            other = (float(content["submitted"]), int(content["restart"]))
        except (OSError, ValueError, KeyError, TypeError):
            return True
        return other <= (self.submitted, self.restart)

    def take(self, console: Path) -> None:
        """Hold the task from now on."""
        atomic_write(holder_file(console), self.token)

    def holds(self, console: Path) -> bool:
        """Whether nobody has taken the task since."""
        try:
            return holder_file(console).read_text(encoding="utf-8") == self.token
        except FileNotFoundError:
            return False
        except OSError:  # a file system that does not answer now: it will be asked again
            return True

    def release(self, console: Path) -> None:
        """Hold the task no longer; it has ended."""
        with contextlib.suppress(OSError):
            holder_file(console).unlink()


_Steps = Generator[None, None, int | None]
"""Goes on while a process runs, then has its exit code, None where the run is to go on later."""


class ChainRun:
    """One chain: one process at a time. `finished`: nothing is left to do here."""

    def __init__(
        self, tasks: Sequence[Task], marks: Marks, holder: Holder, environment: dict[str, str]
    ) -> None:
        self.finished = False
        self._marks = marks
        self._holder = holder
        self._environment = environment
        self._process: Process | None = None
        self._stopping = False
        self._steps = self._run(tasks)

    def step(self) -> bool:
        """Start what comes next, or see to what runs; return whether there is more to do."""
        return next(self._steps, self) is None

    def stop(self, number: signal.Signals) -> None:
        """Send the running process and its children a signal, and start no other."""
        self._stopping = True
        if self._process is not None:
            self._process.end(number)

    def _run(self, tasks: Sequence[Task]) -> Generator[None, None, None]:
        for task in tasks:
            code = self._marks.ended.get(task.number)
            result = read_result(task.folder)
            if code is None and result and result.key == task.key:
                code = self._end(task, 0)
            if code is None and self._stopping:
                return
            if code is None and self._holder.may_take(task.console):
                code = yield from self._start(task)
                if code is None and self._holder.holds(task.console):
                    return
            if code is None or (code and task is tasks[0]):
                break  # the others need it, or the run is another job's now
        self.finished = True

    def _start(self, task: Task) -> _Steps:
        task.console.parent.mkdir(parents=True, exist_ok=True)
        with task.console.open("ab") as console:
            if not lock(console) and not holder_file(task.console).exists():
                # A local runner: no job of a cluster has left its name.
                return self._end(task, STARTED_ELSEWHERE)
            self._holder.take(task.console)
            self._marks.start(task.number, self._holder.token)
            where = f"SLURM job {self._holder.job} on {self._holder.node}"
            console.write(heading(task.argv, where))
            console.flush()
            own = {**self._environment, **self._holder.environment(task.console)}
            try:
                self._process = Isolated().start(task.argv, own, console)
                code = yield from self._wait(self._process, task)
            except OSError as error:
                console.write(f"{error}\n".encode())
                code = CANNOT_START
        if code is None or not self._holder.holds(task.console):
            return None
        self._end(task, code)
        self._holder.release(task.console)
        return code

    def _wait(self, process: Process, task: Task) -> _Steps:
        next_look = 0.0
        while not process.ended():
            if time.monotonic() > next_look:
                next_look = time.monotonic() + LOOK_AT_HOLDER
                if not self._holder.holds(task.console):
                    process.end(signal.SIGKILL)
            yield
        self._process = None
        code = process.exit_code
        # SLURM may tell the process before it tells this one. What made it to its end has ended.
        return None if code == -signal.SIGTERM or (code and self._stopping) else code

    def _end(self, task: Task, code: int) -> int:
        self._marks.end(task.number, code)
        return code


def _threads(chains: int) -> dict[str, str]:
    """The job's cores, divided among its chains."""
    with contextlib.suppress(ValueError):
        return {"OMP_NUM_THREADS": str(max(1, int(os.environ["SLURM_CPUS_ON_NODE"]) // chains))}
    return {}
