"""What is to be run: a job is one call of train.py, a study one experiment and its table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runner.plan.grid import NO_POINT, Point
from runner.plan.modes import Mode

BOTH = "both"  # column, and classes, of a test on all classes whose halves are two numbers
ANY = "any"  # column of a run whose accuracy stands in every column: zero-shot at any shots


@dataclass(frozen=True)
class Job:
    """One call of train.py.

    Attributes:
        name: unique over the plan, readable: `maple_dept dtd seed1 train`.
        experiment: name in configs.py, and the point of a grid behind a slash.
        kind: `train` (whose last test counts) or `test` (evaluation only).
        column: which accuracy the job gives to the tally: one of its study's columns, ANY or BOTH;
            empty for a training that stands in no column.
        folder: its output folder.
        console: file that takes everything the process prints.
        key: the job key (runner.plan.jobkey).
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
    """One experiment (at one number of shots, unless the table has a column for each): its jobs and
    the table that they fill.

    Attributes:
        columns: what is measured of a dataset: `base`, `new`; `accuracy`; or `<K> shots`.
        source: the dataset that xd and dg train on.
        csv: the table; `csv_by_column` has one more for each column of a table by shots.
        absent: names of the runs that cannot be, since the archive lacks their checkpoint.
        point: the values of a grid that all its jobs have.
        ranking: the table that ranks it among the other points of its grid; None without a grid.
    """

    name: str
    label: str
    trainer: str
    mode: Mode
    columns: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[Job, ...]
    csv: Path
    source: str = ""
    csv_by_column: dict[str, Path] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    point: Point = NO_POINT
    ranking: Path | None = None


def jobs_of(studies: Iterable[Study]) -> list[Job]:
    """Return the jobs of all studies, one that several share once."""
    return list({job.name: job for study in studies for job in study.jobs}.values())
