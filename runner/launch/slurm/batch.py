"""What one submission to SLURM runs, as files that runner and jobs share.

A task is one command. A chain is tasks that run one after the other, the first of which the others
need. An element of an array takes one chain. The folder of a batch:

    tasks.json       the chains of its elements
    array.sh         what was submitted
    job              the id that SLURM gave the array, as long as it may still run
    element-<k>.txt  what element k printed, apart from its commands
    marks/           <n>.started, <n>.ended (with the exit code) of task n
"""

import contextlib
import itertools
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.files.writing import atomic_write

TASKS = "tasks.json"
SCRIPT = "array.sh"
JOB = "job"


@dataclass(frozen=True)
class Task:
    """One command.

    Attributes:
        argv: words.
        console: file for everything that it prints.
        folder, key: where its result.json will lie, and the job key that a good one has.
        element, number: where it stands in its batch; tasks are counted over all elements.
    """

    argv: tuple[str, ...]
    console: Path
    folder: Path
    key: str
    element: int = 0
    number: int = 0

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Task":
        """Return the task that a file, or a job's attributes, stand for."""
        console, folder = Path(content["console"]), Path(content["folder"])
        place = (int(content.get(name, 0)) for name in ("element", "number"))
        return cls(tuple(content["argv"]), console, folder, content["key"], *place)


Chain = tuple[Task, ...]


@dataclass(frozen=True)
class Batch:
    """One array. `submitted` orders batches: what is submitted later wins a run."""

    folder: Path
    submitted: float
    elements: tuple[Chain, ...]

    def tasks(self) -> Iterator[Task]:
        """Return every task, in order."""
        return itertools.chain.from_iterable(self.elements)


def make_batch(parent: Path, elements: Sequence[Chain]) -> Batch:
    """Write a batch to a new folder below `parent`."""
    now, numbers = time.time(), itertools.count()
    name = time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
    placed = tuple(
        tuple(replace(task, element=index, number=next(numbers)) for task in chain)
        for index, chain in enumerate(elements)
    )
    (parent / name / "marks").mkdir(parents=True)
    content = {"submitted": now, "elements": placed}
    text = json.dumps(content, default=lambda each: getattr(each, "__dict__", None) or str(each))
    atomic_write(parent / name / TASKS, f"{text}\n")
    return Batch(parent / name, now, placed)


def read_batch(folder: Path) -> Batch | None:
    """Read a batch; None if it is not there or not whole."""
    try:
        content = json.loads((folder / TASKS).read_text())
        elements = tuple(tuple(map(Task.of, chain)) for chain in content["elements"])
        return Batch(folder, float(content["submitted"]), elements)
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Marks:
    """What the elements of a batch have told: which tasks have started, how they ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "marks"
        self.started: set[int] = set()
        self.ended: dict[int, int] = {}

    def refresh(self) -> None:
        """Look again; one listing of the folder, which a network file system tells afresh."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in names:
            number, _, kind = name.partition(".")
            if kind == "started":
                self.started.add(int(number))
            elif kind == "ended" and int(number) not in self.ended:
                with contextlib.suppress(OSError, ValueError):
                    self.ended[int(number)] = int((self._folder / name).read_text())

    def start(self, number: int) -> None:
        """Tell that a task has started."""
        atomic_write(self._folder / f"{number}.started", "")
        self.started.add(number)

    def end(self, number: int, code: int) -> None:
        """Tell how a task has ended."""
        atomic_write(self._folder / f"{number}.ended", f"{code}\n")
        self.ended[number] = code
