"""What is to be run: a job is one call of train.py, a study one experiment at one shot count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One call of train.py.

    Attributes:
        name: unique over the plan, readable: `maple_dept dtd seed1 train`.
        experiment: name in configs.py.
        kind: `train` (whose last test counts) or `test` (evaluation only).
        column: which accuracy the job gives to the tally: `base` or `new`.
        folder: its output folder.
        console: file that takes everything the process prints.
        key: the job key (runner.jobkey).
        argv: the whole command.
        needs: the training whose model a test loads, None for others.
    """

    name: str
    experiment: str
    kind: str
    column: str
    dataset: str
    seed: int
    folder: Path
    console: Path
    key: str
    argv: tuple[str, ...]
    needs: Job | None = None


@dataclass(frozen=True)
class Study:
    """One experiment at one number of shots: its jobs and the table that they fill."""

    name: str
    label: str
    trainer: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...]
    csv: Path
