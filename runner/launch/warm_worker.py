"""Calls of train.py as forks of one process that has everything loaded."""

import itertools
import json
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from runner.launch.interface import NOT_STARTED
from runner.launch.processes import Isolated, Process, spawn

_CHUNK = 1 << 16
_LONGEST = 1 << 15  # of a request: far less than a socket takes in one piece
_GRACE = 5.0  # seconds for it to end


class Warm(Isolated):
    """Calls of train.py as forks of one process that has torch, CLIP and the datasets loaded
    (`train.py --serve`); other commands, and all of them from when that process has gone, as
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
        self._server: _Server | None = None

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        program, words = tuple(argv[: len(self._command)]), argv[len(self._command) :]
        if program != self._command:
            return super().start(argv, environment, output)
        if self._server is None:
            self._server = _Server(self._command, self._environment)
        job = self._server.request(words, environment, output)
        return job or super().start(argv, environment, output)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


class _Server:
    """The runner's side of `dassl.utils.serving`, whose docstring has the protocol.

    Attributes:
        ready: whether it has loaded everything, and may have started jobs.
        gone: whether the process has ended.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.ready = False
        self.gone = False
        self._numbers = itertools.count(1)
        self._jobs: dict[int, _Forked] = {}  # that have not ended
        self._unread = b""
        self._channel, other = socket.socketpair()
        with other:
            words = [*command, "--serve", str(other.fileno())]
            self._process = spawn(words, environment, subprocess.DEVNULL, [other.fileno()])
        self._channel.setblocking(False)

    def request(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> "_Forked | None":
        """Ask for a job; None if the server has gone or cannot take the request."""
        number = next(self._numbers)
        content = {"id": number, "argv": list(argv), "env": dict(environment)}
        line = json.dumps(content).encode() + b"\n"
        if len(line) > _LONGEST:
            return None
        try:
            socket.send_fds(self._channel, [line], [output.fileno()])
        except OSError:
            return None
        job = self._jobs[number] = _Forked(self)
        return job

    def read(self) -> None:
        """Take in what the server has told since the last time."""
        while not self.gone:
            try:
                data = self._channel.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.gone = not data
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def stop(self) -> None:
        """End the process; a job that it has started tells so before it is gone."""
        self._process.kill()

    def close(self) -> None:
        self._channel.close()  # upon which the process tidies up and ends
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _take(self, answer: dict[str, Any]) -> None:
        self.ready = self.ready or "ready" in answer
        job = self._jobs.get(answer.get("id", 0))
        if job is not None:
            job.told(answer)
            if "exit" in answer:
                del self._jobs[answer["id"]]


class _Forked(Process):
    """A job of a server. Where the server goes, a job that has started is ended with it, since
    nobody could tell its exit code any more."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._done = False
        self._unwanted: signal.Signals | None = None  # told to end before it had a number

    def told(self, answer: Mapping[str, Any]) -> None:
        """Take in an answer of the server."""
        self.pid = answer.get("pid", self.pid)
        if "pid" in answer and self._unwanted:
            super().end(self._unwanted)
        if "exit" in answer:
            self._done, self.exit_code = True, answer["exit"]

    def end(self, number: signal.Signals) -> None:
        self._server.read()
        if self.pid is not None:
            if not self._done:
                super().end(number)
        else:
            self._unwanted = number
            # A server that hangs ends with it; not at once, since its other jobs end with that.
            if number == signal.SIGKILL or not self._server.ready:
                self._server.stop()

    def ended(self) -> bool:
        self._server.read()
        if self._server.gone and not self._done:
            self._done = True
            if self.pid is not None:
                super().end(signal.SIGKILL)
            else:
                self.exit_code = -self._unwanted if self._unwanted else NOT_STARTED
        return self._done
