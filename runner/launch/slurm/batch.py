"""What one submission to SLURM runs, as files that runner and elements share.

A chain is jobs that run one after the other, the first of which the others need. An element of an
array takes one chain. The folder of a batch:

    tasks.json       the chains of its elements
    array.sh         what was submitted
    job              the id that SLURM gave the array, as long as it may still run
    element-<k>.txt  what element k printed, apart from its commands
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.files.writing import atomic_write
from runner.plan.jobs import Job

TASKS = "tasks.json"
SCRIPT = "array.sh"
JOB = "job"
Chain = tuple[Job, ...]


def make_batch(parent: Path, chains: Sequence[Chain]) -> Path:
    """Write a batch to a new folder below `parent` and return the folder; later ones are named to
    stand behind earlier ones."""
    folder = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    content = [[{**vars(job), "needs": None} for job in chain] for chain in chains]
    atomic_write(folder / TASKS, json.dumps(content, default=str) + "\n")
    return folder


def read_batch(folder: Path) -> list[Chain]:
    """Return the chains of a batch; none if it is not there or not whole."""
    try:
        content = json.loads((folder / TASKS).read_text())
        return [tuple(map(_job, chain)) for chain in content]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _job(content: Mapping[str, Any]) -> Job:
    folder, console = Path(content["folder"]), Path(content["console"])
    argv = tuple(content["argv"])
    return Job(**{**content, "folder": folder, "console": console, "argv": argv})
