"""Calls of train.py as forks of one process that has everything loaded."""

import itertools
import json
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from runner.launch.interface import Code
from runner.launch.processes import Isolated, Process, Spawned

_CHUNK = 1 << 16
_GRACE = 5.0  # seconds for it to end


class Warm(Isolated):
    """Calls of train.py as forks of one process, the server, that has torch, CLIP and the datasets
    loaded (`train.py --serve`); other commands, and all of them from when the server has gone, as
    processes of their own. `dassl.utils.serving` has the protocol.

    Attributes:
        ready: whether the server has loaded everything, and may have started jobs.
        gone: whether it has ended.
    """

    def __init__(self, train_command: Sequence[str], environment: Mapping[str, str]) -> None:
        """
        Args:
            train_command: how the calls begin: Python and train.py.
            environment: what all slots have in common.
        """
        self.ready = self.gone = False
        self._command = tuple(train_command)
        self._environment = environment
        self._server: Spawned | None = None
        self._numbers = itertools.count(1)
        self._jobs: dict[int, _Forked] = {}  # that have not ended
        self._unread = b""

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        program, words = tuple(argv[: len(self._command)]), argv[len(self._command) :]
        if program != self._command:
            return super().start(argv, environment, output)
        if self._server is None:
            self._start_server()
        number = next(self._numbers)
        request = {"id": number, "argv": list(words), "env": dict(environment)}
        try:
            line = json.dumps(request).encode() + b"\n"
            socket.send_fds(self._channel, [line], [output.fileno()])
        except OSError:  # the server has gone
            return super().start(argv, environment, output)
        job = self._jobs[number] = _Forked(self)
        return job

    def _start_server(self) -> None:
        self._channel, other = socket.socketpair()
        with other:
            words = [*self._command, "--serve", str(other.fileno())]
            self._server = Spawned(words, self._environment, subprocess.DEVNULL, [other.fileno()])
        self._channel.setblocking(False)

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

    def _take(self, answer: dict[str, Any]) -> None:
        self.ready = self.ready or "ready" in answer
        if job := self._jobs.get(answer.get("id", 0)):
            job.told(answer)
            if "exit" in answer:
                del self._jobs[answer["id"]]

    def stop(self) -> None:
        """End the server; a job that it has started tells so before it is gone."""
        if self._server:
            self._server.popen.kill()

    def close(self) -> None:
        if self._server is None:
            return
        self._channel.close()  # upon which the server tidies up and ends
        try:
            self._server.popen.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._server.popen.kill()
            self._server.popen.wait()


class _Forked(Process):
    """A job of a server. Where the server goes, a job that has started is ended with it, since
    nobody could tell its exit code any more."""

    def __init__(self, server: Warm) -> None:
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
        if self.pid is None:
            self._unwanted = number
            # A server that hangs ends with it; not at once, since its other jobs end with that.
            if number == signal.SIGKILL or not self._server.ready:
                self._server.stop()
        elif not self._done:
            super().end(number)

    def ended(self) -> bool:
        self._server.read()
        if self._server.gone and not self._done:
            self._done = True
            if self.pid is not None:
                super().end(signal.SIGKILL)
            else:
                self.exit_code = -self._unwanted if self._unwanted else Code.NOT_STARTED
        return self._done
