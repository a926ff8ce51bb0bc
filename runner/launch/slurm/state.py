"""`<results>/slurm.json`: the arrays that may still be queued; a later runner finds them by it."""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import atomic_write, shown

FILE_NAME = "slurm.json"
BATCHES = "slurm"  # the folder beside it that takes what is submitted
FORMAT = 1


@dataclass
class Entry:
    """An array: its folder, and its job id as sbatch told it (`123`, or `123;cluster`); empty
    until sbatch has answered."""

    folder: Path
    job: str = ""

    @property
    def number(self) -> str:
        """The job id without the cluster."""
        return self.job.partition(";")[0]


class StateFile:
    """The file and its lock; several runners may use it."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._path = results / FILE_NAME

    @property
    def batches(self) -> Path:
        """The folder that takes the batches."""
        return self._results / BATCHES

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runners from reading and writing, where the file system has locks."""
        try:
            self._results.mkdir(parents=True, exist_ok=True)
            file = (self._results / ".slurm.lock").open("a")
        except OSError as error:
            raise UserError(
                f"cannot write {shown(self._results)}: {error.strerror or error}"
            ) from error
        with file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> list[Entry]:
        """Return the arrays.

        Raises:
            UserError: the file is not whole.
        """
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return [
                Entry(self._results / entry["folder"], str(entry["job"] or ""))
                for entry in content["arrays"]
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{shown(self._path)} cannot be read: it says what is queued; look with "
                "`squeue --me`, cancel what is there, then delete the file"
            ) from error

    def write(self, entries: Sequence[Entry]) -> None:
        """Replace the file."""
        arrays = [
            {"job": entry.job or None, "folder": str(entry.folder.relative_to(self._results))}
            for entry in entries
        ]
        atomic_write(self._path, json.dumps({"format": FORMAT, "arrays": arrays}, indent=1) + "\n")
