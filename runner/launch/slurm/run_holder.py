"""Who runs a task: a file beside its console that every writer of the run looks at.

Locks of a file system cannot say it: some shared ones have none, and a lost node may keep one. The
file is replaced by a rename, and a process whose name is not in it writes nothing more
(dassl/utils/holder.py reads the two variables).
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from runner.files.consoles import holder_file
from runner.files.writing import atomic_write

FILE = "PROMPTLAB_HOLDER_FILE"
TOKEN = "PROMPTLAB_HOLDER_TOKEN"


@dataclass(frozen=True)
class Holder:
    """One life of one element: a restart of a job is newer than its life before, and a job that
    was submitted later is newer still."""

    submitted: float
    restart: int
    job: str
    node: str

    @property
    def token(self) -> str:
        """What the file says while this one holds the task."""
        content = {"job": self.job, "restart": self.restart, "node": self.node}
        return json.dumps({**content, "submitted": self.submitted})

    def environment(self, console: Path) -> dict[str, str]:
        """Return what tells the command to look before it saves."""
        return {FILE: str(holder_file(console)), TOKEN: self.token}

    def may_take(self, console: Path) -> bool:
        """Whether nobody newer holds the task."""
        try:
            content = json.loads(holder_file(console).read_text(encoding="utf-8"))
            other = (float(content["submitted"]), int(content["restart"]))
        except (OSError, ValueError, KeyError, TypeError):
            return True
        return other <= (self.submitted, self.restart)

    def take(self, console: Path) -> None:
        """Hold the task from now on."""
        atomic_write(holder_file(console), self.token)

    def holds(self, console: Path) -> bool:
        """Whether nobody has taken the task since."""
        try:
            return holder_file(console).read_text(encoding="utf-8") == self.token
        except FileNotFoundError:
            return False
        except OSError:  # a file system that does not answer now: it will be asked again
            return True

    def release(self, console: Path) -> None:
        """Hold the task no longer; it has ended."""
        with contextlib.suppress(OSError):
            holder_file(console).unlink()
