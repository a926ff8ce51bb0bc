"""Lists, checks and prepares datasets.

python -m datasets list
python -m datasets check --root ~/data OxfordPets EuroSAT
python -m datasets prepare OxfordPets EuroSAT --root ~/data
"""

import argparse
import sys
from collections.abc import Sequence

import command_line
from dassl.utils.errors import UserError
from datasets.checking import command as check
from datasets.checking import listing
from datasets.preparing import command as prepare


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_line.Command(__doc__, prog="python -m datasets")
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (listing, check, prepare):
        module.add_parser(commands)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code, where 2 also stands for what check finds
    missing or wrong."""
    return command_line.run(_work, build_parser(), argv)


def _work(args: argparse.Namespace) -> int:
    try:
        return args.run(args)
    except BrokenPipeError:
        raise
    except OSError as error:  # of folders and links that are not this program's
        raise UserError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run())
