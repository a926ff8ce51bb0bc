"""Lists, checks and prepares datasets.

python -m datasets list
python -m datasets check --root ~/data OxfordPets EuroSAT
python -m datasets prepare OxfordPets EuroSAT --root ~/data
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dassl.utils.errors import UserError
from datasets.checking import command as check
from datasets.checking import listing
from datasets.preparing import command as prepare

EXIT_USER_MISTAKE, EXIT_INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_MISTAKE, f"error: {message.removeprefix('argument ')}\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = Parser(
        prog="python -m datasets",
        description=summary,
        epilog="examples:\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (listing, check, prepare):
        module.add_parser(commands)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 a mistake of the user or, of
    check, something missing or wrong; 130 interrupted.
    """
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except (UserError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # of `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USER_MISTAKE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
