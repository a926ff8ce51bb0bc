"""The command `python -m datasets prepare`."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.checking.names import add_root, find_root, resolve
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.preparation import Options, Preparation
from datasets.preparing.sources import FOLDER

DESCRIPTION = """\
Makes the folders of datasets complete: downloads what has a public link and a checksum, unpacks it,
and writes what can be derived. Of the rest it says where to get it; once fetched, --from takes it.
What is there is left as it is, so a call that was stopped is simply repeated.
"""
EXAMPLES = """\
examples:
python -m datasets prepare caltech101 oxford_pets --root ~/data
python -m datasets prepare imagenet --root ~/data --from ~/Downloads
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `python -m datasets`."""
    parser = commands.add_parser(
        "prepare",
        help="download, unpack and arrange datasets",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="DATASET.NAME, or a file in configs/datasets"
    )
    add_root(parser)
    parser.add_argument(
        "--from",
        dest="given",
        default="",
        metavar="DIR",
        help="folder with archives and split files that you have fetched; they are only read",
    )
    parser.add_argument(
        "--make-split",
        action="store_true",
        help="make a split file of your own; numbers on it are not comparable with published ones",
    )
    parser.add_argument("--seed", type=int, help="of --make-split; 0 or more (default: 1)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepares the named datasets.

    Returns:
        0: all of them can be read.

    Raises:
        UserError: a bad option; or one line for each thing that is missing.
    """
    if args.seed is not None and not args.make_split:
        raise UserError("--seed is that of --make-split; give both or none")
    if args.seed is not None and args.seed < 0:
        raise UserError(f"--seed {args.seed}: use 0 or more")
    given = Path(args.given).expanduser().absolute() if args.given else None
    if given is not None and not given.is_dir():
        raise UserError(f"--from {given} is no folder; give the one with the fetched files")
    options = Options(
        find_root(args), given, args.make_split, 1 if args.seed is None else args.seed, args.dry_run
    )
    prepare(resolve(args.names), options, Catalogue.published())
    return 0


def prepare(names: Sequence[str], options: Options, catalogue: Catalogue) -> None:
    """Prepares datasets, each as far as it goes, and says what it does.

    Raises:
        UserError: one line for each thing that is missing.
    """
    problems = []
    for name in names:
        reader = DATASET_REGISTRY.get(name)
        if not getattr(reader, "dataset_dir", ""):
            problems += _prepare_own(name, options)
            continue
        problems += Preparation(reader, options, catalogue).run()
    archives = options.root / FOLDER
    if archives.is_dir() and not problems:
        print(f"{archives} holds the downloaded files; they are not needed any more")
    root = shlex.quote(str(options.root))
    print(f"check with: python -m datasets check --root {root} {' '.join(names)}", flush=True)
    if problems:
        raise UserError(problems)


def _prepare_own(name: str, options: Options) -> list[str]:
    """Makes the split file of a dataset whose folder is --root itself, if that is asked for; gives
    the problems."""
    reader = DATASET_REGISTRY.get(name)
    if not options.make_split:
        return [f"{name}: its folder is your own; nothing is published to prepare"]
    if not hasattr(reader, "make_split"):
        return [f"{name}: --make-split: it takes no split file; leave it out"]
    if options.dry_run:
        print(f"{name}: would do: a split file is made in {options.root}")
        return []
    try:
        print(f"{name}: {reader.make_split(options.root, options.seed)} is written")
    except UserError as error:
        return error.problems
    return []
