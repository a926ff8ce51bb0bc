"""The CSV files, in the published columns and rounding, for any number of seeds.

Source of the layout: Koorye/DePT, utils/result_parser.py (printed by pandas), which knows
base-to-new and cross-dataset. Each accuracy is rounded to one decimal first, as the log lines were
that the published tally reads. The tables by shots and by task are ours; logs of runs over several
tasks have two decimals.
"""

from collections.abc import Sequence

from runner.results.scores import Line, Scores
from runner.results.stats import complete, harmonic_mean, mean

Values = Sequence[float | None]


def base_to_new_csv(
    lines: Sequence[Line],
    seeds: Sequence[int],
    scores: Scores,
    columns: Sequence[str] = ("base", "new"),
) -> str:
    """Return the table as text: base_acc, new_acc and H of each seed, then of the means.

    A row with a missing run has empty fields where a number is missing and in the means; the row
    `average` is over the complete rows alone, and empty if there is none.
    """
    rounded = {place: round(value, 1) for place, value in scores.items()}
    names = [f"{name}_seed{seed}" for seed in seeds for name in ("base_acc", "new_acc", "H")]
    body: dict[str, Values] = {}
    for line in lines:
        if line.average:
            whole = complete(line.members, columns, seeds, rounded)
            average = _column_means([body[row] for row in whole], 3 * len(seeds) + 3)
            body[line.name] = [*average[:-1], _harmonic(average[-3], average[-2])]
        else:
            body[line.name] = _base_to_new_row(line.name, seeds, rounded)
    return _text(["dataset", *names, "base_acc", "new_acc", "H"], body)


def accuracy_csv(lines: Sequence[Line], column: str, seeds: Sequence[int], scores: Scores) -> str:
    """Return the table of one accuracy per row: acc of each seed, then their mean. Averages are
    over the complete rows alone. Rows `dataset/task` get a column `task`."""
    tasks = any("/" in line.name for line in lines)
    decimals = 2 if tasks else 1
    rounded = {place: round(value, decimals) for place, value in scores.items()}
    body: dict[str, Values] = {}
    for line in lines:
        if line.average:
            whole = complete(line.members, [column], seeds, rounded)
            body[line.name] = _column_means([body[row] for row in whole], len(seeds) + 1)
        else:
            values = [rounded.get((line.name, column, seed)) for seed in seeds]
            body[line.name] = [*values, _mean(values)]
    names = [*(f"acc_seed{seed}" for seed in seeds), "acc"]
    return _text(["dataset", *(["task"] if tasks else []), *names], body, names=2 if tasks else 1)


def shots_csv(
    lines: Sequence[Line], columns: Sequence[str], seeds: Sequence[int], scores: Scores
) -> str:
    """Return the table of means over seeds with a column for each number of shots."""
    rounded = {place: round(value, 1) for place, value in scores.items()}
    body: dict[str, Values] = {}
    for line in lines:
        if line.average:
            whole = complete(line.members, columns, seeds, rounded)
            body[line.name] = _column_means([body[row] for row in whole], len(columns))
        else:
            body[line.name] = [
                _mean([rounded.get((line.name, column, seed)) for seed in seeds])
                for column in columns
            ]
    return _text(["dataset", *(f"shots{column.split()[0]}" for column in columns)], body)


def quoted(word: str) -> str:
    """Return a field of a CSV file."""
    return '"' + word.replace('"', '""') + '"' if "," in word or '"' in word else word


def _base_to_new_row(row: str, seeds: Sequence[int], scores: Scores) -> Values:
    bases = [scores.get((row, "base", seed)) for seed in seeds]
    news = [scores.get((row, "new", seed)) for seed in seeds]
    values: list[float | None] = []
    for base, new in zip(bases, news, strict=True):
        values += [base, new, _harmonic(base, new)]
    base_mean, new_mean = _mean(bases), _mean(news)
    return [*values, base_mean, new_mean, _harmonic(base_mean, new_mean)]


def _column_means(rows: Sequence[Values], width: int) -> Values:
    return [_mean([row[place] for row in rows]) for place in range(width)]


def _mean(values: Values) -> float | None:
    """The mean, or nothing where one is missing."""
    found = [value for value in values if value is not None]
    return mean(found) if found and len(found) == len(values) else None


def _harmonic(base: float | None, new: float | None) -> float | None:
    return None if base is None or new is None else harmonic_mean(base, new)


def _text(header: Sequence[str], body: dict[str, Values], names: int = 1) -> str:
    """Return the file's text; the name of a row fills its first `names` fields."""
    lines = [",".join(header)]
    for name, values in body.items():
        words = name.split("/", names - 1)
        words += [""] * (names - len(words))
        lines.append(",".join([*map(quoted, words), *map(_field, values)]))
    return "\n".join(lines) + "\n"


def _field(value: float | None) -> str:
    """Two decimals at most, as numpy rounds and pandas prints: 73.6, not 73.60."""
    return "" if value is None else repr(round(value * 100) / 100)
