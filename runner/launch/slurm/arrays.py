"""The arrays that may still run, which a later runner finds by their folders in `<results>/slurm`,
and what SLURM and their own files say of them."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from runner.files.records import tail
from runner.files.writing import atomic_write
from runner.launch.interface import Change
from runner.launch.slurm import client
from runner.launch.slurm.batch import JOB, Batch, Marks, Task, read_batch
from runner.launch.slurm.client import AT_WORK, LIVE
from runner.plan.jobs import Job

BATCHES = "slurm"  # the folder below the results that takes what is submitted
CONFIRM = 2  # times that an element must be missing before it is gone


class Array:
    """An array.

    Attributes:
        job: its id.
        own: whether this runner has submitted it.
        tasks: by console.
        told: the tasks whose end is no news.
    """

    def __init__(self, job: str, batch: Batch, *, own: bool = False) -> None:
        self.job, self.batch, self.own = job, batch, own
        self.tasks = {task.console: task for task in batch.tasks()}
        self.told: set[int] = set()
        self._marks = Marks(batch.folder)
        self._seen: Mapping[int, str] = {}
        self._missing: dict[int, int] = {}

    def look(self, seen: Mapping[int, str]) -> None:
        """Take in what squeue says."""
        self._seen = seen
        for index in range(len(self.batch.elements)):
            live = seen.get(index) in LIVE
            self._missing[index] = 0 if live else self._missing.get(index, 0) + 1
        # After squeue: what is gone there has left its last mark before.
        self._marks.refresh()

    def forget_ended(self) -> None:
        """Let nothing that has ended so far be news."""
        self.told = set(self._marks.ended)

    def news(self, task: Task) -> bool:
        """Whether a task waits or runs, or has ended and nobody was told."""
        if task.number in self._marks.ended:
            return task.number not in self.told
        return not self._missing.get(task.element)

    @property
    def over(self) -> bool:
        """Whether all elements are gone for good."""
        return all(map(self._lost, range(len(self.batch.elements))))

    def change(self, job: Job, task: Task) -> Change | None:
        """Return that a job runs or has ended; None while it waits."""
        code = self._marks.ended.get(task.number)
        if code is not None or self._lost(task.element):
            return Change(job, True, code)
        at_work = self._seen.get(task.element) in AT_WORK
        running = at_work and task.number in self._marks.started
        return Change(job) if running else None

    def explain(self, task: Task) -> None:
        """Write below the output of a lost task what SLURM says of its end."""
        word = self._seen.get(task.element, "nothing any more")
        said = tail(self.batch.folder / f"element-{task.element}.txt", 5)
        said.append(f"SLURM job {self.job}_{task.element} is gone; SLURM says of it: {word}")
        with contextlib.suppress(OSError):
            task.console.parent.mkdir(parents=True, exist_ok=True)
            with task.console.open("a") as file:
                file.write("".join(f"{line}\n" for line in said))
        with contextlib.suppress(OSError):
            os.listdir(task.folder)  # a network file system then sees its result.json

    def _lost(self, index: int) -> bool:
        return self._missing.get(index, 0) >= CONFIRM


class Arrays:
    """All arrays of a results folder, of this runner and others."""

    def __init__(self, results: Path) -> None:
        self.batches = results / BATCHES
        self._arrays: dict[Path, Array] = {}
        self._silent = False

    def look(self) -> bool:
        """Ask SLURM once for all of them; return False if it does not answer."""
        entries = _read(self.batches)
        jobs = {array.job for array in self._arrays.values()} | set(entries.values())
        answer = client.squeue(sorted(jobs))
        if answer is None:
            if not self._silent:
                print("squeue does not answer")
            self._silent = True
            return False
        self._silent, found = False, []
        for folder, job in entries.items():
            # Of an earlier runner, or of one beside this one.
            if folder not in self._arrays and (batch := read_batch(folder)):
                self._arrays[folder] = Array(job, batch)
                found.append(self._arrays[folder])
        for array in self._arrays.values():
            array.look(answer.get(array.job, {}))
            if array in found:
                array.forget_ended()
            if array.over:
                (array.batch.folder / JOB).unlink(missing_ok=True)
        return True

    def find(self, console: Path) -> tuple[Array, Task] | None:
        """Return the array of a task that waits, runs or has just ended. Only the newest array that
        has it counts."""
        for array in sorted(self._arrays.values(), key=lambda each: -each.batch.submitted):
            if task := array.tasks.get(console):
                return (array, task) if array.news(task) else None
        return None

    def add(self, job: str, batch: Batch) -> Array:
        """Write down an array that was just submitted."""
        atomic_write(batch.folder / JOB, f"{job}\n")
        array = self._arrays[batch.folder] = Array(job, batch, own=True)
        return array


def _read(batches: Path) -> dict[Path, str]:
    """Return the job ids of the arrays by folder."""
    found = {}
    for path in batches.glob(f"*/{JOB}"):
        with contextlib.suppress(FileNotFoundError):  # another runner has just seen its end
            found[path.parent] = path.read_text().strip()
    return found
