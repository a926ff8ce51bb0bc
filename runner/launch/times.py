"""What runs have cost so far: `times.json` of an output folder, which --fresh leaves alone.

    {"MaPLe dtd train": {"seconds": 71.2, "peak_memory_mb": 2210.4, "device": "NVIDIA H200"}}

Of several runs the dearest counts: one that was resumed took only the rest of its time. A run on
another device replaces what was known.
"""

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from runner.errors import UserError
from runner.files.records import number, read_record
from runner.files.writing import atomic_write

FILE = "times.json"
INTERVAL = 2.0  # seconds between two writings: hundreds of short jobs must not wait for the disk


@dataclass(frozen=True)
class _Cost:
    """What a run has cost; None: not known, or not of a GPU."""

    seconds: float | None
    peak_memory_mb: float | None
    device: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "_Cost":
        """Read what a file says."""
        device = str(record.get("device") or "")
        peak = None if device.startswith("cpu") else number(record.get("peak_memory_mb"))
        return cls(number(record.get("seconds")), peak, device)

    def and_before(self, old: "_Cost | None") -> "_Cost":
        """Return the dearest of both, if they are of one device."""
        if old is None or old.device != self.device:
            return self
        seconds = _largest([self.seconds, old.seconds])
        return _Cost(seconds, _largest([self.peak_memory_mb, old.peak_memory_mb]), self.device)


class Times:
    """The records of one output folder, by trainer, dataset and kind (train or test), which are
    read from a run's command line."""

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which need not be there."""
        self._path = path
        self._costs = _read(path)
        self._new: dict[str, _Cost] = {}
        self._written = 0.0

    def seconds(self, argv: Sequence[str]) -> float | None:
        """Return how long a run will take: as its like has taken, else as the mean of those of the
        same dataset and kind, else of the same kind; None if nothing is known."""
        key = _key(argv)
        _, dataset, kind = key.split(" ")
        for alike in (self._of(key), self._of("", f" {dataset} {kind}"), self._of("", f" {kind}")):
            known = [each.seconds for each in alike if each.seconds is not None]
            if known:
                return fmean(known)
        return None

    def memory(self, argv: Sequence[str]) -> float | None:
        """Return the most MiB of a GPU that a run will take: as its like has taken, else as the
        largest of the same trainer; None if nothing is known."""
        key = _key(argv)
        own = self._costs.get(key)
        if own and own.peak_memory_mb is not None:
            return own.peak_memory_mb
        alike = self._of(f"{key.split(' ')[0]} ")
        return _largest(each.peak_memory_mb for each in alike)

    def learn(self, argv: Sequence[str], folder: Path, seconds: float | None = None) -> None:
        """Take in what a run that has left its result has cost.

        Args:
            folder: its output folder.
            seconds: how long it took, where its result does not say so.
        """
        content = read_record(folder)
        told = content.get("seconds")
        parts = [number(part) for part in told.values()] if isinstance(told, dict) else []
        known = [part for part in parts if part is not None]
        cost = _Cost.of({**content, "seconds": round(sum(known), 3) if known else seconds})
        key = _key(argv)
        self._new[key] = cost.and_before(self._new.get(key))
        self._costs[key] = cost.and_before(self._costs.get(key))
        if time.monotonic() - self._written >= INTERVAL:
            self.save()

    def save(self) -> None:
        """Write what is new to the file, beside what other runners have written meanwhile. A file
        that cannot be written is said once, and spoils nothing."""
        if not self._new or self._written == math.inf:
            return
        self._written = time.monotonic()
        costs = _read(self._path)
        costs |= {key: cost.and_before(costs.get(key)) for key, cost in self._new.items()}
        content = {key: asdict(cost) for key, cost in costs.items()}
        try:
            atomic_write(self._path, json.dumps(content, indent=1, sort_keys=True) + "\n")
            self._new.clear()
        except UserError as error:
            print(f"{error}; the order of later runs will not know it", file=sys.stderr)
            self._written = math.inf

    def _of(self, begin: str, end: str = "") -> list[_Cost]:
        return [
            cost for key, cost in self._costs.items() if key.startswith(begin) and key.endswith(end)
        ]


def _read(path: Path) -> dict[str, _Cost]:
    """Return what the file says, nothing if it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {
        key: _Cost.of(record)
        for key, record in (content.items() if isinstance(content, dict) else ())
        if isinstance(record, dict) and key.count(" ") == 2
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _key(argv: Sequence[str]) -> str:
    """`<trainer> <dataset> <kind>`."""
    dataset = Path(_after(argv, "--dataset-config-file")).stem
    kind = "test" if "--eval-only" in argv else "train"
    return " ".join(word.replace(" ", "_") for word in (_after(argv, "--trainer"), dataset, kind))


def _after(argv: Sequence[str], flag: str) -> str:
    return argv[argv.index(flag) + 1] if flag in argv[:-1] else ""
