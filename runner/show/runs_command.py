"""`python -m runner runs DIR... -o FILE`: the table of runs, for a notebook or a spreadsheet."""

import argparse
import importlib.util
import io
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import atomic_write, shown
from runner.results.table import load_runs


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

    runs = load_runs(*args.folders)
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        runs.to_csv(buffer, index=False, lineterminator="\n")
    else:
        runs.to_parquet(buffer)
    atomic_write(out, buffer.getvalue())
    print(f"table:   {shown(out)}, {len(runs)} rows")
    return 0
