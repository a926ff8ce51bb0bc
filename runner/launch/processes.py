"""How a command becomes a process (runner.launch.warm_worker has another way)."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import BinaryIO


class Process:
    """A process that leads a group of its own.

    Attributes:
        pid: its number; None while it is still to start.
        exit_code: once it has ended; negative: killed by that signal; None: not known.
    """

    pid: int | None = None
    exit_code: int | None = None

    def ended(self) -> bool:
        """Whether it has ended, and all that it started with it."""
        raise NotImplementedError

    def end(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it has started; what is still to start never will."""
        if self.pid is not None:
            # It may have gone.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


class Spawned(Process):
    """A program as the leader of a session: Ctrl-C in the terminal reaches the runner alone."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        output: BinaryIO | int,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self.pid = self.popen.pid

    def ended(self) -> bool:
        self.exit_code = self.popen.poll()
        if self.exit_code is None:
            return False
        # End what the leader has left behind: data loader workers hold memory of the GPU.
        self.end(signal.SIGKILL)
        return True


class Isolated:
    """Each command a new process."""

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        """Start a command.

        Args:
            environment: what it has besides the runner's own.
            output: an open file that takes everything it prints; the process keeps it open.

        Raises:
            OSError: the program cannot be started.
        """
        return Spawned(argv, environment, output)

    def close(self) -> None:
        """Give back what was taken; everything has ended."""
