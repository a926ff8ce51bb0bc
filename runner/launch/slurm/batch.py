"""What one submission to SLURM runs, as files that runner and jobs share.

A task is one command. A chain is tasks that run one after the other, the first of which the others
need. An element of an array takes one chain. The folder of a batch:

    tasks.json       the chains of its elements
    array.sh         what was submitted
    job              the id that SLURM gave the array, as long as it may still run
    element-<k>.txt  what element k printed, apart from its commands
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.files.records import read_result
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
    """

    argv: tuple[str, ...]
    console: Path
    folder: Path
    key: str

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Task":
        """Return the task that a file, or a job's attributes, stand for."""
        console, folder = Path(content["console"]), Path(content["folder"])
        return cls(tuple(content["argv"]), console, folder, content["key"])

    def done(self) -> bool:
        """Whether its result is there."""
        result = read_result(self.folder)
        return result is not None and result.key == self.key


Chain = tuple[Task, ...]


def make_batch(parent: Path, chains: Sequence[Chain]) -> Path:
    """Write a batch to a new folder below `parent` and return the folder; later ones are named to
    stand behind earlier ones."""
    folder = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    content = [list(map(vars, chain)) for chain in chains]
    atomic_write(folder / TASKS, json.dumps(content, default=str) + "\n")
    return folder


def read_batch(folder: Path) -> list[Chain]:
    """Return the chains of a batch; none if it is not there or not whole."""
    try:
        content = json.loads((folder / TASKS).read_text())
        return [tuple(map(Task.of, chain)) for chain in content]
    except (OSError, ValueError, KeyError, TypeError):
        return []
