"""`python -m runner runs DIR... -o FILE`: the table of runs, for a notebook or a spreadsheet."""

import argparse
import importlib.util
import io
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import atomic_write, shown

EPILOG = """examples:
  python -m runner runs outputs -o runs.csv
  python -m runner runs outputs/coop outputs/maple -o runs.parquet
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the words of `runs`."""
    parser = commands.add_parser(
        "runs",
        help="the table of runs as CSV or Parquet",
        description="A row for every run and task, with all that is known of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders of runs, at any height")
    parser.add_argument(
        "-o", "--out", default="runs.csv", help="name in .csv or .parquet (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the table.

    Raises:
        UserError: another ending, Parquet without pyarrow, or no run; one line.
    """
    out = Path(args.out).expanduser()
    if out.suffix not in (".csv", ".parquet"):
        raise UserError(f"--out {args.out}: must end in .csv or .parquet")
    if out.suffix == ".parquet" and not importlib.util.find_spec("pyarrow"):
        raise UserError(f"--out {args.out}: Parquet needs pyarrow (pip install pyarrow); or .csv")
    from runner.results.table import load_runs

    unreadable: list[Path] = []
    runs = load_runs(*args.folders, unreadable=unreadable)
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        runs.to_csv(buffer, index=False, lineterminator="\n")
    else:
        runs.to_parquet(buffer)
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
    atomic_write(out, buffer.getvalue())
    print(f"table:   {shown(out)}, {len(runs)} rows")
    return 0
