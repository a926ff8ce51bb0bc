"""What an element of an array runs on its node: the jobs of its chain, one after the other.

An element that starts again (after its time limit, pre-emption or the loss of its node) goes on
with what has no result yet.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from runner.errors import UserError
from runner.launch.gpus import Slot
from runner.launch.interface import Code, refusal
from runner.launch.local import LocalLauncher
from runner.launch.slurm.batch import read_batch
from runner.plan.jobs import Job

TICK = 0.2
LEASE = 120.0  # seconds for which a file system may keep the lock of a node that was lost
GRACE = 20.0  # seconds between SIGTERM and SIGKILL; SLURM's own KillWait is 30 s
MAX_RESTARTS = 50  # after which the time limit is the end: an epoch does not fit into it
AT_TIME_LIMIT = signal.SIGUSR1
EXIT_ENDED = 128 + signal.SIGTERM


def main(folder: str) -> int:
    """Run the element that SLURM's environment names."""
    element = ElementRun(Path(folder), int(os.environ["SLURM_ARRAY_TASK_ID"]))
    for number in (AT_TIME_LIMIT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: element.ask(number))
    return element.run()


class ElementRun:
    """The chain of one element.

    Raises:
        UserError: the folder of the batch is not whole.
    """

    def __init__(self, folder: Path, index: int) -> None:
        chains = read_batch(folder)
        if not chains:
            raise UserError(f"{folder} is not there or not whole")
        self._chain = chains[index]
        self._restart = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self._name = f"{os.environ.get('SLURM_ARRAY_JOB_ID', '0')}_{index}"
        self._asked = 0
        node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        # What the user says of threads comes before the job's cores.
        threads = os.environ.get("OMP_NUM_THREADS") or os.environ.get("SLURM_CPUS_ON_NODE")
        environment = {"OMP_NUM_THREADS": threads} if threads else {}
        place = Slot(f"SLURM job {self._name} on {node}", environment)
        self._launcher = LocalLauncher([place], grace=GRACE)

    def ask(self, number: int) -> None:
        """Take a signal in: to be requeued, or to end."""
        self._asked = self._asked or number

    def run(self) -> int:
        """Run everything that is left and return the exit code of the element."""
        for job in self._chain:
            code = self._run(job)
            if code is None:
                return self._requeue() if self._asked == AT_TIME_LIMIT else EXIT_ENDED
            if code and job is self._chain[0]:
                break  # the others need it
        return 0

    def _run(self, job: Job) -> int | None:
        """Run a job, and return its exit code; None if it is to go on later. What a lost node has
        of it a restart waits for."""
        deadline = time.monotonic() + (LEASE if self._restart else 0.0)
        self._launcher.submit(job, 0)
        while not self._asked:
            for change in self._launcher.poll():
                code = change.exit_code
                if code == Code.STARTED_ELSEWHERE and time.monotonic() < deadline:
                    self._launcher.submit(job, 0)
                elif code == -signal.SIGTERM or (code and self._asked):
                    return None  # SLURM may tell the process before it tells this one
                elif change.ended:
                    return 0 if code == Code.DONE_ELSEWHERE else code
            time.sleep(TICK)
        self._launcher.cancel(lambda: False)
        return 0 if refusal(job) == Code.DONE_ELSEWHERE else None

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
