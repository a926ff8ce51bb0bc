"""How processes that fill one entry at the same time share the work."""

import random
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from image_store.entry import Entry

_TICK = 0.02  # seconds between two looks
_APART = 2.0  # seconds between two readings of one start, which follow corrections of the clock


@dataclass(frozen=True)
class Owner:
    """A process, as a claim names it.

    Args:
        started: seconds since 1970; the number alone may have gone to a later process.
    """

    host: str
    process: int
    started: float

    def __str__(self) -> str:
        return f"{self.host} {self.process} {self.started:.2f}"

    @classmethod
    def read(cls, text: str) -> "Owner | None":
        """What `str` wrote; None where that is not whole yet."""
        try:
            host, process, started = text.split()
            return cls(host, int(process), float(started))
        except ValueError:
            return None

    def may_live(self) -> bool:
        """Whether it may be at work: of another machine nobody here can tell."""
        if self.host != socket.gethostname():
            return True
        try:
            found = psutil.Process(self.process)
            same = abs(found.create_time() - self.started) < _APART
            return same and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return True


def this_process() -> Owner:
    """The process that asks.

    Raises:
        OSError: the system does not tell when it started.
    """
    try:
        process = psutil.Process()
        return Owner(socket.gethostname(), process.pid, process.create_time())
    except psutil.Error as error:
        raise OSError(None, str(error)) from error


def shared_order(parts: Sequence[int]) -> list[int]:
    """The parts from a place drawn by chance, and round: processes that start together begin at
    different ones. The generators of the run are left alone."""
    start = random.SystemRandom().randrange(len(parts)) if parts else 0
    return [*parts[start:], *parts[:start]]


def left_over(entry: "Entry", parts: Sequence[int], patience: float) -> Iterator[int]:
    """Wait for parts that other processes make; yields those that do not come, and so are to be
    made here.

    Args:
        patience: seconds without a part, after which nobody is believed to be at one any more.
    """
    since = time.monotonic()
    for part in parts:
        if _comes(entry, part, since + patience):
            since = time.monotonic()
        else:
            yield part


def _comes(entry: "Entry", part: int, until: float) -> bool:
    while not entry.has(part):
        if not entry.claimed(part) or time.monotonic() > until:
            return entry.has(part)  # it may have come just before its claim went
        time.sleep(_TICK)
    return True
