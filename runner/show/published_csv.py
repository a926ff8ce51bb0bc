"""The CSV files, in the published columns and rounding, for any number of seeds.

Source of the layout: Koorye/DePT, utils/result_parser.py (printed by pandas), which knows
base-to-new and cross-dataset. Each accuracy is rounded to one decimal first, as the log lines were
that the published tally reads. The tables by shots and by task are ours; logs of runs over several
tasks have two decimals.

A row with a missing run, or with an odd one (`Table.odd`), has empty fields where a number is
missing and in the means; averages are over the complete rows alone, and empty if there is none.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from runner.results.ranking import ranked, ranking_columns
from runner.results.tables import Table, Values, harmonic_mean, left_to_right_mean


def table_csv(table: Table) -> str:
    """Return a table in the layout of its mode."""
    if table.mode.base_to_new:
        return base_to_new_csv(table)
    if len(table.columns) == 1 and not table.columns[0].endswith(("shot", "shots")):
        return accuracy_csv(table, table.columns[0])
    return shots_csv(table)


def base_to_new_csv(table: Table) -> str:
    """Return the table as text: base_acc, new_acc and H of each seed, then of the means."""
    rounded = _rounded(table, 1)
    blank = np.full(rounded[:, 0].shape, np.nan)
    found = {column: rounded[:, place] for place, column in enumerate(table.columns)}
    base, new = found.get("base", blank), found.get("new", blank)
    means = [_over_seeds(table, each, name) for name, each in (("base", base), ("new", new))]
    by_seed = np.stack([base, new, harmonic_mean(base, new)], axis=2).reshape(len(base), -1)
    both = harmonic_mean(*means)
    both[[(line.name, "H") in table.odd for line in table.lines]] = np.nan
    body = table.with_averages(np.column_stack([by_seed, *means, both]))
    for place, line in enumerate(table.lines):
        if line.average:
            body[place, -1] = harmonic_mean(body[place, -3], body[place, -2])
    names = [f"{name}_seed{s}" for s in table.seeds for name in ("base_acc", "new_acc", "H")]
    return _text(table, body, [*names, "base_acc", "new_acc", "H"])


def accuracy_csv(table: Table, column: str) -> str:
    """Return the table of one accuracy per row: acc of each seed, then their mean. Rows
    `dataset/task` get a column `task`."""
    tasks = any("/" in line.name for line in table.lines)
    if table.columns != (column,):
        table = table.only(column)
    values = _rounded(table, 2 if tasks else 1)[:, 0]
    body = table.with_averages(np.column_stack([values, _over_seeds(table, values, column)]))
    return _text(table, body, [*(f"acc_seed{seed}" for seed in table.seeds), "acc"], tasks=tasks)


def shots_csv(table: Table) -> str:
    """Return the table of means over seeds with a column for each number of shots."""
    rounded = _rounded(table, 1)
    means = [_over_seeds(table, rounded[:, n], name) for n, name in enumerate(table.columns)]
    body = table.with_averages(np.column_stack(means))
    return _text(table, body, [f"shots{column.split()[0]}" for column in table.columns])


def ranking_csv(tables: Sequence[Table]) -> str:
    """Return a row for each of several tables, the best first: means of what stands for a whole
    experiment, two decimals."""
    columns = ranking_columns(tables)
    rows = [
        [table.label, *(mean_text(table, line.name, measure) for _, line, measure in columns)]
        for table in ranked(tables)
    ]
    frame = pd.DataFrame(rows, columns=["experiment", *(heading for heading, _, _ in columns)])
    return frame.to_csv(index=False, lineterminator="\n")


def mean_text(table: Table, line: str, measure: str) -> str:
    """Return a mean with two decimals, nothing where there is none."""
    cell = table.cells.get((line, measure))
    return f"{cell.mean:.2f}" if cell else ""


def _rounded(table: Table, decimals: int) -> Values:
    """Values by Python's rounding of decimals: numpy's goes wrong by one in some last digits."""
    flat = [round(value, decimals) for value in table.values.ravel().tolist()]
    return np.array(flat).reshape(table.values.shape)


def _over_seeds(table: Table, values: Values, column: str) -> Values:
    means = left_to_right_mean(values, axis=1)
    means[[(line.name, column) in table.odd for line in table.lines]] = np.nan
    return means


def _text(table: Table, body: Values, names: Sequence[str], *, tasks: bool = False) -> str:
    """Return the file: two decimals at most, 73.6 and not 73.60."""
    frame = pd.DataFrame(np.rint(body * 100) / 100, columns=list(names))
    words = [line.name.partition("/") for line in table.lines]
    frame.insert(0, "dataset", [w[0] for w in words] if tasks else [x.name for x in table.lines])
    if tasks:
        frame.insert(1, "task", [w[2] for w in words])
    return frame.to_csv(index=False, lineterminator="\n")
