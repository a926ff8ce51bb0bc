"""Makes the split file of a dataset for which none is published.

python -m datasets make-split PlantVillage --root ~/data
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import datasets  # noqa: F401  (registers the readers)
from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError

EXIT_USER_MISTAKE = 2


def makers() -> dict[str, type]:
    """The datasets that can make a split, by name."""
    found = {name: DATASET_REGISTRY.get(name) for name in DATASET_REGISTRY.registered_names()}
    return {name: reader for name, reader in found.items() if hasattr(reader, "make_split")}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, example = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m datasets",
        description=summary,
        epilog="example:\n" + example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    split = commands.add_parser("make-split", help="cut class folders into train, val and test")
    split.add_argument("dataset", choices=sorted(makers()), help="DATASET.NAME of the dataset")
    split.add_argument("--root", default="", help="folder of the datasets (default: $DATA)")
    split.add_argument("--seed", type=int, default=1, help="of the shuffle; 0 or more (default: 1)")
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 a mistake of the user."""
    args = build_parser().parse_args(argv)
    root = args.root or os.environ.get("DATA", "")
    try:
        if not root:
            raise UserError("no data folder: give --root or set the environment variable DATA")
        if args.seed < 0:
            raise UserError(f"--seed {args.seed}: use 0 or more")
        file = makers()[args.dataset].make_split(Path(root).expanduser().absolute(), args.seed)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_MISTAKE
    print(f"{file} is written; numbers of another split are not comparable with its")
    return 0


if __name__ == "__main__":
    sys.exit(run())
