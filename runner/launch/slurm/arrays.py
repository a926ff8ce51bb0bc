"""The arrays that may still run, which a later runner finds by their folders in `<results>/slurm`,
and what SLURM says of them."""

import contextlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.consoles import in_use
from runner.files.records import mistake_in, tail
from runner.files.writing import atomic_write
from runner.launch.interface import STARTED_ELSEWHERE, USER_MISTAKE, Change
from runner.launch.slurm import client
from runner.launch.slurm.batch import JOB, Chain, read_batch
from runner.launch.slurm.client import AT_WORK, LIVE
from runner.plan.jobs import Job

BATCHES = "slurm"  # the folder below the results that takes what is submitted
CONFIRM = 2  # times that an element must be missing before it is gone


class Array:
    """An array.

    Attributes:
        job: its id.
        chains: of its elements.
    """

    def __init__(self, job: str, folder: Path, chains: Sequence[Chain]) -> None:
        self.job, self.chains = job, chains
        self._folder = folder
        self._places = {
            task.console: (index, task) for index, chain in enumerate(chains) for task in chain
        }
        self._seen: Mapping[int, str] = {}
        self._missing: Counter[int] = Counter()

    def look(self, seen: Mapping[int, str]) -> None:
        """Take in what squeue says."""
        self._seen = seen
        for index in range(len(self.chains)):
            self._missing[index] = 0 if seen.get(index) in LIVE else self._missing[index] + 1
        if all(map(self._lost, range(len(self.chains)))):
            (self._folder / JOB).unlink(missing_ok=True)

    def __contains__(self, job: Job) -> bool:
        return job.console in self._places

    def element(self, job: Job) -> str:
        """Return the id of the element that has a job."""
        return f"{self.job}_{self._places[job.console][0]}"

    def is_same(self, job: Job) -> bool:
        """Whether what was submitted for a job is its command."""
        return self._places[job.console][1].argv == job.argv

    def is_live(self, job: Job) -> bool:
        """Whether the element that has a job waits, runs or will run again."""
        return not self._missing[self._places[job.console][0]]

    def behind(self, job: Job) -> list[Path]:
        """Return the consoles of the tasks that need a job; none where it is not their training."""
        chain = self.chains[self._places[job.console][0]]
        return [task.console for task in chain[1:] if chain[0].console == job.console]

    def change(self, job: Job) -> Change | None:
        """Return that a job runs or has ended; None while it waits."""
        index, task = self._places[job.console]
        if task.done():
            return Change(job, True, 0)
        if not self._lost(index):
            return Change(job) if self._seen.get(index) in AT_WORK else None
        with contextlib.suppress(OSError):
            os.listdir(job.folder)  # a network file system then sees its result.json
        if in_use(job.console):
            return Change(job, True, STARTED_ELSEWHERE)
        mistake = mistake_in(job.console)
        self._explain(index, job.console)
        return Change(job, True, USER_MISTAKE if mistake else None)

    def _lost(self, index: int) -> bool:
        return self._missing[index] >= CONFIRM

    def _explain(self, index: int, console: Path) -> None:
        """Write below the output of a lost task what SLURM says of an element that did not come to
        its end."""
        word = self._seen.get(index, "nothing any more")
        if word == "COMPLETED":
            return
        said = tail(self._folder / f"element-{index}.txt", 5)
        said.append(f"SLURM job {self.job}_{index} is gone; SLURM says of it: {word}")
        with contextlib.suppress(OSError):
            console.parent.mkdir(parents=True, exist_ok=True)
            with console.open("a") as file:
                file.write("".join(f"{line}\n" for line in said))


class Arrays:
    """All arrays of a results folder, of this runner and others."""

    def __init__(self, results: Path) -> None:
        self.batches = results / BATCHES
        self._arrays: dict[Path, Array] = {}
        self._silent = False

    def look(self) -> bool:
        """Ask SLURM once for all of them; return False if it does not answer."""
        for path in self.batches.glob(f"*/{JOB}"):
            folder = path.parent
            # Of an earlier runner, or of one beside this one.
            if folder not in self._arrays and (chains := read_batch(folder)):
                with contextlib.suppress(FileNotFoundError):  # another has just seen its end
                    self._arrays[folder] = Array(path.read_text().strip(), folder, chains)
        answer = client.squeue(sorted(array.job for array in self._arrays.values()))
        if answer is None:
            if not self._silent:
                print("squeue does not answer")
            self._silent = True
            return False
        self._silent = False
        for array in self._arrays.values():
            array.look(answer.get(array.job, {}))
        return True

    def find(self, job: Job) -> Array | None:
        """Return the array in which a job waits or runs. Only the newest that has it counts."""
        for folder in sorted(self._arrays, reverse=True):
            if job in (array := self._arrays[folder]):
                return array if array.is_live(job) else None
        return None

    def add(self, job: str, folder: Path, chains: Sequence[Chain]) -> Array:
        """Write down an array that was just submitted."""
        atomic_write(folder / JOB, f"{job}\n")
        array = self._arrays[folder] = Array(job, folder, chains)
        return array
