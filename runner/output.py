"""What the runner prints, which may have nowhere to go: a terminal that was closed, a pipe whose
reader has gone, a log on a full disk. None of them is to end, or to leave alone, the jobs."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO


class _Lasting:
    """A stream that goes nowhere from the first failure on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._last(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._last(self._stream.flush)

    def _last(self, call: Callable[..., object], *words: str) -> None:
        try:
            call(*words)
        except (OSError, ValueError):
            # Let the file itself lead nowhere: what is still in the buffers fails no second time.
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Inside the block, printing never fails."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Lasting(before[0]), _Lasting(before[1])
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def printable(text: object, instead: str = "?") -> str:
    """Return a text without what steers a terminal or may not stand in a file of text: control
    characters but line ends and tabs, bytes of a path that are no UTF-8."""
    letters = (c if c.isprintable() or c in "\n\t" else instead for c in str(text))
    return "".join(letters)
