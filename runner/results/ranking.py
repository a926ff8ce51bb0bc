"""The ranking of a grid's points, by accuracy on validation images unless test images are asked
for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from runner.plan.grid import TEST
from runner.results.lines import Line, merge
from runner.results.tables import Spread, Table


@dataclass(frozen=True)
class Entry:
    """A point in the ranking.

    Attributes:
        validation: accuracy on validation images, mean over datasets, spread over seeds; None
            where nothing is known.
        whole: whether no run is missing.
    """

    table: Table
    validation: Spread | None
    whole: bool


@dataclass(frozen=True)
class Ranking:
    """The points, best first where `why_not` is empty, else as they were named.

    Attributes:
        without: datasets without validation images, which no point is judged by.
        why_not: why nothing can be ranked.
    """

    entries: tuple[Entry, ...]
    by_test: bool
    without: tuple[str, ...] = ()
    why_not: str = ""


def rank(tables: Sequence[Table], rank_by: str, *, trains: bool) -> Ranking:
    """Rank the points of one grid. Points with a missing run come last, since their means are over
    other runs.

    Args:
        trains: whether any of their runs is a training.
    """
    columns = ["dataset", "seed", "val_accuracy"]
    runs = pd.DataFrame(
        [
            (place, *(row[name] for name in columns))
            for place, table in enumerate(tables)
            for row in table.runs
            if row["trained"]
        ],
        columns=["point", *columns],
    )
    images = runs.groupby("dataset", sort=False).val_accuracy.count()
    without = tuple(images.index[images == 0])
    judged = runs[~runs.dataset.isin(without)]
    lacking = set(judged.point[judged.val_accuracy.isna()])
    seeds = judged.dropna().groupby(["point", "seed"]).val_accuracy.mean().groupby("point")
    spreads = zip(seeds.groups, seeds.mean(), seeds.std(ddof=0), seeds.count(), strict=True)
    found = {point: Spread(mean, std, number) for point, mean, std, number in spreads}
    entries = [
        Entry(table, found.get(place), not table.absent and place not in lacking)
        for place, table in enumerate(tables)
    ]
    if rank_by == TEST:
        place = {id(table): number for number, table in enumerate(ranked(tables))}
        entries.sort(key=lambda entry: (not entry.whole, place[id(entry.table)]))
        return Ranking(tuple(entries), True, without)
    if found:
        entries.sort(key=lambda entry: (not entry.whole, -_mean(entry)))
        return Ranking(tuple(entries), False, without)
    why_not = (
        f"no validation images of {', '.join(without)}" if without else "no training has ended"
    )
    why_not = why_not if trains else "nothing is trained, so nothing is validated"
    return Ranking(tuple(entries), False, without, why_not)


def _mean(entry: Entry) -> float:
    return entry.validation.mean if entry.validation else -1.0


def as_good(ranking: Ranking) -> int:
    """Return how many points have the first one's accuracy on validation images."""
    best = _mean(ranking.entries[0])
    return sum(entry.whole and _mean(entry) == best for entry in ranking.entries)


def ranking_columns(tables: Sequence[Table]) -> list[tuple[str, Line, str]]:
    """Return what stands for a whole experiment: (heading, line, measure) of the averages, of the
    source dataset, and of rows that no average is over."""
    lines = merge([table.lines for table in tables])
    inside = {member for line in lines for member in line.members}
    measured = {name for table in tables for name, _ in table.cells}
    kept = [
        line
        for line in lines
        if line.average or (line.name not in inside and line.name in measured)
    ]
    measures = tables[0].measures
    if len(kept) == 1:
        return [(measure, kept[0], measure) for measure in measures]
    return [
        (line.name if len(measures) == 1 else f"{line.name} {measure}", line, measure)
        for line in kept
        for measure in measures
    ]


def ranked(tables: Sequence[Table]) -> list[Table]:
    """Return tables by H of the average, else by the mean of the averages, best first; those
    without it behind, by the first number that they have."""
    columns = ranking_columns(tables)
    if "H" in tables[0].measures:
        wanted = [column for column in columns if column[2] == "H"]
    else:
        wanted = [column for column in columns if column[1].average] or columns

    def place(table: Table) -> tuple[bool, float]:
        cells = [table.cells.get((line.name, measure)) for _, line, measure in wanted]
        found = [cell.mean for cell in cells if cell]
        if len(found) == len(cells):
            return True, sum(found) / len(found)
        rest = [table.cells.get((line.name, measure)) for _, line, measure in columns]
        return False, next((cell.mean for cell in rest if cell), 0.0)

    return sorted(tables, key=place, reverse=True)
