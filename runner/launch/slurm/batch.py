"""What one submission to SLURM runs, as files that runner and jobs share.

A task is one command. A chain is tasks that run one after the other, the first of which the others
need. An element of an array takes one chain, or several that run at once. The folder of a batch:

    tasks.jsonl      a line per element: its chains
    array.sh         what was submitted
    element-<k>.txt  what element k printed, apart from its commands
    marks/           <n>.started, <n>.ended (with the exit code) of task n
"""

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

TASKS = "tasks.jsonl"
SCRIPT = "array.sh"


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
        """Return the task that a mapping, or a job's attributes, stand for."""
        console, folder = Path(content["console"]), Path(content["folder"])
        argv = tuple(map(str, content["argv"]))
        return cls(argv, console, folder, str(content["key"]))


Chain = tuple[Task, ...]
Element = tuple[Chain, ...]


@dataclass(frozen=True)
class Batch:
    """One array. `submitted` orders batches: what is submitted later wins a run."""

    folder: Path
    submitted: float
    elements: tuple[Element, ...]

    def tasks(self) -> Iterator[Task]:
        """Return every task, in order."""
        return (task for element in self.elements for chain in element for task in chain)


def make_batch(parent: Path, elements: Sequence[Element]) -> Batch:
    """Write a batch to a new folder below `parent`."""
    now = time.time()
    name = time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
    lines = [
        json.dumps(
            {"submitted": now, "chains": [[*map(vars, chain)] for chain in each]}, default=str
        )
        for each in elements
    ]
    (parent / name / "marks").mkdir(parents=True)
    atomic_write(parent / name / TASKS, "\n".join(lines) + "\n")
    return Batch(parent / name, now, _numbered(elements))


def read_batch(folder: Path) -> Batch | None:
    """Read a batch; None if it is not there or not whole."""
    try:
        content = [json.loads(line) for line in (folder / TASKS).read_text().splitlines()]
        elements = [[tuple(map(Task.of, chain)) for chain in line["chains"]] for line in content]
        return Batch(folder, float(content[0]["submitted"]), _numbered(elements))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _numbered(elements: Sequence[Sequence[Chain]]) -> tuple[Element, ...]:
    numbers = itertools.count()
    return tuple(
        tuple(
            tuple(replace(task, element=index, number=next(numbers)) for task in chain)
            for chain in element
        )
        for index, element in enumerate(elements)
    )


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
            if number.isdecimal() and kind == "started":
                self.started.add(int(number))
            elif number.isdecimal() and kind == "ended" and int(number) not in self.ended:
                code = self._read(name)
                if code is not None:
                    self.ended[int(number)] = code

    def start(self, number: int, note: str) -> None:
        """Tell that a task has started."""
        atomic_write(self._folder / f"{number}.started", note)
        self.started.add(number)

    def end(self, number: int, code: int) -> None:
        """Tell how a task has ended."""
        atomic_write(self._folder / f"{number}.ended", f"{code}\n")
        self.ended[number] = code

    def count(self, name: str) -> int:
        """Count up and return how often this was called for `name`, over all restarts."""
        number = (self._read(name) or 0) + 1
        atomic_write(self._folder / name, f"{number}\n")
        return number

    def _read(self, name: str) -> int | None:
        try:
            return int((self._folder / name).read_text())
        except (OSError, ValueError):
            return None
