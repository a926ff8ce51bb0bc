"""`python -m runner cache [DIR]`: the store of test images and features that all runs share."""

import argparse
import re
import time
from pathlib import Path

from rich.filesize import decimal

from image_store.folder import Held, Store, default_folder
from runner.errors import UserError
from runner.files.writing import shown
from runner.output import duration

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT])B?", re.IGNORECASE)
_BYTES = {"M": 1000**2, "G": 1000**3, "T": 1000**4}


def run(args: argparse.Namespace) -> int:
    """Print what the store holds, set its limit or empty it.

    Raises:
        UserError: no such folder, no size, or the folder cannot be written; one line.
    """
    folder = Path(args.directory) if args.directory else default_folder()
    if args.directory and not folder.expanduser().is_dir():
        raise UserError(f"{args.directory}: no such folder")
    store = Store(folder)
    if args.limit:
        limit = read_size(args.limit)
        try:
            store.set_limit(limit)
        except OSError as error:
            raise UserError(f"cannot write {shown(store.root)}: {error.strerror}") from error
    before = store.entries()
    if args.empty:
        store.empty()
        _require_removed(before)
        print(f"{shown(store.root)}: {_sum(before)} removed")
        return 0
    for held in reversed(before):
        print(_line(held))
    print(f"{shown(store.root)}: {_sum(before)}, limit {decimal(store.limit)}")
    return 0


def read_size(text: str) -> int:
    """Bytes of a size such as 50G.

    Raises:
        UserError: it is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise UserError(f"--limit {text}: must be a size, as 50G or 800M")
    return int(float(found[1]) * _BYTES[found[2].upper()])


def _require_removed(entries: list[Held]) -> None:
    # A run at work may have made one of them anew.
    left = [held.path for held in entries if held.path.is_dir() and not held.is_renewed()]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise UserError(f"cannot remove {shown(left[0])}{more}; check the permissions")


def _line(held: Held) -> str:
    age = duration(max(0.0, time.time() - held.used))
    what = f"{held.about.get('rows', '?')} {held.about.get('what', held.kind)}"
    return f"{decimal(held.size):>8}  used {age} ago  {what}"


def _sum(entries: list[Held]) -> str:
    number = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    return f"{number}, {decimal(sum(held.size for held in entries))}"
