"""How a command becomes a process: of its own, or a fork of one that has everything loaded."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

UNKNOWN = None  # exit code of a process that nobody has waited for
_CHUNK = 1 << 16


class Process(Protocol):
    """A process that leads a group of its own."""

    @property
    def pid(self) -> int | None:
        """Its number; None while it is still to start."""

    def ended(self) -> bool:
        """Whether it has ended, and all that it started with it."""

    @property
    def exit_code(self) -> int | None:
        """Once it has ended; negative: killed by that signal; None: not known."""


class Starter(Protocol):
    """What a launcher needs to start commands."""

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

    def close(self) -> None:
        """Give back what was taken; everything has ended."""


class Isolated:
    """Each command a new process, in a session of its own: Ctrl-C in the terminal reaches the
    runner alone."""

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        return _Spawned(
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )
        )

    def close(self) -> None:
        pass


class _Spawned:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid

    def ended(self) -> bool:
        if not self._leader_has_ended():
            return False
        # End what the leader has left behind: data loader workers hold memory of the GPU.
        signal_group(self.pid, signal.SIGKILL)
        self._process.wait()
        return True

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def _leader_has_ended(self) -> bool:
        """Look without waiting for it where the system can: its number stays its own until then."""
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is not None


class Warm:
    """Calls of train.py as forks of one process that has torch, CLIP and the datasets loaded
    (`train.py --serve`); other commands, and all of them if that process does not come up, as
    processes of their own.
    """

    def __init__(self, train_command: Sequence[str], environment: Mapping[str, str]) -> None:
        """
        Args:
            train_command: how the calls begin: Python and train.py.
            environment: what all slots have in common.
        """
        self._command = tuple(train_command)
        self._environment = dict(environment)
        self._isolated = Isolated()
        self._server: _Server | None = None
        self._failures = 0

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        server = self._running_server() if self._serves(argv) else None
        if server is not None:
            words = list(argv[len(self._command) :])
            process = server.request(words, environment, output)
            if process is not None:
                process.instead = partial(self._isolated.start, argv, environment, output)
                return process
        return self._isolated.start(argv, environment, output)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _serves(self, argv: Sequence[str]) -> bool:
        return tuple(argv[: len(self._command)]) == self._command

    def _running_server(self) -> "_Server | None":
        if self._server is not None and self._server.lost():
            self._failures += not self._server.ready
            self._server.close()
            self._server = None
        if self._server is None and not self._failures:
            self._server = _Server(self._command, self._environment)
        return self._server


class _Server:
    """The runner's side of `dassl.utils.serving`, whose docstring has the protocol."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.ready = False
        self._jobs: dict[int, _Forked] = {}
        self._unread = b""
        self._gone = False
        self._channel, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [*command, "--serve", str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        self._channel.setblocking(False)

    def request(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> "_Forked | None":
        """Ask for a job; None if the server has gone."""
        number = len(self._jobs) + 1
        content = {"id": number, "argv": argv, "env": dict(environment)}
        try:
            line = json.dumps(content).encode() + b"\n"
            socket.send_fds(self._channel, [line], [output.fileno()])
        except OSError:
            return None
        job = self._jobs[number] = _Forked(self)
        return job

    def lost(self) -> bool:
        """Whether the process has gone."""
        self.read()
        return self._gone

    def read(self) -> None:
        """Take in what the server has told since the last time."""
        while not self._gone:
            try:
                data = self._channel.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._gone = True
                for job in self._jobs.values():
                    job.orphan()
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def close(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _take(self, answer: dict[str, Any]) -> None:
        self.ready = self.ready or "ready" in answer
        job = self._jobs.get(answer.get("id", 0))
        if job is not None:
            job.told(answer)


class _Forked:
    """A job of a server; `instead` starts it where the server has gone before it did."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._replacement: Process | None = None
        self._pid: int | None = None
        self._exit_code: int | None = UNKNOWN
        self._done = False
        self._orphaned = False
        self.instead: Callable[[], Process]

    @property
    def pid(self) -> int | None:
        return self._replacement.pid if self._replacement else self._pid

    @property
    def exit_code(self) -> int | None:
        return self._replacement.exit_code if self._replacement else self._exit_code

    def told(self, answer: Mapping[str, Any]) -> None:
        """Take in an answer of the server."""
        self._pid = answer.get("pid", self._pid)
        if "exit" in answer:
            self._done, self._exit_code = True, answer["exit"]

    def orphan(self) -> None:
        """The server has gone: nobody tells the exit code any more."""
        self._orphaned = not self._done

    def ended(self) -> bool:
        self._server.read()
        if self._orphaned and self._pid is None and self._replacement is None:
            self._replacement = self.instead()
        if self._replacement:
            return self._replacement.ended()
        if self._orphaned and not self._done:
            assert self._pid is not None
            self._done = not _lives(self._pid)
            if self._done:
                signal_group(self._pid, signal.SIGKILL)
        return self._done


def _lives(pid: int) -> bool:
    """Whether a process that is no child of this one runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # there is no /proc on macOS
        # The state follows the name, which stands in parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all that it has started; it may have gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
