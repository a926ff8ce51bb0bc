"""A table of results: datasets or tasks by measures, with means and spreads over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runner.plan.grid import NO_POINT, Point
from runner.plan.jobs import ANY
from runner.plan.modes import Mode
from runner.results import provenance
from runner.results.lines import Line, lines_of
from runner.results.reading import Row

BASE_TO_NEW = ("base", "new", "H")
MEAN_OF_H = "mean of H"
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Mean and population standard deviation over `count` seeds."""

    mean: float
    std: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.std:.2f}"

    @property
    def interval(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean: Student's t distribution,
        sample standard deviation; None for a single seed."""
        if self.count < 2:
            return None
        from scipy.special import stdtrit

        return float(stdtrit(self.count - 1, 0.975)) * self.std / (self.count - 1) ** 0.5


@dataclass(frozen=True, eq=False)
class Table:
    """One method's results in one protocol.

    Attributes:
        experiment: folder or experiment that it is of; `label` tells more.
        columns: what is measured of a dataset: `base`, `new`; `accuracy`; or `<K> shots`.
        behind: (line, column) -> the rows of the table of runs that it is over.
        csv: the file that takes it; `csv_by_column` one more for each column of a table by shots.
        members: the rows of its runs, also of those without a result.
        spare: the runs for whose cell another one is newer.
        absent: why cells are empty, one line each.
        own_splits: rows whose split file or classes are not the published ones.
        point, ranking: of a grid, as in `runner.plan.jobs.Study`.
    """

    experiment: str
    label: str
    trainer: str
    mode: Mode
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    csv: Path
    lines: tuple[Line, ...] = ()
    behind: Mapping[tuple[str, str], Sequence[Row]] = field(default_factory=dict)
    csv_by_column: Mapping[str, Path] = field(default_factory=dict)
    members: tuple[Row, ...] = ()
    spare: tuple[Row, ...] = ()
    absent: tuple[str, ...] = ()
    point: Point = NO_POINT
    ranking: Path | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """Headings of the columns, `H` among them where base classes are measured."""
        return BASE_TO_NEW if "base" in self.columns else self.columns

    @cached_property
    def runs(self) -> list[Row]:
        """Its members, a row for each run."""
        return list({row["folder"]: row for row in reversed(self.members)}.values())[::-1]

    @cached_property
    def values(self) -> Values:
        """Accuracy in percent of each line that is no average, column and seed [L, C, S]; NaN where
        nothing was measured."""
        found = np.full((len(self.lines), len(self.columns), len(self.seeds)), np.nan)
        line_at = {line.name: place for place, line in enumerate(self.lines)}
        seed_at = {seed: place for place, seed in enumerate(self.seeds)}
        for (line, column), rows in self.behind.items():
            for row in rows if line in line_at else ():
                where = line_at[line], self.columns.index(column), seed_at[row["seed"]]
                found[where] = row["accuracy"]
        return found

    @cached_property
    def odd(self) -> dict[tuple[str, str], list[str]]:
        """(line, measure) -> the runs whose provenance differs from the others' in what the number
        claims to hold fixed; such a cell has no mean."""
        found: dict[tuple[str, str], list[str]] = {}
        for place, rows in self.behind.items():
            if said := provenance.odd_ones(rows, provenance.OF_A_CELL):
                found[place] = said
        alone = {line for line, _ in found}  # left out of averages
        for line in self.lines:
            names = [n for n in line.members if n not in alone] if line.average else [line.name]
            rows = [r for n in names for c in self.columns for r in self.behind.get((n, c), ())]
            fixed = provenance.OF_A_METHOD if line.average else provenance.OF_A_ROW
            if said := provenance.odd_ones(rows, fixed):
                for measure in self.measures if line.average else ("H",):
                    found[line.name, measure] = said
        return found

    @cached_property
    def complete(self) -> dict[str, tuple[str, ...]]:
        """By average, the rows that it is over: those without a missing or an odd run."""
        odd = {line for line, column in self.odd if column in self.columns}
        whole = {
            line.name
            for line, values in zip(self.lines, self.values, strict=True)
            if np.isfinite(values).all() and line.name not in odd
        }
        return {
            line.name: tuple(name for name in line.members if name in whole)
            for line in self.lines
            if line.average
        }

    @cached_property
    def own_splits(self) -> frozenset[str]:
        own = {line for (line, _), rows in self.behind.items() for row in rows if row["own_split"]}
        return frozenset(own) | {name for name, rows in self.complete.items() if own & {*rows}}

    @cached_property
    def cells(self) -> dict[tuple[str, str], Spread]:
        """(line, measure) -> mean and spread; absent where nothing was measured, or where an odd
        run is among what was. H of a row is the harmonic mean of its two means (the convention of
        the published tables), its spread that of the harmonic means of the seeds; MEAN_OF_H, beside
        the measures, is the mean over rows and seeds of the harmonic mean of each."""
        values = self.with_averages(self.values)
        all_seeds = dict(zip(self.columns, np.moveaxis(values, 1, 0), strict=True))
        if "base" in all_seeds and "new" in all_seeds:
            all_seeds["H"] = harmonic_mean(all_seeds["base"], all_seeds["new"])
            each = harmonic_mean(*np.moveaxis(self.values, 1, 0))[:, None]
            all_seeds[MEAN_OF_H] = self.with_averages(each)[:, 0]
        cells: dict[tuple[str, str], Spread] = {}
        for measure, by_seed in all_seeds.items():
            for line, row in zip(self.lines, by_seed, strict=True):
                found = row[np.isfinite(row)]
                if not len(found) or (line.name, measure.replace(MEAN_OF_H, "H")) in self.odd:
                    continue
                mean = float(found.mean())
                if measure == "H":
                    base, new = (cells.get((line.name, column)) for column in ("base", "new"))
                    if not base or not new:
                        continue
                    mean = float(harmonic_mean(base.mean, new.mean))
                cells[line.name, measure] = Spread(mean, float(found.std()), len(found))
        return cells

    def lacking(self, line: str, measure: str) -> str:
        """Return what stands in place of a mean that is not there: `odd`, `missing`, or `-` where
        it is not asked for."""
        if (line, measure.replace(MEAN_OF_H, "H")) in self.odd:
            return "odd"
        return "missing" if measure in self.columns or len(self.columns) > 1 else "-"

    def only(self, column: str) -> "Table":
        """Return the same with one of its columns."""
        behind = {place: rows for place, rows in self.behind.items() if place[1] == column}
        return replace(self, columns=(column,), behind=behind)

    def with_averages(self, values: Values) -> Values:
        """Return values [L, ...] with each average's line filled."""
        values = values.copy()
        place = {line.name: number for number, line in enumerate(self.lines)}
        for name, rows in self.complete.items():
            if rows:
                values[place[name]] = left_to_right_mean(values[[place[row] for row in rows]])
        return values


def paired_test(one: Table, other: Table, measure: str) -> tuple[int, float] | None:
    """Return the number of rows that both tables have measured, and the two-sided p of the paired t
    test over their means; None for fewer than three, or where all differ by the same."""
    rows = [line.name for line in one.lines if not line.average]
    both = [(one.cells.get((name, measure)), other.cells.get((name, measure))) for name in rows]
    pairs = [(mine.mean, theirs.mean) for mine, theirs in both if mine and theirs]
    gains = np.array([mine - theirs for mine, theirs in pairs])
    if len(gains) < 3 or np.ptp(gains) < 1e-6:
        return None
    from scipy.special import stdtr  # Student's t; scipy.stats takes half a second to load

    t = gains.mean() / (gains.std(ddof=1) / len(gains) ** 0.5)
    return len(gains), float(2 * stdtr(len(gains) - 1, -abs(t)))


def left_to_right_mean(values: Values, axis: int = 0) -> Values:
    """Return the mean, summed in order: numpy's own order depends on the layout in memory, and the
    last digit of a published table with it."""
    total: Values = np.cumsum(values, axis=axis).take(-1, axis=axis) / values.shape[axis]
    return total


def harmonic_mean(base: npt.ArrayLike, new: npt.ArrayLike) -> Values:
    """Return 2 / (1/base + 1/new), 0 where one is 0."""
    base, new = np.asarray(base, float), np.asarray(new, float)
    with np.errstate(divide="ignore"):
        return np.where((base <= 0) | (new <= 0), 0.0, 2 / (1 / base + 1 / new))


def fill(table: Table, runs: Sequence[Row], datasets: Sequence[str], source: str = "") -> Table:
    """Return a table with its lines and what stands behind them.

    A run over several tasks fills a row for each. Its rows are unknown until one such run has
    ended: until then the dataset has a row of its own.

    Args:
        runs: rows of runs that have ended, each with the `column` it stands in, ANY for all.
        datasets: those of the table, without the `source` of xd and dg.
    """
    names = [source, *datasets] if source else list(datasets)
    rows = _rows_of_datasets(names, runs, table.mode)
    place: dict[tuple[str, str], int] = {}  # of a run's next task in a column
    behind: dict[tuple[str, str], list[Row]] = {}
    for row in runs:
        where = row["folder"], row["column"]
        number = place[where] = place.get(where, -1) + 1
        if number < len(rows[row["dataset"]]):
            name = rows[row["dataset"]][number]
            for each in table.columns if row["column"] == ANY else (row["column"],):
                behind.setdefault((name, each), []).append(row)
    lines = lines_of(table.mode, source, datasets, rows)
    return replace(table, lines=lines, behind=behind)


def _rows_of_datasets(
    names: Sequence[str], runs: Sequence[Row], mode: Mode
) -> dict[str, tuple[str, ...]]:
    """Return the names of the rows of each dataset: its own, or those of its tasks."""
    by_run: dict[tuple[str, str], list[Row]] = {}
    for row in runs:
        if row["task"] or row["task_dataset"]:
            by_run.setdefault((row["dataset"], row["folder"]), []).append(row)
    tasks: dict[str, list[str]] = {}
    for (dataset, _), found in by_run.items():
        if len(found) > len(tasks.get(dataset, ())):
            own = [row["task_dataset"] or row["task"] for row in found]
            # Tasks that share a dataset are told apart by their own names.
            same = len(set(own)) < len(own)
            tasks[dataset] = [row["task"] for row in found] if same else own
    rows = {name: tasks.get(name, [name]) for name in names}
    every = [row for found in rows.values() for row in found]
    return {
        name: tuple(
            f"{name}/{row}"
            if (mode.name == "mt" and name in tasks) or every.count(row) > 1
            else row
            for row in found
        )
        for name, found in rows.items()
    }
