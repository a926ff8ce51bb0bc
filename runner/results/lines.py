"""The lines of a table: datasets or tasks in the published order, and averages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.plan import demo
from runner.plan.modes import Mode

ROW_ORDER = (
    *("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101"),
    *("fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101"),
    *("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
)
# ImageNet, or the demo's source, from elsewhere: domain generalisation
VARIANTS = (*ROW_ORDER[-4:], *demo.VARIANTS)


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


def in_row_order(names: Iterable[str]) -> list[str]:
    """Return datasets in the published order of rows, unknown ones behind as they come."""
    given = list(dict.fromkeys(names))
    known = [name for name in ROW_ORDER if name in given]
    return known + [name for name in given if name not in ROW_ORDER]


def lines_of(
    mode: Mode, source: str, datasets: Sequence[str], rows: Mapping[str, Sequence[str]]
) -> tuple[Line, ...]:
    """Return the lines of a study's table.

    Args:
        source: the dataset that xd and dg train on, else empty.
        rows: the names of each dataset's rows: its own, or those of its tasks.
    """
    if mode.name == "mt":
        return tuple(line for name in rows for line in _task_lines(name, rows[name]))
    if not source:
        return _section("", [row for names in rows.values() for row in names], "average")
    variants = datasets if mode.name == "dg" else VARIANTS
    others = [name for name in datasets if name not in variants]
    shifted = [name for name in datasets if name in variants]
    transfer = () if mode.name == "dg" else _section("xd", others, "average_xd")
    return (Line(source, "source"), *transfer, *_section("dg", shifted, "average_dg"))


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
