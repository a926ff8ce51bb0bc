"""Ctrl-C and friends as a flag that the scheduler reads between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Which signal asked to stop, and how often: the second one does not wait."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or signal.Signals(number)
        self.count += 1

    def hurry(self) -> bool:
        """Whether a second signal has come."""
        return self.count > 1

    @property
    def exit_code(self) -> int:
        """128 + signal, as shells have it: 130 after Ctrl-C."""
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Collect SIGINT, SIGTERM and SIGHUP for the length of the block instead of dying of them."""
    request = StopRequest()
    # A runner started by nohup has SIGHUP ignored, and is to stay deaf to it.
    numbers = [n for n in SIGNALS if (n, signal.getsignal(n)) != (signal.SIGHUP, signal.SIG_IGN)]
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
