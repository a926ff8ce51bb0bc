"""The command `python -m datasets prepare`."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dassl.utils.errors import UserError
from datasets.parts.folders import below_root
from datasets.parts.names import Named, add_place, find_root, resolve
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.options import Options
from datasets.preparing.preparation import Preparation
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
        "names",
        nargs="+",
        metavar="NAME",
        help="DATASET.NAME, its YAML in configs/datasets or a suite",
    )
    add_place(parser)
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
    seed = 1 if args.seed is None else args.seed
    root = find_root(args)
    options = Options(root, given, args.make_split, seed, args.dry_run, args.folder)
    prepare(args.names, options, Catalogue.published())
    return 0


def prepare(names: Sequence[str], options: Options, catalogue: Catalogue) -> None:
    """Prepares datasets, each as far as it goes, and says what it does.

    Args:
        names: see `resolve`.

    Raises:
        UserError: a name is unknown; or one line for each thing that is missing.
    """
    found = resolve(names)
    problems = []
    for one in found:
        own = options
        if options.make_split and not _makes_split(one.reader):
            print(f"{one.label}: Notice: --make-split does not concern it: no split file to make")
            own = replace(options, make_split=False)
        if getattr(one.reader, "dataset_dir", ""):
            problems += Preparation(one.reader, own, catalogue).run()
        else:
            problems += _prepare_own(one, own)
    archives = options.root / FOLDER
    if archives.is_dir() and not problems:
        print(f"{archives} holds the downloaded files; they are not needed any more")
    words = ["--root", str(options.root), *(one.label for one in found)]
    if options.folder:
        words += ["--folder", options.folder]
    print(f"check with: python -m datasets check {shlex.join(words)}", flush=True)
    if problems:
        raise UserError(problems)


def _makes_split(reader: Any) -> bool:
    """Whether the option --make-split is for a dataset; what is drawn comes with its split file."""
    return hasattr(reader, "make_split") and not hasattr(reader, "make_folder")


def _prepare_own(named: Named, options: Options) -> list[str]:
    """Makes the split file of a dataset whose folder is the user's own, if that is asked for; gives
    the problems.
    """
    if not options.make_split:
        return [f"{named.label}: its folder is your own; nothing is published to prepare"]
    try:
        folder = options.root / below_root(options.folder or named.folder)
        if options.dry_run:
            print(f"{named.label}: would do: a split file is made in {folder}")
        else:
            file = named.reader.make_split(folder, options.seed)
            print(f"{named.label}: {file} is written")
    except UserError as error:
        return error.problems
    return []
