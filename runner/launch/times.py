"""How long runs have taken: `times.json` of an output folder, which --fresh leaves alone.

    {"MaPLe dtd train": {"seconds": 71.2}}

Of several runs the longest counts: one that was resumed took only the rest of its time.
"""

import json
import sys
from pathlib import Path

from runner.errors import UserError
from runner.files.records import number, read_record
from runner.files.writing import atomic_write
from runner.plan.jobs import Job

FILE = "times.json"


class Times:
    """The records of one output folder, by trainer, dataset and kind (train or test)."""

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which need not be there."""
        self._path = path
        self._seconds = _read(path)

    def seconds(self, job: Job) -> float | None:
        """Return how long a run will take, None if none like it has run."""
        return self._seconds.get(_key(job))

    def learn(self, job: Job, seconds: float | None = None) -> None:
        """Take in how long a run that has left its result has taken; `seconds` where its result
        does not say so."""
        told = read_record(job.folder).get("seconds")
        parts = map(number, told.values()) if isinstance(told, dict) else ()
        if taken := sum(part for part in parts if part is not None) or seconds:
            self._seconds[_key(job)] = max(round(taken, 3), self.seconds(job) or 0.0)

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
        found = {key: number(record["seconds"]) for key, record in content.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}
    return {key: seconds for key, seconds in found.items() if seconds is not None}


def _key(job: Job) -> str:
    """`<trainer> <dataset> <kind>`."""
    return f"{job.argv[job.argv.index('--trainer') + 1]} {job.dataset} {job.kind}"
