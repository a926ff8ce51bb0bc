"""`python -m runner COMMAND`: what is done with the folders that runs have left."""

import argparse
import gc
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence

from runner.errors import UserError

COMMANDS = ("tally", "report", "status", "runs", "explain")
EPILOG = """examples:
  python -m runner tally outputs/maple_dept
  python -m runner tally output/base2new --out results/base2new
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser, to which each command's module adds its words by `add_parser`."""
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Tables, reports and the state of runs, read from the folders they left.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        if importlib.util.find_spec(_module(name)):
            importlib.import_module(_module(name)).add_parser(commands)
    return parser


def _module(command: str) -> str:
    return f"runner.show.{command}_command"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code, 2 for a mistake of the user."""
    args = build_parser().parse_args(argv)
    gc.set_threshold(100_000)  # a table of many runs is no garbage
    try:
        return int(importlib.import_module(_module(args.command)).run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as in `tally DIR | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UserError as error:
        if args.debug:
            traceback.print_exc()
        for line in error.problems:
            print(f"error: {line}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
