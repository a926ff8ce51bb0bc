"""The arrays that may still run: what SLURM and their files say of them."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.records import tail
from runner.launch.interface import Change
from runner.launch.slurm import client
from runner.launch.slurm.batch import Batch, Marks, Task, read_batch
from runner.launch.slurm.client import AT_WORK, Seen
from runner.launch.slurm.state import Entry, StateFile
from runner.plan.jobs import Job

USUAL = {"", "None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Cleaning"}
CONFIRM = 2  # times that an element must be missing before it is gone


@dataclass
class Array:
    """An array; `told`: the tasks whose end is no news."""

    entry: Entry
    batch: Batch
    own: bool = False
    told: set[int] = field(default_factory=set)
    _seen: Mapping[int, Seen] = field(default_factory=dict)
    _missing: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.marks = Marks(self.batch.folder)
        self.tasks = {task.console: task for task in self.batch.tasks()}

    def look(self, seen: Mapping[int, Seen]) -> None:
        """Take in what squeue says."""
        self._seen = seen
        for index in range(len(self.batch.elements)):
            live = index in seen and seen[index].live
            self._missing[index] = 0 if live else self._missing.get(index, 0) + 1
        # After squeue: what is gone there has left its last mark before.
        self.marks.refresh()

    def unsettled(self, task: Task) -> bool:
        """Whether a task has not ended, and its element waits, runs or will run again."""
        return task.number not in self.marks.ended and not self._missing.get(task.element)

    def news(self, task: Task) -> bool:
        """Whether a task waits or runs, or has ended and nobody was told."""
        ended = task.number in self.marks.ended
        return task.number not in self.told and (ended or self.unsettled(task))

    def lost(self, index: int) -> bool:
        """Whether an element is gone for good."""
        return self._missing.get(index, 0) >= CONFIRM

    @property
    def over(self) -> bool:
        """Whether all elements are gone for good."""
        return all(self.lost(index) for index in range(len(self.batch.elements)))

    def reasons(self) -> list[str]:
        """Why elements wait where it is not their turn that they wait for."""
        return [
            seen.reason
            for seen in self._seen.values()
            if seen.state == "PENDING" and seen.reason.strip("()") not in USUAL
        ]

    def change(self, job: Job, task: Task) -> Change | None:
        """Return that a job runs or has ended; None while it waits."""
        code = self.marks.ended.get(task.number)
        if code is not None or self.lost(task.element):
            return Change(job, True, code)
        seen = self._seen.get(task.element)
        running = seen and seen.state in AT_WORK and task.number in self.marks.started
        return Change(job) if running else None

    def explain(self, task: Task) -> None:
        """Write below the output of a lost task what SLURM says of its end."""
        seen, number = self._seen.get(task.element), self.entry.number
        word = client.explain(self.entry.job, task.element)
        word = word or (seen.state if seen else "nothing any more")
        said = tail(self.batch.folder / f"element-{task.element}.txt", 5)
        said.append(f"SLURM job {number}_{task.element} is gone; SLURM says of it: {word}")
        with contextlib.suppress(OSError):
            task.console.parent.mkdir(parents=True, exist_ok=True)
            with task.console.open("a") as file:
                file.write("".join(f"{line}\n" for line in said))
        with contextlib.suppress(OSError):
            os.listdir(task.folder)  # a network file system then sees its result.json


class Arrays:
    """All arrays of a results folder, of this runner and others."""

    def __init__(self, state: StateFile, say: Callable[[str], None]) -> None:
        self._state = state
        self._say = say
        self._arrays: dict[Path, Array] = {}
        self._reasons: set[str] = set()
        self._silent = False

    def look(self) -> bool:
        """Ask SLURM once for all of them; return False if it does not answer."""
        entries = self._state.read()
        before = [(entry.folder, entry.job) for entry in entries]
        answer = None
        if _find_ids(entries):
            jobs = {each.entry.job for each in self._arrays.values()} | {e.job for e in entries}
            answer = client.squeue(sorted(jobs - {""}))
        if answer is None:
            if not self._silent:
                self._say("squeue does not answer; asking again")
            self._silent = True
            return False
        self._silent = False
        new = [array for entry in entries if (array := self._take_in(entry))]
        for array in self._arrays.values():
            array.look(answer.get(array.entry.job, {}))
        for array in new:
            array.told = set(array.marks.ended)
        self._say_reasons()
        kept = [e for e in entries if e.folder in self._arrays and not self._arrays[e.folder].over]
        if [(entry.folder, entry.job) for entry in kept] != before:
            self._state.write(kept)
        return True

    def find(self, console: Path) -> tuple[Array, Task] | None:
        """Return the array of a task that waits, runs or has just ended. Only the newest array that
        has it counts."""
        for array in sorted(self._arrays.values(), key=lambda each: -each.batch.submitted):
            if task := array.tasks.get(console):
                return (array, task) if array.news(task) else None
        return None

    def submit(self, batch: Batch, sbatch: Callable[[], str]) -> Array:
        """Write an array down, submit it, write its id down.

        Raises:
            UserError: sbatch has refused; what was submitted before stays.
        """
        entry = Entry(batch.folder)
        kept = self._state.read()
        # Before sbatch: a runner that dies in between will find the id by the folder.
        self._state.write([*kept, entry])
        entry.job = sbatch()
        self._state.write([*kept, entry])
        array = self._arrays[batch.folder] = Array(entry, batch, own=True)
        return array

    def _take_in(self, entry: Entry) -> Array | None:
        """Watch an array of an earlier runner, or of one beside this one; None if it is watched
        already, or someone has deleted it."""
        if entry.folder in self._arrays or not entry.job or not (batch := read_batch(entry.folder)):
            return None
        array = self._arrays[entry.folder] = Array(entry, batch)
        return array

    def _say_reasons(self) -> None:
        found = [reason for array in self._arrays.values() for reason in array.reasons()]
        for reason in dict.fromkeys(found):
            if reason not in self._reasons:
                self._say(f"SLURM: waiting: {found.count(reason)} for {reason}")
        self._reasons = set(found)


def _find_ids(entries: Sequence[Entry]) -> bool:
    """Ask for the ids of arrays whose runner died before it could write them down; return False if
    SLURM does not answer."""
    for entry in entries:
        if not entry.job:
            job = client.find_submitted(entry.folder)
            if job is None:
                return False
            entry.job = job
    return True


def queued_consoles(results: Path) -> dict[Path, str]:
    """Return the consoles of all tasks that are still with SLURM, each with its job id; none where
    SLURM does not answer."""
    entries = [entry for entry in StateFile(results).read() if entry.job]
    answer = client.squeue([entry.job for entry in entries]) or {}
    found: dict[Path, str] = {}
    for entry in entries:
        if batch := read_batch(entry.folder):
            array = Array(entry, batch)
            array.look(answer.get(entry.job, {}))
            for task in filter(array.unsettled, array.tasks.values()):
                found[task.console] = f"{entry.number}_{task.element}"
    return found
