"""`python -m runner tally DIR`: the tables of a folder of runs, whoever laid it out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from runner.errors import UserError
from runner.files.writing import atomic_write, shown
from runner.results.groups import make_tables, rows_of
from runner.results.schema import DONE
from runner.results.table import load_runs
from runner.results.tables import Table
from runner.show.published_csv import ranking_csv, table_csv
from runner.show.text import legend, render

DEFAULT_OUT = Path("results/tally")


def run(args: argparse.Namespace) -> int:
    """Print the tables and write the files.

    Raises:
        UserError: no run, no result, or tables of several modes for one file; one line.
    """
    folder = Path(args.directory).expanduser()
    runs = load_runs(folder, mode=args.mode, settings=False)
    tables = make_tables(runs, args.mode)
    measured = [table for table in tables if table.behind]
    if args.mode and not measured:
        counts = runs["state"].str.cat(runs["mode"].replace("", "no mode"), " of ").value_counts()
        found = ", ".join(f"{number} {what}" for what, number in counts.items())
        raise UserError(f"{folder}: no run of mode {args.mode} with a result; there are {found}")
    require_result(runs, str(folder))
    files = _files(args, folder, measured, runs)
    for table in tables:
        lines = [f"{table.mode.name}: {table.label}: no result"]
        lines += [f"not there: {line}" for line in table.absent]
        print(render([table]) if table in measured else "\n".join(lines), end="\n\n")
    if measured:
        print(f"{legend(measured, alone=True)}\n")
    for row in rows_of(runs[runs["mode"] == ""]):
        value = f"{row['accuracy']:.2f}" if row["state"] == DONE else f"none, {row['reason']}"
        what = f"{row['trainer']} {row['dataset']} seed{row['seed']}, {row['subset']} classes"
        place = shown(Path(row["folder"]))
        print(f"in no table, by hand: {what}: accuracy {value} ({place})")
    for path, text in files:
        atomic_write(path, text)
        print(f"table:   {shown(path)}")
    return 0


def require_result(runs: pd.DataFrame, where: str) -> None:
    """Refuse a table without any result.

    Raises:
        UserError: what the runs are instead; one line.
    """
    if not (runs["state"] == DONE).any():
        counts = runs["state"].value_counts(sort=False)
        states = ", ".join(f"{number} {state}" for state, number in counts.items())
        first = runs.iloc[0]
        raise UserError(
            f"{where}: no run with a result; {states}, the first: {first.reason} "
            f"({shown(Path(first.folder))})"
        )


def _files(
    args: argparse.Namespace, folder: Path, tables: Sequence[Table], runs: pd.DataFrame
) -> list[tuple[Path, str]]:
    """Return what to write where."""
    out = Path(args.out).expanduser() if args.out else DEFAULT_OUT / folder.resolve().name
    alone = bool(args.out) and out.suffix == ".csv"
    if alone:
        modes = dict.fromkeys(table.mode.name for table in tables)
        if len(modes) != 1:
            found = ", ".join(modes) or "none"
            raise UserError(
                f"--out {args.out}: one file, but tables of {len(modes)} modes: {found}; give a "
                "folder, or narrow by --mode or a DIR further down"
            )
        files = [(out, table_csv(tables[0]) if len(tables) == 1 else ranking_csv(tables))]
    else:
        several = len({table.experiment for table in tables}) > 1
        files = [
            (out / (table.experiment if several else "") / table.csv, table_csv(table))
            for table in tables
        ]
    if args.long or not alone:
        place = Path(args.long).expanduser() if args.long else out / "runs.csv"
        files.append((place, runs.to_csv(index=False, lineterminator="\n")))
    return files
