"""The arrays that may still run: what SLURM and their files say of them."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.records import tail
from runner.launch.local import State, Status
from runner.launch.slurm import client
from runner.launch.slurm.batch import Batch, Marks, Place, read_batch
from runner.launch.slurm.client import AT_WORK, Seen
from runner.launch.slurm.state import Entry, StateFile

USUAL = {"", "None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Cleaning"}
CONFIRM = 2  # times that an element must be missing before it is gone


@dataclass
class Array:
    """An array; `told`: the tasks whose end is no news."""

    entry: Entry
    batch: Batch
    marks: Marks
    told: set[int] = field(default_factory=set)
    own: bool = False
    _seen: dict[int, Seen] = field(default_factory=dict)
    _missing: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = {place.task.console: place for place in self.batch.places()}

    def look(self, seen: Mapping[int, Seen]) -> None:
        """Take in what squeue says."""
        self._seen = dict(seen)
        for index in range(len(self.batch.elements)):
            live = index in seen and seen[index].live
            self._missing[index] = 0 if live else self._missing.get(index, 0) + 1
        # After squeue: what is gone there has left its last mark before.
        self.marks.refresh()

    def live(self, index: int) -> bool:
        """Whether an element waits, runs or will run again."""
        return not self._missing.get(index)

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

    def status(self, place: Place) -> Status:
        """Return how a task stands."""
        code = self.marks.ended.get(place.number)
        if code is not None or self.lost(place.element):
            return Status(State.GONE, code)
        seen = self._seen.get(place.element)
        at_work = seen is not None and seen.state in AT_WORK
        running = at_work and place.number in self.marks.started
        return Status(State.RUNNING if running else State.PENDING)

    def explain(self, place: Place) -> None:
        """Write below the output of a lost task what SLURM says of its end."""
        seen, number = self._seen.get(place.element), self.entry.number
        word = client.explain(self.entry.job, place.element)
        word = word or (seen.state if seen else "nothing any more")
        line = f"SLURM job {number}_{place.element} is gone; SLURM says of it: {word}\n"
        said = tail(self.batch.folder / f"element-{place.element}.txt", 5)
        line = "".join(f"{each}\n" for each in said) + line
        with contextlib.suppress(OSError):
            place.task.console.parent.mkdir(parents=True, exist_ok=True)
            with place.task.console.open("a") as file:
                file.write(line)
        with contextlib.suppress(OSError):
            os.listdir(place.task.folder)  # a network file system then sees its result.json


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
        if not _find_ids(entries):
            return self._unanswered()
        jobs = {each.entry.job for each in self._arrays.values()} | {e.job for e in entries}
        jobs.discard("")
        answer = client.squeue(sorted(jobs)) if jobs else {}
        if answer is None:
            return self._unanswered()
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

    def find(self, console: Path) -> tuple[Array, Place] | None:
        """Return the place of a task that waits, runs or has just ended. Only the newest array that
        has it counts."""
        for array in sorted(self._arrays.values(), key=lambda each: -each.batch.submitted):
            if place := array.places.get(console):
                news = place.number in array.marks.ended or array.live(place.element)
                return (array, place) if news and place.number not in array.told else None
        return None

    def submit(self, batch: Batch, sbatch: Callable[[], str]) -> Array:
        """Write an array down, submit it, write its id down.

        Raises:
            Refused: what was submitted before stays.
        """
        entry = Entry(batch.folder)
        kept = self._state.read()
        # Before sbatch: a runner that dies in between will find the id by the folder.
        self._state.write([*kept, entry])
        entry.job = sbatch()
        self._state.write([*kept, entry])
        array = Array(entry, batch, Marks(batch.folder), own=True)
        self._arrays[batch.folder] = array
        return array

    def _take_in(self, entry: Entry) -> Array | None:
        """Watch an array of an earlier runner, or of one beside this one."""
        if entry.folder in self._arrays or not entry.job:
            return None
        try:
            batch = read_batch(entry.folder)
        except (OSError, ValueError, KeyError, IndexError):
            return None  # someone has deleted it
        array = self._arrays[entry.folder] = Array(entry, batch, Marks(entry.folder))
        return array

    def _unanswered(self) -> bool:
        if not self._silent:
            self._say("squeue does not answer; asking again")
        self._silent = True
        return False

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
    state = StateFile(results)
    entries = [entry for entry in state.read() if entry.job]
    answer = client.squeue([entry.job for entry in entries]) if entries else {}
    found: dict[Path, str] = {}
    for entry in entries:
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            array = Array(entry, read_batch(entry.folder), Marks(entry.folder))
            array.look((answer or {}).get(entry.job, {}))
            for place in array.places.values():
                if array.live(place.element) and place.number not in array.marks.ended:
                    found[place.task.console] = f"{entry.number}_{place.element}"
    return found
