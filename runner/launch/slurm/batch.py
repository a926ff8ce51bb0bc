"""What one submission to SLURM runs, as files that runner and jobs share.

A task is one command. A chain is tasks that run one after the other, the first of which the others
need. An element of an array takes one chain, or several that run at once. The folder of a batch:

    tasks.jsonl      a line per element: its chains
    array.sh         what was submitted
    element-<k>.txt  what element k printed, apart from its commands
    marks/           <n>.started, <n>.ended (with the exit code) of task n
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """

    argv: tuple[str, ...]
    console: Path
    folder: Path
    key: str


Chain = tuple[Task, ...]
Element = tuple[Chain, ...]


@dataclass(frozen=True)
class Place:
    """Where a task stands in its batch: `number` counts tasks, and names the marks."""

    element: int
    number: int
    task: Task


@dataclass(frozen=True)
class Batch:
    """One array. `submitted` orders batches: what is submitted later wins a run."""

    folder: Path
    submitted: float
    elements: tuple[Element, ...]

    def places(self) -> Iterator[Place]:
        """Return every task with its place, in order."""
        number = 0
        for index, element in enumerate(self.elements):
            for chain in element:
                for task in chain:
                    yield Place(index, number, task)
                    number += 1

    def numbered(self, index: int) -> list[list[tuple[int, Task]]]:
        """Return the chains of an element, each task with its number."""
        numbers = iter([place.number for place in self.places() if place.element == index])
        return [[(next(numbers), task) for task in chain] for chain in self.elements[index]]


def make_batch(parent: Path, elements: Sequence[Element]) -> Batch:
    """Write a batch to a new folder below `parent`."""
    now = time.time()
    name = time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
    batch = Batch(parent / name, now, tuple(elements))
    lines = [
        json.dumps(
            {"submitted": now, "chains": [[_as_dict(t) for t in chain] for chain in element]}
        )
        for element in elements
    ]
    (batch.folder / "marks").mkdir(parents=True)
    atomic_write(batch.folder / TASKS, "\n".join(lines) + "\n")
    return batch


def read_batch(folder: Path) -> Batch:
    """Read a batch.

    Raises:
        OSError, ValueError, KeyError: it is not there or not whole.
    """
    content = [json.loads(line) for line in (folder / TASKS).read_text().splitlines()]
    elements = tuple(
        tuple(tuple(_task(task) for task in chain) for chain in line["chains"]) for line in content
    )
    return Batch(folder, float(content[0]["submitted"]), elements)


def _as_dict(task: Task) -> dict[str, object]:
    return {
        "argv": list(task.argv),
        "folder": str(task.folder),
        "console": str(task.console),
        "key": task.key,
    }


def _task(content: dict[str, object]) -> Task:
    argv = content["argv"]
    assert isinstance(argv, list)
    return Task(
        tuple(map(str, argv)),
        Path(str(content["console"])),
        Path(str(content["folder"])),
        str(content["key"]),
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
            if not number.isdecimal():
                continue
            if kind == "started":
                self.started.add(int(number))
            elif kind == "ended" and int(number) not in self.ended:
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
        path = self._folder / name
        try:
            before = int(path.read_text())
        except (OSError, ValueError):
            before = 0
        atomic_write(path, f"{before + 1}\n")
        return before + 1

    def _read(self, name: str) -> int | None:
        try:
            return int((self._folder / name).read_text())
        except (OSError, ValueError):
            return None
