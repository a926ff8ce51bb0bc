"""What the scheduler needs of a launcher, which starts jobs and says how they end.

Whether a run is done is read from its files; retries and dependencies are decided above
(runner.launch.schedule). Another launcher is one more class of this shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from runner.files.records import read_result
from runner.plan.jobs import Job

USER_MISTAKE = 2  # exit code of train.py: another try would end the same way


class Code(IntEnum):
    """How a job ends, or is not to start, as exit codes that no process has."""

    STARTED_ELSEWHERE = -1000  # another process still holds the console file
    CANNOT_START = -1001
    DONE_ELSEWHERE = -1002
    OTHER_SETTINGS = -1003
    TIMED_OUT = -1004
    NOT_STARTED = -1005  # through no fault of its own: to be submitted again


@dataclass(frozen=True)
class Change:
    """A job that has started, or `ended`.

    Attributes:
        exit_code: of one that has ended; negative: killed by that signal, or one of the codes
            above; None: not known.
    """

    job: Job
    ended: bool = False
    exit_code: int | None = None


class Launcher(Protocol):
    """Takes jobs and runs them."""

    width: int
    """How many run at once."""

    leaves_running: bool
    """Whether what runs goes on when the runner is stopped."""

    def submit(self, job: Job, priority: int) -> None:
        """Take a job in; lower priorities start first."""

    def poll(self) -> list[Change]:
        """Start what can start, and return what has changed since the last poll."""

    def cancel(self, hurry: Callable[[], bool]) -> None:
        """End everything and return when it has ended, or leave it to itself if `leaves_running`;
        `hurry` says not to wait any longer."""


def refusal(job: Job) -> int:
    """Return the code with which a job ends that is not to start after all, else 0: another runner
    may have been there while it stood in line."""
    result = read_result(job.folder)
    if result is None:
        return 0
    return Code.DONE_ELSEWHERE if result.key == job.key else Code.OTHER_SETTINGS
