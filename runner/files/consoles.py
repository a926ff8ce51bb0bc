"""The console file of a run, which takes all that it prints: where it lies, what it says of where
and since when the run is at work, and whether its lock is held."""

import contextlib
import fcntl
import re
import shlex
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from runner.files.records import STARTED

_HEAD = re.compile(rf"{re.escape(STARTED)}(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)(?:, (.*))?")


def console_file(root: Path, below: Sequence[str]) -> Path:
    """Return the console file of the run whose folder lies at the parts `below` of `root`."""
    return root / "console" / f"{'-'.join(below)}.txt"


def heading(argv: Sequence[str], place: str) -> bytes:
    """Return the lines that head each run in its console file."""
    return f"$ {shlex.join(argv)}\n{STARTED}{time.strftime('%F %T')}, {place}\n".encode()


def lock(console: BinaryIO) -> bool:
    """Lock an open console file for this process and all that inherit it, until the last of them
    has ended; return False if others hold it. A file system without locks is taken for free."""
    try:
        fcntl.flock(console, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def in_use(console: Path) -> bool:
    """Return whether a process still holds the console file of a run."""
    try:
        with console.open("rb") as file:
            return not lock(file)
    except OSError:  # no such file
        return False


class Start(NamedTuple):
    """When a run has started, in seconds of the clock, and where: `GPU 0`."""

    time: float
    place: str


def last_start(console: Path) -> Start | None:
    """Return the start of the last run in a console file, None if there is none."""
    found = None
    with contextlib.suppress(OSError, ValueError), console.open(errors="replace") as file:
        for line in file:
            found = _HEAD.match(line) or found
        if found:
            began = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").timestamp()
            return Start(began, (found[2] or "").strip())
    return None
