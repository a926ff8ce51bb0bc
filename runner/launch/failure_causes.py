"""Why runs have failed: for want of memory, or refused by train.py as the rest would be."""

import re
import signal
from collections import defaultdict
from pathlib import Path

from runner.files.records import mistake_in, tail
from runner.files.writing import shown
from runner.plan.jobs import Job

_OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|_STATUS_ALLOC_FAILED"
    r"|^MemoryError|can't allocate memory|Cannot allocate memory"
)
_FULL_DISK = re.compile(r"No space left on device|quota exceeded|Read-only file system")


def out_of_memory(exit_code: int | None, console: Path) -> bool:
    """Whether a run has ended for want of memory: by what it printed, or killed as the kernel kills
    where memory is out."""
    if exit_code == -signal.SIGKILL:
        return True
    return bool(exit_code) and any(map(_OUT_OF_MEMORY.search, tail(console, 60)))


class Refused:
    """What train.py has refused so far.

    The same lines for two datasets speak for the whole experiment (an option that does not exist);
    for two runs of one dataset, for that dataset (a folder that is not there). A full disk speaks
    for everything.
    """

    def __init__(self) -> None:
        self._datasets: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        self._hopeless: set[tuple[str, str]] = set()
        self._full = 0

    def note(self, job: Job) -> None:
        """Take in that train.py refused `job`."""
        # In the same words for every run, whose folders differ.
        names = (str(job.folder), shown(job.folder))
        lines = tuple(
            line.replace(names[0], "FOLDER").replace(names[1], "FOLDER")
            for line in mistake_in(job.console)
        )
        if not lines:
            return
        if any(map(_FULL_DISK.search, lines)):
            self._full += 1
        seen = self._datasets[job.experiment, lines]
        seen.append(job.dataset)
        if len(set(seen)) > 1:
            self._hopeless.add((job.experiment, ""))
        elif len(seen) > 1:
            self._hopeless.add((job.experiment, job.dataset))

    def covers(self, job: Job) -> bool:
        """Whether `job` would be refused as well."""
        if self._full > 1:
            return True
        places = ((job.experiment, ""), (job.experiment, job.dataset))
        return not self._hopeless.isdisjoint(places)
