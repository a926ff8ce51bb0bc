"""The arrays that may still run, which a later runner finds by their folders in `<results>/slurm`,
and what SLURM says of their elements."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.files.consoles import in_use
from runner.files.records import mistake_in, tail
from runner.files.writing import atomic_write
from runner.launch.interface import USER_MISTAKE, Change, Code, refusal
from runner.launch.slurm import client
from runner.launch.slurm.batch import JOB, Chain, read_batch
from runner.launch.slurm.client import AT_WORK, LIVE
from runner.plan.jobs import Job

BATCHES = "slurm"  # the folder below the results that takes what is submitted
CONFIRM = 2  # times that an element must be missing before it is gone


@dataclass(eq=False)
class Element:
    """An element of an array.

    Attributes:
        array: id of the array.
        folder: of its batch.
        state: what SLURM says of it, empty if nothing.
        missing: how often in a row it did not say that the element waits, runs or will run again.
    """

    array: str
    index: int
    folder: Path
    chain: Chain
    state: str = ""
    missing: int = 0

    @property
    def name(self) -> str:
        """Its id."""
        return f"{self.array}_{self.index}"

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self.missing >= CONFIRM

    def change(self, job: Job) -> Change | None:
        """Return that a job runs or has ended; None while it waits."""
        if refusal(job) == Code.DONE_ELSEWHERE:
            return Change(job, True, 0)
        if not self.gone:
            return Change(job) if self.state in AT_WORK else None
        with contextlib.suppress(OSError):
            os.listdir(job.folder)  # a network file system then sees its result.json
        if in_use(job.console):
            return Change(job, True, Code.STARTED_ELSEWHERE)
        mistake = mistake_in(job.console)
        if self.state != "COMPLETED":
            said = tail(self.folder / f"element-{self.index}.txt", 5)
            word = self.state or "nothing any more"
            said.append(f"SLURM job {self.name} is gone; SLURM says of it: {word}\n")
            with contextlib.suppress(OSError):
                job.console.parent.mkdir(parents=True, exist_ok=True)
                with job.console.open("a") as file:
                    file.write("\n".join(said))
        return Change(job, True, USER_MISTAKE if mistake else None)


class Arrays:
    """All arrays of a results folder, of this runner and others."""

    def __init__(self, results: Path) -> None:
        self.batches = results / BATCHES
        self._arrays: dict[Path, list[Element]] = {}
        self._newest: dict[Path, Element] = {}  # by console, the last that was to run its job
        self._silent = False

    def look(self) -> bool:
        """Ask SLURM once for all of them; return False if it does not answer."""
        for path in sorted(self.batches.glob(f"*/{JOB}")):
            folder = path.parent
            # Of an earlier runner, or of one beside this one.
            if folder not in self._arrays and (chains := read_batch(folder)):
                with contextlib.suppress(FileNotFoundError):  # another has just seen its end
                    self._take(path.read_text().strip(), folder, chains)
        answer = client.squeue(sorted(elements[0].array for elements in self._arrays.values()))
        if answer is None and not self._silent:
            print("squeue does not answer")
        self._silent = answer is None
        if answer is None:
            return False
        for folder, elements in self._arrays.items():
            for each in elements:
                each.state = answer[each.array].get(each.index, "")
                each.missing = 0 if each.state in LIVE else each.missing + 1
            if all(element.gone for element in elements):
                (folder / JOB).unlink(missing_ok=True)
        return True

    def find(self, job: Job) -> Element | None:
        """Return the element in which a job waits or runs. Only the newest that has it counts."""
        element = self._newest.get(job.console)
        return element if element and not element.missing else None

    def add(self, array: str, folder: Path, chains: Sequence[Chain]) -> list[Element]:
        """Write down an array that was just submitted, and return its elements."""
        atomic_write(folder / JOB, f"{array}\n")
        return self._take(array, folder, chains)

    def _take(self, array: str, folder: Path, chains: Sequence[Chain]) -> list[Element]:
        elements = [Element(array, at, folder, chain) for at, chain in enumerate(chains)]
        self._arrays[folder] = elements
        self._newest |= {job.console: each for each in elements for job in each.chain}
        return elements
