"""What the runner prints, which may have nowhere to go: a terminal that was closed, a pipe whose
reader has gone, a log on a full disk. None of them is to end, or to leave alone, the jobs."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _Lasting:
    """A stream that goes nowhere from the first failure on."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Let the file itself lead nowhere: what is still in the buffers fails no second time."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if self._name == "output":
            reason = getattr(error, "strerror", None) or error
            print(f"Notice: nothing is printed any more ({reason}); runs go on", file=sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Inside the block, printing never fails."""
    before = sys.stdout, sys.stderr
    sys.stderr = _Lasting(before[1], "errors")
    sys.stdout = _Lasting(before[0], "output")
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before
