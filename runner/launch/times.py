"""What runs have cost so far: `times.json` of an output folder, which --fresh leaves alone.

    {"MaPLe dtd train": {"seconds": 71.2, "peak_memory_mb": 2210.4, "device": "NVIDIA H200",
                         "settings": {"<YAML> <options>": {"seconds": 71.2, ...}}}}

Of several runs the dearest counts: one that was resumed took only the rest of its time. A run on
another device replaces what was known.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from runner.errors import UserError
from runner.files.records import number, read_record
from runner.files.writing import atomic_write

FILE = "times.json"
INTERVAL = 2.0  # seconds between two writings: hundreds of short jobs must not wait for the disk
_CPU = "cpu"


@dataclass(frozen=True)
class _Cost:
    """What a run has cost; None: not known."""

    seconds: float | None
    peak_memory_mb: float | None
    device: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "_Cost":
        """Read what a file says."""
        device = str(record.get("device") or "")
        device = _CPU if device.startswith(_CPU) else device
        return cls(number(record.get("seconds")), number(record.get("peak_memory_mb")), device)

    @property
    def gpu_memory(self) -> float | None:
        return None if self.device == _CPU else self.peak_memory_mb

    def and_before(self, old: "_Cost | None") -> "_Cost":
        """Return the dearest of both, if they are of one device."""
        if old is None or old.device != self.device:
            return self
        seconds = _largest([self.seconds, old.seconds])
        return _Cost(seconds, _largest([self.peak_memory_mb, old.peak_memory_mb]), self.device)


_Costs = dict[str, dict[str, _Cost]]
"""By `<trainer> <dataset> <kind>`, then by settings, under "" for all settings together."""


class Times:
    """The records of one output folder.

    A run is asked for by its command line, of which trainer, dataset and kind count, and as far as
    there is a record of them the YAML and the options too.
    """

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which need not be there."""
        self._path = path
        self._costs = _read(path)
        self._new: list[tuple[str, str, _Cost]] = []
        self._means: dict[str, float] | None = None
        self._written = 0.0
        self._warned = False

    def seconds(self, argv: Sequence[str]) -> float | None:
        """Return how long a run will take: as its like has taken, else as the mean of those of the
        same dataset and kind, else of the same kind; None if nothing is known."""
        own = self._cost(argv)
        if own and own.seconds is not None:
            return own.seconds
        if self._means is None:
            self._means = self._mean_seconds()
        _, dataset, kind = _key(argv).split(" ")
        return self._means.get(f"{dataset} {kind}", self._means.get(kind))

    def memory(self, argv: Sequence[str]) -> float | None:
        """Return the most MiB of a GPU that a run will take: as its like has taken, else as the
        largest of the same trainer and kind, else of the same trainer; None if nothing is known."""
        own = self._cost(argv)
        if own and own.gpu_memory is not None:
            return own.gpu_memory
        trainer, _, kind = _key(argv).split(" ")
        alike = {
            key: each[""] for key, each in self._costs.items() if key.startswith(f"{trainer} ")
        }
        same_kind = _largest([alike[key].gpu_memory for key in alike if key.endswith(f" {kind}")])
        return same_kind or _largest([cost.gpu_memory for cost in alike.values()])

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
        seconds = sum(known) if known else seconds
        seconds = None if seconds is None else round(seconds, 3)
        cost = _Cost.of({**content, "seconds": seconds})
        entry = (_key(argv), _settings(argv), cost)
        _add(self._costs, *entry)
        self._new.append(entry)
        self._means = None
        if time.monotonic() - self._written >= INTERVAL:
            self.save()

    def knows(self, argv: Sequence[str]) -> bool:
        """Whether there is a record of a run with these very settings."""
        return _settings(argv) in self._costs.get(_key(argv), {})

    def save(self) -> None:
        """Write what is new to the file, beside what other runners have written meanwhile. A file
        that cannot be written is said once, and spoils nothing."""
        if not self._new:
            return
        self._written = time.monotonic()
        costs = _read(self._path)
        for entry in self._new:
            _add(costs, *entry)
        content = {
            key: {
                **asdict(found[""]),
                "settings": {name: asdict(cost) for name, cost in found.items() if name},
            }
            for key, found in costs.items()
        }
        try:
            atomic_write(self._path, json.dumps(content, indent=1, sort_keys=True) + "\n")
        except UserError as error:
            if not self._warned:
                print(f"{error}; the order of later runs will not know it", file=sys.stderr)
            self._warned = True
            return
        self._new.clear()

    def _cost(self, argv: Sequence[str]) -> _Cost | None:
        found = self._costs.get(_key(argv), {})
        return found.get(_settings(argv)) or found.get("")

    def _mean_seconds(self) -> dict[str, float]:
        """The mean by dataset and kind, and by kind."""
        values: dict[str, list[float]] = {}
        for key, found in self._costs.items():
            if (seconds := found[""].seconds) is not None:
                _, dataset, kind = key.split(" ")
                values.setdefault(f"{dataset} {kind}", []).append(seconds)
                values.setdefault(kind, []).append(seconds)
        return {name: fmean(each) for name, each in values.items()}


def _read(path: Path) -> _Costs:
    """Return what the file says, nothing if it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    costs: _Costs = {}
    for key, record in content.items() if isinstance(content, dict) else ():
        if isinstance(record, dict) and key.count(" ") == 2:
            settings = record.get("settings")
            more = settings.items() if isinstance(settings, dict) else ()
            costs[key] = {
                name: _Cost.of(each)
                for name, each in [("", record), *more]
                if isinstance(each, dict)
            }
    return costs


def _add(costs: _Costs, key: str, settings: str, cost: _Cost) -> None:
    found = costs.setdefault(key, {})
    for name in ("", settings):
        found[name] = cost.and_before(found.get(name))


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _key(argv: Sequence[str]) -> str:
    """`<trainer> <dataset> <kind>`."""
    dataset = Path(_after(argv, "--dataset-config-file")).stem
    kind = "test" if "--eval-only" in argv else "train"
    return " ".join(word.replace(" ", "_") for word in (_after(argv, "--trainer"), dataset, kind))


def _settings(argv: Sequence[str]) -> str:
    """The YAML and the options, which stand behind the job key."""
    options = argv[argv.index("--job-key") + 2 :] if "--job-key" in argv else ()
    return " ".join([Path(_after(argv, "--config-file")).stem, *options])


def _after(argv: Sequence[str], flag: str) -> str:
    return argv[argv.index(flag) + 1] if flag in argv[:-1] else ""
