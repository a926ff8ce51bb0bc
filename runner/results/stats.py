"""Mean and spread over seeds, at full precision, for the tables on screen and the picture."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runner.results.scores import Line, Scores

BASE_TO_NEW = ("base", "new", "H")
MEAN_OF_H = "mean of H"


@dataclass(frozen=True)
class Spread:
    """Mean and population standard deviation over `count` seeds."""

    mean: float
    std: float
    count: int

    @property
    def interval(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean: Student's t distribution,
        sample standard deviation; None for a single seed."""
        if self.count < 2:
            return None
        return student_quantile(self.count - 1) * self.std / math.sqrt(self.count - 1)


@dataclass(frozen=True)
class Summary:
    """What a study measured.

    Attributes:
        measures: headings of the columns, `H` among them.
        cells: (line, measure) -> spread; absent where nothing was measured. Beside the measures
            MEAN_OF_H: the mean over rows and seeds of the harmonic mean of each.
        complete: by average, the rows that it is over: those without a missing run.
        own_splits: lines measured on a split file that is not the published one, averages over
            such lines among them.
    """

    label: str
    lines: tuple[Line, ...]
    measures: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], Spread]
    complete: dict[str, tuple[str, ...]]
    own_splits: tuple[str, ...] = ()


def harmonic_mean(base: float, new: float) -> float:
    """Return 2 / (1/base + 1/new), 0 where one is 0."""
    return 0.0 if base <= 0 or new <= 0 else 2 / (1 / base + 1 / new)


def mean(values: Sequence[float]) -> float:
    """Return the mean, summed from left to right as numpy does for few values."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def student_quantile(freedom: int, level: float = 0.95) -> float:
    """Return t with probability `level` between -t and t, by bisection of the finite series for
    whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    low, high = 0.0, 1e6
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _student_within(middle, freedom) < level else (low, middle)
    return (low + high) / 2


def _student_within(t: float, freedom: int) -> float:
    """The probability between -t and t."""
    angle = math.atan(t / math.sqrt(freedom))
    term = math.cos(angle) if freedom % 2 else 1.0
    total = 0.0
    for power in range(freedom % 2 + 1, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * power / (power + 1)
    series = math.sin(angle) * total
    return 2 / math.pi * (angle + series) if freedom % 2 else series


def complete(
    rows: Sequence[str], columns: Sequence[str], seeds: Sequence[int], scores: Scores
) -> tuple[str, ...]:
    """Return the rows of which no run is missing."""
    return tuple(
        row for row in rows if all((row, c, seed) in scores for c in columns for seed in seeds)
    )


def summarise(
    label: str,
    lines: Sequence[Line],
    columns: Sequence[str],
    seeds: Sequence[int],
    scores: Scores,
    own_splits: Collection[str] = (),
) -> Summary:
    """Return means and spreads. Where base and new are measured, H of a row is the harmonic mean of
    its two means (the convention of the published tables), its spread that of the harmonic means of
    the seeds."""
    cells: dict[tuple[str, str], Spread] = {}
    wholes: dict[str, tuple[str, ...]] = {}
    for line in lines:
        rows: Sequence[str] = (line.name,)
        if line.average:
            rows = wholes[line.name] = complete(line.members, columns, seeds, scores)
        for column in columns:
            values = [
                mean([scores[row, column, seed] for row in rows])
                for seed in seeds
                if rows and all((row, column, seed) in scores for row in rows)
            ]
            if values:
                cells[line.name, column] = spread(values)
        if "new" in columns and rows:
            _add_harmonic(cells, line.name, rows, seeds, scores)
    measures = BASE_TO_NEW if "base" in columns else tuple(columns)
    own = set(own_splits)
    marked = tuple(line.name for line in lines if own & {line.name, *wholes.get(line.name, ())})
    return Summary(label, tuple(lines), measures, tuple(seeds), cells, wholes, marked)


def _add_harmonic(
    cells: dict[tuple[str, str], Spread],
    name: str,
    rows: Sequence[str],
    seeds: Sequence[int],
    scores: Scores,
) -> None:
    both = [
        harmonic_mean(*(mean([scores[row, c, seed] for row in rows]) for c in ("base", "new")))
        for seed in seeds
        if all((row, column, seed) in scores for row in rows for column in ("base", "new"))
    ]
    if both:
        of_means = harmonic_mean(cells[name, "base"].mean, cells[name, "new"].mean)
        cells[name, "H"] = Spread(of_means, spread(both).std, len(both))
        single = [
            mean([harmonic_mean(*(scores[row, c, seed] for c in ("base", "new"))) for row in rows])
            for seed in seeds
            if all((row, c, seed) in scores for row in rows for c in ("base", "new"))
        ]
        cells[name, MEAN_OF_H] = spread(single)


def spread(values: Sequence[float]) -> Spread:
    """Return mean and population standard deviation."""
    middle = mean(values)
    variance = mean([(value - middle) ** 2 for value in values])
    return Spread(middle, math.sqrt(variance), len(values))
