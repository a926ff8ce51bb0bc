"""What a run's console file says of it: where and since when it runs, and who holds its lock."""

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.results import STARTED

_HEAD = re.compile(rf"{re.escape(STARTED)}(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)(?:, (.*))?")
_LOCK = re.compile(r"\d+: FLOCK +ADVISORY +WRITE +(\d+) +(\w+):(\w+):(\d+) ")


@dataclass(frozen=True)
class Start:
    """When a run has started, in seconds of the clock, and where: `GPU 0`."""

    time: float
    place: str


def last_start(console: Path) -> Start | None:
    """Return the start of the last run in a console file, None if there is none."""
    found = None
    with contextlib.suppress(OSError), console.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(STARTED):
                found = _HEAD.match(line) or found
    if found is None:
        return None
    try:
        began = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").timestamp()
    except ValueError:
        return None
    return Start(began, (found[2] or "").strip())


def lock_holder(console: Path) -> int | None:
    """Return the process that took the lock of a console file, None where that is not known: on
    another machine, on a system without /proc, or if it has ended (its child holds it on)."""
    with contextlib.suppress(OSError):
        status = console.stat()
        device = (os.major(status.st_dev), os.minor(status.st_dev))
        for line in Path("/proc/locks").read_text().splitlines():
            if not (found := _LOCK.match(line)):
                continue
            place = (int(found[2], 16), int(found[3], 16))
            number = int(found[1])
            if place == device and int(found[4]) == status.st_ino and _lives(number):
                return number
    return None


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
