"""`python -m runner tally DIR`: the tables of a folder of runs, whoever laid it out."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import atomic_write, shown
from runner.results.collect import DONE, Run, collect
from runner.results.groups import TALLIED, Table, make_tables
from runner.show.long_csv import long_csv
from runner.show.tally_text import legend, render

DEFAULT_OUT = Path("results/tally")
LONG = "runs.csv"
EPILOG = """examples:
  python -m runner tally outputs/maple_dept
  python -m runner tally output --mode b2n --out results/b2n.csv --long results/runs.csv
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the words of `tally`."""
    parser = commands.add_parser(
        "tally",
        help="tables and CSV files of a folder of runs",
        description="Tables of a folder of runs: this runner's, the published one's or the shell "
        "scripts'. One CSV for each mode, trainer, YAML and number of shots.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of runs, at any height")
    parser.add_argument("--mode", choices=TALLIED, default="", help="default: all that are found")
    parser.add_argument(
        "--out",
        default="",
        help="folder that takes the CSV files, or, for a single table, a name in .csv "
        f"(default: {DEFAULT_OUT}/<name of DIR>)",
    )
    parser.add_argument(
        "--long", default="", help=f"CSV of all runs (default: {LONG} beside the other files)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables and write the files.

    Raises:
        UserError: no run, no result, or more tables than --out can take; one line.
    """
    folder = Path(args.directory).expanduser()
    unreadable: list[Path] = []
    runs = collect(folder, unreadable=unreadable)
    tables = make_tables(runs, args.mode)
    if args.mode and not tables:
        raise UserError(f"{folder}: no run of mode {args.mode}; there are {_counted(runs)}")
    if not any(each.state == DONE for each in runs):
        raise UserError(f"{folder}: no run with a result; {_states(runs)}")
    measured = [table for table in tables if table.found.scores]
    if args.mode and not measured:
        lines = "; ".join(line for table in tables for line in table.absent[:1])
        raise UserError(f"{folder}: no run of mode {args.mode} with a result; {lines}")
    files = _files(args, folder, measured, runs)
    for table in tables:
        print(f"{render(table)}\n" if table in measured else _without_result(table))
    if measured:
        print(f"{legend(measured)}\n")
    for each in runs:
        if not each.mode:
            print(_by_hand(each))
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
    for path, text in files:
        atomic_write(path, text)
        print(f"table:   {shown(path)}")
    return 0


def _files(
    args: argparse.Namespace, folder: Path, tables: Sequence[Table], runs: Sequence[Run]
) -> list[tuple[Path, str]]:
    """Return what to write where."""
    out = Path(args.out).expanduser() if args.out else DEFAULT_OUT / folder.resolve().name
    long = Path(args.long).expanduser() if args.long else None
    if args.out and out.suffix == ".csv":
        if len(tables) != 1:
            named = ", ".join(f"{table.csv} of {table.experiment}" for table in tables) or "none"
            raise UserError(
                f"--out {args.out}: one file, but {len(tables)} tables: {named}; give a folder, or "
                "narrow by --mode or a DIR further down"
            )
        files = [(out, tables[0].text)]
    else:
        several = len({table.experiment for table in tables}) > 1
        files = [
            (out / (table.experiment if several else "") / table.csv, table.text)
            for table in tables
        ]
        long = long or out / LONG
    return [*files, (long, long_csv(runs))] if long else files


def _counted(runs: Sequence[Run]) -> str:
    modes = Counter(each.mode or "no mode (by hand)" for each in runs)
    return ", ".join(f"{number} of {mode}" for mode, number in modes.items())


def _states(runs: Sequence[Run]) -> str:
    states = Counter(each.state for each in runs)
    counted = ", ".join(f"{number} {state}" for state, number in states.items())
    return f"{counted}, the first: {runs[0].reason} ({shown(runs[0].folder)})"


def _without_result(table: Table) -> str:
    lines = [f"{table.study.mode.name}: {table.study.label}: no result"]
    return "\n".join([*lines, *(f"not there: {line}" for line in table.absent), ""])


def _by_hand(each: Run) -> str:
    value = f"{each.accuracy:.2f}" if each.accuracy is not None else f"none, {each.reason}"
    what = f"{each.trainer} {each.dataset} seed{each.seed}, {each.subset} classes"
    return f"in no table, by hand: {what}: accuracy {value} ({shown(each.folder)})"
