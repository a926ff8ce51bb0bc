"""From the results of a study to the rows of its table and the numbers in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.files.records import RunResult
from runner.plan import demo
from runner.plan.jobs import ANY, Study

ROW_ORDER = (
    *("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101"),
    *("fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101"),
    *("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
)
# ImageNet, or the demo's source, from elsewhere: domain generalisation
VARIANTS = (*ROW_ORDER[-4:], *demo.VARIANTS)

Scores = Mapping[tuple[str, str, int], float]
"""(row, column, seed) -> accuracy in percent."""


@dataclass(frozen=True)
class Line:
    """A line of a table: a dataset or task, or the average over `members`.

    Attributes:
        section: lines of one section stand together, its averages behind its rows.
    """

    name: str
    section: str = ""
    average: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """What a study's runs have measured.

    Attributes:
        own_splits: rows whose split file is not the published one.
    """

    lines: tuple[Line, ...]
    scores: dict[tuple[str, str, int], float]
    own_splits: frozenset[str] = frozenset()


def in_row_order(names: Iterable[str]) -> list[str]:
    """Return datasets in the published order of rows, unknown ones behind as they come."""
    given = list(dict.fromkeys(names))
    known = [name for name in ROW_ORDER if name in given]
    return known + [name for name in given if name not in ROW_ORDER]


def measure(study: Study, results: Mapping[str, RunResult]) -> Measured:
    """Return the lines of a study's table, also of runs that are missing, and its scores.

    A run over several tasks fills a row for each. Its rows are unknown until one such run has
    ended: until then the dataset has a row of its own.
    """
    rows = _rows_of_datasets(study, results)
    scores = {}
    own_splits: set[str] = set()
    for job in study.jobs:
        if job.name not in results:
            continue
        result = results[job.name]
        values = [task.metric for task in result.tasks] or [result.accuracy]
        notes = [task.split_note for task in result.tasks] or [result.split_note]
        marked = zip(rows[job.dataset], notes, strict=False)
        own_splits |= {row for row, note in marked if note}
        for column in study.columns if job.column == ANY else (job.column,):
            for row, value in zip(rows[job.dataset], values, strict=False):
                scores[row, column, job.seed] = value
    return Measured(_lines(study, rows), scores, frozenset(own_splits))


def _rows_of_datasets(study: Study, results: Mapping[str, RunResult]) -> dict[str, list[str]]:
    """Return the names of the rows of each dataset: its own, or those of its tasks."""
    tasks: dict[str, list[str]] = {}
    for job in study.jobs:
        found = results[job.name].tasks if job.name in results else ()
        if len(found) > len(tasks.get(job.dataset, ())):
            names = [task.dataset or task.name for task in found]
            # Tasks that share a dataset are told apart by their own names.
            same = len(set(names)) < len(names)
            tasks[job.dataset] = [task.name for task in found] if same else names
    datasets = [study.source, *study.datasets] if study.source else list(study.datasets)
    rows = {name: tasks.get(name, [name]) for name in datasets}
    every = [row for names in rows.values() for row in names]
    for name, names in rows.items():
        whole = study.mode.name == "mt" and name in tasks
        rows[name] = [f"{name}/{row}" if whole or every.count(row) > 1 else row for row in names]
    return rows


def _lines(study: Study, rows: Mapping[str, Sequence[str]]) -> tuple[Line, ...]:
    mode = study.mode.name
    if mode == "mt":
        return tuple(line for name in rows for line in _task_lines(name, rows[name]))
    if not study.source:
        return _section("", [row for names in rows.values() for row in names], "average")
    source = Line(study.source, section="source")
    variants = study.datasets if mode == "dg" else VARIANTS
    others = [name for name in study.datasets if name not in variants]
    shifted = [name for name in study.datasets if name in variants]
    transfer = () if mode == "dg" else _section("xd", others, "average_xd")
    return (source, *transfer, *_section("dg", shifted, "average_dg"))


def _section(section: str, names: Sequence[str], average: str) -> tuple[Line, ...]:
    order = in_row_order(names)
    lines = [Line(name, section) for name in order]
    return (*lines, Line(average, section, average=True, members=tuple(order)))


def _task_lines(dataset: str, rows: Sequence[str]) -> tuple[Line, ...]:
    lines = [Line(row, dataset) for row in rows]
    if list(rows) == [dataset]:
        return tuple(lines)
    return (*lines, Line(f"{dataset}/average", dataset, average=True, members=tuple(rows)))


def merge(bodies: Sequence[Sequence[Line]]) -> list[Line]:
    """Return the lines to show of several tables, each once, rows in the published order; without
    averages over nothing, which only the published CSV has."""
    merged = []
    lines = [line for body in bodies for line in body if line.members or not line.average]
    for section in dict.fromkeys(line.section for line in lines):
        rows = {line.name: line for line in lines if line.section == section and not line.average}
        means = {line.name: line for line in lines if line.section == section and line.average}
        merged += [rows[name] for name in in_row_order(rows)]
        merged += means.values()
    return merged
