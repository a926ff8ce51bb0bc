"""Mean and spread over seeds, at full precision, for the table on screen and the picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.tally import Scores, complete, harmonic_mean, in_row_order, mean

AVERAGE = "average"
MEASURES = ("base", "new", "H")


@dataclass(frozen=True)
class Spread:
    """Mean and population standard deviation over `count` seeds."""

    mean: float
    std: float
    count: int


@dataclass(frozen=True)
class Summary:
    """What a study measured.

    Attributes:
        cells: (dataset or `average`, measure) -> spread; absent where nothing was measured.
        complete: the datasets without a missing run: those of the average.
    """

    label: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], Spread]
    complete: tuple[str, ...]


def summarise(label: str, datasets: Sequence[str], seeds: Sequence[int], scores: Scores) -> Summary:
    """Return means and spreads. H of a row is the harmonic mean of its two means (the convention of
    the published tables), its spread that of the harmonic means of the seeds."""
    order = in_row_order(datasets)
    whole = complete(order, seeds, scores)
    cells: dict[tuple[str, str], Spread] = {}
    for dataset in order:
        values = {
            column: {s: scores[dataset, column, s] for s in seeds if (dataset, column, s) in scores}
            for column in ("base", "new")
        }
        _fill(cells, dataset, values)
    if whole:
        values = {
            column: {s: mean([scores[dataset, column, s] for dataset in whole]) for s in seeds}
            for column in ("base", "new")
        }
        _fill(cells, AVERAGE, values)
    return Summary(label, tuple(order), tuple(seeds), cells, tuple(whole))


def _fill(
    cells: dict[tuple[str, str], Spread], row: str, values: dict[str, dict[int, float]]
) -> None:
    for column, by_seed in values.items():
        if by_seed:
            cells[row, column] = _spread(list(by_seed.values()))
    base, new = values["base"], values["new"]
    both = [harmonic_mean(base[seed], new[seed]) for seed in base if seed in new]
    if both:
        of_means = harmonic_mean(cells[row, "base"].mean, cells[row, "new"].mean)
        cells[row, "H"] = Spread(of_means, _spread(both).std, len(both))


def _spread(values: Sequence[float]) -> Spread:
    middle = mean(values)
    variance = mean([(value - middle) ** 2 for value in values])
    return Spread(middle, math.sqrt(variance), len(values))
