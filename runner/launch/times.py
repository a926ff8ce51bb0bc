"""How long runs have taken: `times.json` of an output folder, which --fresh leaves alone.

    {"MaPLe dtd train": {"seconds": 71.2}}

Of several runs the longest counts: one that was resumed took only the rest of its time.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from runner.errors import UserError
from runner.files.records import number, read_record
from runner.files.writing import atomic_write

FILE = "times.json"


class Times:
    """The records of one output folder, by trainer, dataset and kind (train or test), which are
    read from a run's command line."""

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which need not be there."""
        self._path = path
        self._seconds = _read(path)

    def seconds(self, argv: Sequence[str]) -> float | None:
        """Return how long a run will take: as its like has taken, else as the mean of those of the
        same dataset and kind, else of the same kind; None if nothing is known."""
        key = _key(argv)
        _, dataset, kind = key.split(" ")
        if key in self._seconds:
            return self._seconds[key]
        for end in (f" {dataset} {kind}", f" {kind}"):
            alike = [seconds for other, seconds in self._seconds.items() if other.endswith(end)]
            if alike:
                return fmean(alike)
        return None

    def learn(self, argv: Sequence[str], folder: Path, seconds: float | None = None) -> None:
        """Take in how long a run that has left its result has taken.

        Args:
            folder: its output folder.
            seconds: how long it took, where its result does not say so.
        """
        told = read_record(folder).get("seconds")
        parts = map(number, told.values()) if isinstance(told, dict) else ()
        taken = sum(part for part in parts if part is not None) or seconds
        if taken is None:
            return
        key = _key(argv)
        self._seconds[key] = max(round(taken, 3), self._seconds.get(key, 0.0))

    def save(self) -> None:
        """Write the file, with what other runners have written meanwhile. One that cannot be
        written is said, and spoils nothing."""
        if not self._seconds:
            return
        longest = _read(self._path)
        for key, seconds in self._seconds.items():
            longest[key] = max(seconds, longest.get(key, 0.0))
        content = {key: {"seconds": seconds} for key, seconds in longest.items()}
        try:
            atomic_write(self._path, json.dumps(content, indent=1, sort_keys=True) + "\n")
        except UserError as error:
            print(f"{error}; the order of later runs will not know it", file=sys.stderr)


def _read(path: Path) -> dict[str, float]:
    """Return what the file says, nothing if it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = {}
    for key, record in content.items() if isinstance(content, dict) else ():
        seconds = number(record.get("seconds")) if isinstance(record, dict) else None
        if seconds is not None and key.count(" ") == 2:
            found[key] = seconds
    return found


def _key(argv: Sequence[str]) -> str:
    """`<trainer> <dataset> <kind>`."""
    dataset = Path(_after(argv, "--dataset-config-file")).stem
    kind = "test" if "--eval-only" in argv else "train"
    return " ".join(word.replace(" ", "_") for word in (_after(argv, "--trainer"), dataset, kind))


def _after(argv: Sequence[str], flag: str) -> str:
    return argv[argv.index(flag) + 1] if flag in argv[:-1] else ""
