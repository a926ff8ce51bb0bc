"""`python -m runner explain CELL DIR...`: what stands behind a number of a table."""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from runner.errors import UserError, did_you_mean
from runner.files.writing import shown
from runner.results.groups import make_tables
from runner.results.provenance import shared_and_own
from runner.results.table import load_runs
from runner.results.tables import Table


def run(args: argparse.Namespace) -> int:
    """Print the cells of that name.

    Raises:
        UserError: no such cell, or no run; one line.
    """
    cells: dict[str, list[tuple[Table, str, str]]] = {}
    for table in make_tables(load_runs(*args.folders)):
        for line, measure in itertools.product(table.lines, table.measures):
            for name in _names(table, line.name, measure):
                cells.setdefault(name, []).append((table, line.name, measure))
    if args.cell not in cells:
        raise UserError(f"{args.cell}: no such cell{did_you_mean(args.cell, cells)}")
    for cell in cells[args.cell]:
        print("\n".join(_explained(*cell)), end="\n\n")
    return 0


def _names(table: Table, line: str, measure: str) -> Iterator[str]:
    """Yield what a cell may be called: by the experiment or the trainer, with or without shots."""
    if measure.endswith((" shot", " shots")):  # of a table by shots, each column of which is one
        return
    for experiment in dict.fromkeys([table.experiment, table.trainer]):
        yield f"{experiment}/{line}/{measure}"
        yield f"{experiment}/{line}/{measure}/shots{table.members[0]['shots']}"


def _explained(table: Table, line: str, measure: str) -> list[str]:
    """Return the mean, what all runs behind it state alike, and each run with what it states
    otherwise."""
    members = next(each.members for each in table.lines if each.name == line)
    names = table.complete.get(line) or members or (line,)
    columns = (measure,) if measure in table.columns else table.columns
    rows = [row for name in names for c in columns for row in table.behind.get((name, c), ())]
    cell = table.cells.get((line, measure))
    number = f"{cell}, {cell.count} seeds" if cell else "no mean"
    lines = [f"{table.mode.name}: {table.label}: {line} {measure}: {number}"]
    lines += [f"  odd: {each}" for each in table.odd.get((line, measure), ())]
    shared, own = shared_and_own(rows)
    if not shared and not own:
        lines.append("  provenance: not stated by these runs, which are of an older version")
    lines += [f"  {name}: {value}" for name, value in shared.items()]
    for row in rows:
        which = f"{row['task'] or row['dataset']} {row['subset']} seed{row['seed']}"
        lines.append(f"  {which}: {row['accuracy']:.2f} ({shown(Path(row['folder']))})")
        lines += [f"    {name}: {row[name]}" for name in own if row[name] not in ("", None)]
    return lines
