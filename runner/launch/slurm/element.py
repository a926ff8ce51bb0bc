"""What an element of an array runs on its node: its chains, all at once.

A task that has ended leaves a mark, so that an element that starts again (after its time limit,
pre-emption or the loss of its node) goes on where it was. Who runs a task says so in a file beside
its console; a process that wakes up on a lost node finds another name there and gives up.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from runner.files.consoles import heading, lock
from runner.files.records import read_result
from runner.launch.local import CANNOT_START, STARTED_ELSEWHERE
from runner.launch.slurm.batch import Marks, Task, read_batch
from runner.launch.slurm.holder import Holder, holder_file
from runner.launch.starters import Isolated, Process, signal_group

TICK = 0.2
LOOK_AT_HOLDER = 10.0  # seconds between two looks whether the run is still ours
GRACE = 20.0  # seconds between SIGTERM and SIGKILL; SLURM's own KillWait is 30 s
MAX_REQUEUES = 20  # at the time limit: more mean that an epoch does not fit into it
AT_TIME_LIMIT = signal.SIGUSR1
EXIT_ENDED = 128 + signal.SIGTERM


def main(folder: str) -> int:
    """Run the element that SLURM's environment names."""
    element = ElementRun(Path(folder), int(os.environ["SLURM_ARRAY_TASK_ID"]))
    for number in (AT_TIME_LIMIT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: element.ask(number))
    return element.run()


class ElementRun:
    """All chains of one element."""

    def __init__(self, folder: Path, index: int) -> None:
        batch = read_batch(folder)
        environment = os.environ
        job = environment.get("SLURM_ARRAY_JOB_ID", "0")
        restart = int(environment.get("SLURM_RESTART_COUNT") or 0)
        self._name = f"{job}_{index}"
        self._index = index
        self._marks = Marks(folder)
        self._marks.refresh()
        node = environment.get("SLURMD_NODENAME") or socket.gethostname()
        holder = Holder(batch.submitted, restart, self._name, node)
        chains = batch.numbered(index)
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
            chain.signal(signal.SIGTERM)
        while any([chain.still_runs() for chain in self._chains]):
            if time.monotonic() > deadline:
                for chain in self._chains:
                    chain.signal(signal.SIGKILL)
            time.sleep(TICK)

    def _requeue(self) -> int:
        if self._marks.count(f"element-{self._index}.requeued") > MAX_REQUEUES:
            print(f"requeued {MAX_REQUEUES} times at the time limit; give it a longer --time")
            return 1
        print(f"{time.strftime('%F %T')} time limit: requeue {self._name}", flush=True)
        # The plain array id would requeue all elements.
        done = subprocess.run(["scontrol", "requeue", self._name])
        if done.returncode == 0:
            time.sleep(60)  # SLURM ends this process
        return 1


class ChainRun:
    """One chain: one process at a time."""

    def __init__(
        self,
        tasks: Sequence[tuple[int, Task]],
        marks: Marks,
        holder: Holder,
        environment: dict[str, str],
    ) -> None:
        self._left = list(tasks)
        self._first = tasks[0][0]
        self._marks = marks
        self._holder = holder
        self._environment = environment
        self._starter = Isolated()
        self._process: Process | None = None
        self._console: BinaryIO | None = None
        self._ended_from_outside = False
        self._next_look = 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self._left

    def step(self) -> bool:
        """Start what comes next, or see to what runs; return whether there is more to do."""
        if self._process is not None:
            self._see_to_process(self._process)
        while self._left and self._process is None and not self._ended_from_outside:
            self._start_next()
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        """Send the running process and its children a signal."""
        if self._process is not None and self._process.pid is not None:
            signal_group(self._process.pid, number)

    def still_runs(self) -> bool:
        """Whether a process runs; to be asked after `signal`. One that made it to its end leaves
        its mark, another will run again."""
        if self._process is not None and self._process.ended():
            self._close(0 if self._process.exit_code == 0 else None)
        return self._process is not None

    def _see_to_process(self, process: Process) -> None:
        if process.ended():
            # SLURM may tell the process before it tells this one.
            self._ended_from_outside = process.exit_code == -signal.SIGTERM
            self._close(None if self._ended_from_outside else process.exit_code)
        elif time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + LOOK_AT_HOLDER
            if not self._holder.holds(self._left[0][1].console):
                self.signal(signal.SIGKILL)

    def _start_next(self) -> None:
        number, task = self._left[0]
        result = read_result(task.folder)
        if number in self._marks.ended:
            self._settle(self._marks.ended[number])
        elif result and result.key == task.key:
            self._end(number, 0)
        else:
            self._start(number, task)

    def _start(self, number: int, task: Task) -> None:
        if not self._holder.may_take(task.console):
            self._left.clear()
            return
        task.console.parent.mkdir(parents=True, exist_ok=True)
        console = task.console.open("ab")
        if not lock(console) and not holder_file(task.console).exists():
            # A local runner: no job of a cluster has left its name.
            console.close()
            self._end(number, STARTED_ELSEWHERE)
            return
        self._holder.take(task.console)
        self._marks.start(number, self._holder.token)
        where = f"SLURM job {self._holder.job} on {self._holder.node}"
        console.write(heading(task.argv, where))
        console.flush()
        self._console = console
        own = {**self._environment, **self._holder.environment(task.console)}
        try:
            self._process = self._starter.start(task.argv, own, console)
        except OSError as error:
            console.write(f"{error}\n".encode())
            self._close(CANNOT_START)

    def _close(self, code: int | None) -> None:
        """Take the ended process in; without a code it is to run again, if it is still ours."""
        number, task = self._left[0]
        self._process = None
        if self._console is not None:
            self._console.close()
            self._console = None
        if not self._holder.holds(task.console):
            self._left.clear()
        elif code is not None:
            self._end(number, code)
            self._holder.release(task.console)

    def _end(self, number: int, code: int) -> None:
        self._marks.end(number, code)
        self._settle(code)

    def _settle(self, code: int) -> None:
        number, _ = self._left.pop(0)
        if number == self._first and code:
            self._left.clear()  # the others need it


def _threads(chains: int) -> dict[str, str]:
    """The job's cores, divided among its chains."""
    with contextlib.suppress(ValueError):
        return {"OMP_NUM_THREADS": str(max(1, int(os.environ["SLURM_CPUS_ON_NODE"]) // chains))}
    return {}
