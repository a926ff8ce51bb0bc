"""`python -m runner COMMAND`: what is done with the folders that runs have left."""

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from runner.errors import exit_code
from runner.plan.modes import TALLIED

EPILOG = """examples:
  python -m runner status outputs
  python -m runner tally outputs/maple_dept
  python -m runner tally output --mode b2n --out results/b2n.csv --long results/runs.csv
  python -m runner report outputs/coop outputs/coop_dept --out results/coop.html --baseline coop
  python -m runner report outputs --latex results/tables.tex --markdown results/tables.md
  python -m runner runs outputs -o runs.parquet
  python -m runner explain maple_dept/dtd/new outputs
  python -m runner cache --limit 50G
  python -m runner cache /scratch/promptlab --empty
  python -m runner explain coop/eurosat/accuracy/shots4 outputs/coop
"""
HEIGHT = "folder of runs, at any height"
FOLDERS: dict[str, Any] = {"nargs": "+", "metavar": "DIR", "help": "folders of runs, at any height"}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; `runner/show/<command>_command.py` holds what each command does."""
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Tables, reports and the state of runs, read from the folders they left.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    each = commands.add_parser("tally", help="tables and CSV files of a folder of runs")
    each.description = (
        "Tables of a folder of runs: this runner's, the published one's or the shell scripts'. One "
        "CSV for each mode, trainer, YAML and number of shots."
    )
    each.add_argument("directory", metavar="DIR", help=HEIGHT)
    each.add_argument("--mode", choices=TALLIED, default="", help="default: all that are found")
    each.add_argument(
        "--out",
        default="",
        help="folder that takes the CSV files, or a name in .csv for a single one; of several "
        "tables of a mode that has a row for each (default: results/tally/<name of DIR>)",
    )
    every = "CSV of all runs (default: runs.csv beside the other files)"
    each.add_argument("--long", default="", help=every)
    each = commands.add_parser("status", help="how far the runs in a folder are")
    each.description = (
        "Runs done, running, failed and missing, what runs where, the accuracy so far. Reads files "
        "alone, and may be asked while a runner is at work."
    )
    each.add_argument("directory", metavar="DIR", help=HEIGHT)
    _add_report(commands.add_parser("report", help="one HTML page, beside published figures"))
    each = commands.add_parser("runs", help="the table of runs as CSV or Parquet")
    each.description = "A row for every run and task, with all that is known of it."
    each.add_argument("folders", **FOLDERS)
    out = "name in .csv or .parquet (default: %(default)s)"
    each.add_argument("-o", "--out", default="runs.csv", help=out)
    each = commands.add_parser("explain", help="the runs and the provenance behind a number")
    each.description = "The runs behind a cell of a table, and in what their provenance differs."
    cell = (
        "EXPERIMENT/ROW/COLUMN, with /shots<K> where several numbers of shots are there; a row is "
        "a dataset, task or average, a column base, new, H or accuracy"
    )
    each.add_argument("cell", metavar="CELL", help=cell)
    each.add_argument("folders", **FOLDERS)
    _add_cache(commands.add_parser("cache", help="the test images and features kept for runs"))
    for name, command in commands.choices.items():
        examples = [line for line in EPILOG.splitlines() if f"runner {name} " in line]
        command.epilog = "\n".join(["examples:", *examples])
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Tables per protocol, pictures, cost, published figures, provenance and failed runs of "
        "folders of runs, as one HTML page that loads nothing."
    )
    parser.add_argument("folders", **FOLDERS)
    page = "the page (default: %(default)s)"
    parser.add_argument("--out", default="results/report.html", help=page)
    parser.add_argument("--latex", default="", metavar="FILE", help="the tables, booktabs")
    parser.add_argument("--markdown", default="", metavar="FILE", help="the tables, pipes")
    parser.add_argument(
        "--baseline",
        default="",
        metavar="METHOD",
        help="what the bars of differences stand against: an experiment or trainer (default: for "
        "a DePT variant its plain method)",
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The store of decoded test images and image features that all runs share, the latest used "
        "first."
    )
    where = "folder that runs got as --cache (default: $PROMPTLAB_CACHE, else ~/.cache/promptlab)"
    parser.add_argument("directory", nargs="?", default="", metavar="DIR", help=where)
    parser.add_argument("--empty", action="store_true", help="remove everything from it")
    size = "what it may take, as 50G or 800M; the least recently used goes first"
    parser.add_argument("--limit", default="", metavar="SIZE", help=size)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code, 2 for a mistake of the user."""
    args = build_parser().parse_args(argv)
    gc.set_threshold(100_000)  # a table of many runs is no garbage

    def run() -> int:
        return int(importlib.import_module(f"runner.show.{args.command}_command").run(args))

    return exit_code(run, debug=args.debug)


if __name__ == "__main__":
    sys.exit(main())
