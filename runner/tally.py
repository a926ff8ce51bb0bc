"""The CSV of base-to-new, in the published columns and rounding, for any number of seeds.

Source of the layout: Koorye/DePT, utils/result_parser.py (printed by pandas). Each accuracy is
rounded to one decimal first, as the log lines were that the published tally reads.
"""

from collections.abc import Iterable, Mapping, Sequence

ROW_ORDER = (
    "imagenet",
    "caltech101",
    "oxford_pets",
    "stanford_cars",
    "oxford_flowers",
    "food101",
    "fgvc_aircraft",
    "sun397",
    "dtd",
    "eurosat",
    "ucf101",
)

Scores = Mapping[tuple[str, str, int], float]
"""(dataset, `base` or `new`, seed) -> accuracy in percent."""


def in_row_order(datasets: Iterable[str]) -> list[str]:
    """Return datasets in the published order of rows, unknown ones behind as they come."""
    names = list(datasets)
    known = [name for name in ROW_ORDER if name in names]
    return known + [name for name in names if name not in ROW_ORDER]


def harmonic_mean(base: float, new: float) -> float:
    """Return 2 / (1/base + 1/new), 0 where one is 0."""
    return 0.0 if base <= 0 or new <= 0 else 2 / (1 / base + 1 / new)


def mean(values: Sequence[float]) -> float:
    """Return the mean, summed from left to right as numpy does for few values."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def complete(datasets: Iterable[str], seeds: Sequence[int], scores: Scores) -> list[str]:
    """Return the datasets of which no run is missing."""
    return [
        dataset
        for dataset in datasets
        if all((dataset, column, seed) in scores for column in ("base", "new") for seed in seeds)
    ]


def base_to_new_csv(datasets: Sequence[str], seeds: Sequence[int], scores: Scores) -> str:
    """Return the table as text.

    A dataset with a missing run has its row, with empty fields where a number is missing and in the
    means; the row `average` is over the complete rows alone, and empty if there is none.
    """
    rounded = {place: round(value, 1) for place, value in scores.items()}
    names = [name for seed in seeds for name in _columns(f"_seed{seed}")] + _columns("")
    header = ["dataset", *names]
    order = in_row_order(datasets)
    rows = {dataset: _row(dataset, seeds, rounded) for dataset in order}
    whole = [rows[dataset] for dataset in complete(order, seeds, rounded)]
    average: list[float | None] = [None] * len(names)
    if whole:
        average = [mean([row[i] or 0.0 for row in whole]) for i in range(len(names))]
        average[-1] = harmonic_mean(average[-3] or 0.0, average[-2] or 0.0)
    lines = [",".join(header)]
    for name, row in [*rows.items(), ("average", average)]:
        lines.append(",".join([name, *map(_field, row)]))
    return "\n".join(lines) + "\n"


def _columns(suffix: str) -> list[str]:
    return [f"base_acc{suffix}", f"new_acc{suffix}", f"H{suffix}"]


def _row(dataset: str, seeds: Sequence[int], scores: Scores) -> list[float | None]:
    pairs = [(scores.get((dataset, "base", s)), scores.get((dataset, "new", s))) for s in seeds]
    row: list[float | None] = []
    for base, new in pairs:
        row += [base, new, _harmonic(base, new)]
    bases = [base for base, _ in pairs if base is not None]
    news = [new for _, new in pairs if new is not None]
    base_mean = mean(bases) if len(bases) == len(seeds) else None
    new_mean = mean(news) if len(news) == len(seeds) else None
    return [*row, base_mean, new_mean, _harmonic(base_mean, new_mean)]


def _harmonic(base: float | None, new: float | None) -> float | None:
    return None if base is None or new is None else harmonic_mean(base, new)


def _field(value: float | None) -> str:
    """Two decimals at most, as numpy rounds and pandas prints: 73.6, not 73.60."""
    return "" if value is None else repr(round(value * 100) / 100)
