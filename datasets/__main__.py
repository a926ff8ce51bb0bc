"""Lists, checks and prepares datasets.

python -m datasets list
python -m datasets check --root ~/data OxfordPets EuroSAT
"""

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.checking.names import add_root, find_root

EXIT_USER_MISTAKE, EXIT_INTERRUPTED = 2, 130
COMMANDS = ("datasets.checking.listing", "datasets.checking.command", "datasets.preparing.command")


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
    for name in COMMANDS:
        if _is_there(name):
            importlib.import_module(name).add_parser(commands)
    split = commands.add_parser("make-split", help="cut class folders into train, val and test")
    split.add_argument("dataset", choices=sorted(makers()), help="DATASET.NAME of the dataset")
    add_root(split)
    split.add_argument("--seed", type=int, default=1, help="of the shuffle; 0 or more (default: 1)")
    split.set_defaults(run=make_split)
    return parser


def makers() -> dict[str, type]:
    """The datasets that can make a split, by name."""
    found = {name: DATASET_REGISTRY.get(name) for name in DATASET_REGISTRY.registered_names()}
    return {name: reader for name, reader in found.items() if hasattr(reader, "make_split")}


def make_split(args: argparse.Namespace) -> int:
    """Makes the split file of a dataset for which none is published."""
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: use 0 or more")
    file = makers()[args.dataset].make_split(find_root(args), args.seed)
    print(f"{file} is written; numbers of another split are not comparable with its")
    return 0


def _is_there(module: str) -> bool:
    package = module.rpartition(".")[0]
    return bool(importlib.util.find_spec(package) and importlib.util.find_spec(module))


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
