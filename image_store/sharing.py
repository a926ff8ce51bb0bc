"""How processes that fill one entry at the same time share the work."""

import os
import random
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from image_store.entry import Entry

_TICK = 0.02  # seconds between two looks


@dataclass(frozen=True)
class Owner:
    """A process, as a claim names it."""

    host: str
    process: int

    def __str__(self) -> str:
        return f"{self.host} {self.process}"

    @classmethod
    def read(cls, text: str) -> "Owner":
        """What `str` wrote; process 0 where that is not whole yet."""
        host, _, process = text.rpartition(" ")
        return cls(host, int(process) if process.isdecimal() else 0)

    def may_live(self) -> bool:
        """Whether it may be at work: of another machine nobody here can tell."""
        if not self.process or self.host != socket.gethostname():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True


def this_process() -> Owner:
    """The process that asks."""
    return Owner(socket.gethostname(), os.getpid())


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
        owner = entry.owner(part)
        if owner is None or not owner.may_live() or time.monotonic() > until:
            return entry.has(part)  # it may have come just before its claim went
        time.sleep(_TICK)
    return True
