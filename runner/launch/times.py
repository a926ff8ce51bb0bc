"""What runs have cost so far: `times.json` of an output folder, which --fresh leaves alone.

    {"MaPLe dtd train": {"seconds": 71.2, "peak_memory_mb": 2210.4, "device": "NVIDIA H200",
                         "settings": {"<YAML> <options>": {"seconds": 71.2, ...}}}}

Of several runs the dearest counts: one that was resumed took only the rest of its time. A run on
another device replaces what was known.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from runner.errors import UserError
from runner.files.records import number, read_record
from runner.files.writing import atomic_write

FILE = "times.json"
INTERVAL = 2.0  # seconds between two writings: hundreds of short jobs must not wait for the disk
_CPU = "cpu"


class Times:
    """The records of one output folder.

    A run is asked for by its command line, of which trainer, dataset and kind count, and as far as
    there is a record of them the YAML and the options too.
    """

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which need not be there."""
        self._path = path
        self._records = _read(path)
        self._new: list[tuple[str, str, dict[str, Any]]] = []
        self._means: dict[str, float] | None = None
        self._written = 0.0
        self._warned = False

    def seconds(self, argv: Sequence[str]) -> float | None:
        """Return how long a run will take: as its like has taken, else as the mean of those of the
        same dataset and kind, else of the same kind; None if nothing is known."""
        record = self._record(argv)
        if (own := number(record.get("seconds"))) is not None:
            return own
        if self._means is None:
            self._means = self._mean_seconds()
        _, dataset, kind = _key(argv).split(" ")
        return self._means.get(f"{dataset} {kind}", self._means.get(kind))

    def memory(self, argv: Sequence[str]) -> float | None:
        """Return the most MiB of a GPU that a run will take: as its like has taken, else as the
        largest of the same trainer and kind, else of the same trainer; None if nothing is known."""
        record = self._record(argv)
        if (own := _gpu_memory(record)) is not None:
            return own
        trainer, _, kind = _key(argv).split(" ")
        for end in (f" {kind}", ""):
            found = [
                value
                for key, record in self._records.items()
                if key.startswith(f"{trainer} ") and key.endswith(end)
                if (value := _gpu_memory(record)) is not None
            ]
            if found:
                return max(found)
        return None

    def learn(self, argv: Sequence[str], folder: Path, seconds: float | None = None) -> None:
        """Take in what a run that has left its result has cost.

        Args:
            folder: its output folder.
            seconds: how long it took, where its result does not say so.
        """
        content = read_record(folder)
        told = content.get("seconds")
        parts = told.values() if isinstance(told, dict) else ()
        numbers = [value for part in parts if (value := number(part)) is not None]
        if numbers:
            seconds = sum(numbers)
        device = str(content.get("device") or "")
        record = {
            "seconds": None if seconds is None else round(seconds, 3),
            "peak_memory_mb": content.get("peak_memory_mb"),
            "device": _CPU if device.startswith(_CPU) else device,
        }
        entry = (_key(argv), _settings(argv), record)
        _merge(self._records, *entry)
        self._new.append(entry)
        self._means = None
        if time.monotonic() - self._written >= INTERVAL:
            self.save()

    def knows(self, argv: Sequence[str]) -> bool:
        """Whether there is a record of a run with these very settings."""
        return _settings(argv) in self._settings_of(argv)

    def save(self) -> None:
        """Write what is new to the file, beside what other runners have written meanwhile. A file
        that cannot be written is said once, and spoils nothing."""
        if not self._new:
            return
        self._written = time.monotonic()
        records = _read(self._path)
        for entry in self._new:
            _merge(records, *entry)
        try:
            atomic_write(self._path, json.dumps(records, indent=1, sort_keys=True) + "\n")
        except UserError as error:
            if not self._warned:
                print(f"{error}; the order of later runs will not know it", file=sys.stderr)
            self._warned = True
            return
        self._new.clear()

    def _record(self, argv: Sequence[str]) -> Mapping[str, Any]:
        exact = self._settings_of(argv).get(_settings(argv))
        return exact if isinstance(exact, dict) else self._records.get(_key(argv), {})

    def _settings_of(self, argv: Sequence[str]) -> Mapping[str, Any]:
        found = self._records.get(_key(argv), {}).get("settings")
        return found if isinstance(found, dict) else {}

    def _mean_seconds(self) -> dict[str, float]:
        """The mean by dataset and kind, and by kind."""
        values: dict[str, list[float]] = {}
        for key, record in self._records.items():
            seconds = number(record.get("seconds"))
            if seconds is not None and key.count(" ") == 2:
                _, dataset, kind = key.split(" ")
                values.setdefault(f"{dataset} {kind}", []).append(seconds)
                values.setdefault(kind, []).append(seconds)
        return {name: fmean(found) for name, found in values.items()}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return what the file says, nothing if it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {key: value for key, value in entries if isinstance(value, dict)}


def _merge(
    records: dict[str, dict[str, Any]], key: str, settings: str, new: Mapping[str, Any]
) -> None:
    record = records.setdefault(key, {})
    exact = record.get("settings")
    if not isinstance(exact, dict):
        exact = record["settings"] = {}
    old = exact.get(settings)
    exact[settings] = _dearer(old if isinstance(old, dict) else {}, new)
    record.update(_dearer(record, new))


def _dearer(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    names = ("seconds", "peak_memory_mb")
    known = old if old.get("device") == new["device"] else {}
    found = {
        name: [v for v in (number(known.get(name)), number(new.get(name))) if v is not None]
        for name in names
    }
    return {
        **{name: max(found[name], default=None) for name in names},
        "device": new["device"],
    }


def _gpu_memory(record: Mapping[str, Any]) -> float | None:
    return None if record.get("device") == _CPU else number(record.get("peak_memory_mb"))


def _key(argv: Sequence[str]) -> str:
    """`<trainer> <dataset> <kind>`."""
    dataset = Path(_after(argv, "--dataset-config-file")).stem
    kind = "test" if "--eval-only" in argv else "train"
    return " ".join(word.replace(" ", "_") for word in (_after(argv, "--trainer"), dataset, kind))


def _settings(argv: Sequence[str]) -> str:
    """The YAML and the options, which stand behind the job key."""
    words = list(argv)
    options = words[words.index("--job-key") + 2 :] if "--job-key" in words else []
    return " ".join([Path(_after(argv, "--config-file")).stem, *options])


def _after(argv: Sequence[str], flag: str) -> str:
    words: Iterator[str] = iter(argv)
    return next((next(words, "") for word in words if word == flag), "")
