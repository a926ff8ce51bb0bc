"""Calls of train.py as forks of one process that has everything loaded."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from runner.launch.processes import Isolated, Process, signal_group, spawn

_CHUNK = 1 << 16
_LONGEST = 1 << 15  # of a request: far less than a socket takes in one piece
_GRACE = 5.0  # seconds for it to end
_ATTEMPTS = 2  # to have a server that comes up


class Warm(Isolated):
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
        self._server: _Server | None = None
        self._failures = 0

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> Process:
        instead = partial(super().start, argv, environment, output)
        program, words = tuple(argv[: len(self._command)]), argv[len(self._command) :]
        server = self._running_server() if program == self._command else None
        process = server.request(words, environment, output, instead) if server else None
        return process or instead()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _running_server(self) -> "_Server | None":
        if self._server is not None and self._server.lost():
            self._failures += not self._server.ready
            self._server.close()
            self._server = None
        if self._server is None and self._failures < _ATTEMPTS:
            self._server = _Server(self._command, self._environment)
        return self._server


class _Server:
    """The runner's side of `dassl.utils.serving`, whose docstring has the protocol."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.ready = False
        self._numbers = itertools.count(1)
        self._jobs: dict[int, _Forked] = {}  # that have not ended
        self._unread = b""
        self._gone = False
        self._channel, other = socket.socketpair()
        with other:
            words = [*command, "--serve", str(other.fileno())]
            self._process = spawn(words, environment, subprocess.DEVNULL, [other.fileno()])
        self._channel.setblocking(False)

    def request(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        output: BinaryIO,
        instead: Callable[[], Process],
    ) -> "_Forked | None":
        """Ask for a job; None if the server has gone or cannot take the request. `instead` starts
        it where the server goes before it does."""
        number = next(self._numbers)
        content = {"id": number, "argv": list(argv), "env": dict(environment)}
        line = json.dumps(content).encode() + b"\n"
        if len(line) > _LONGEST:
            return None
        try:
            socket.send_fds(self._channel, [line], [output.fileno()])
        except OSError:
            return None
        job = self._jobs[number] = _Forked(self, instead)
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
                    job.orphaned = True
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def stop(self) -> None:
        """End the process; jobs that it has started go on, and have told so before it is lost."""
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
    """A job of a server; `orphaned`: the server has gone, nobody tells the exit code any more."""

    def __init__(self, server: _Server, instead: Callable[[], Process]) -> None:
        self.orphaned = False
        self._server = server
        self._instead = instead
        self._replacement: Process | None = None
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
        if self._replacement:
            self._replacement.end(number)
        elif self.pid is not None:
            if not self._done:
                super().end(number)
        else:
            # The server loads what the job needs, or hangs. Without it the job will not start; if
            # it is starting right now, its own word of that arrives before the server is lost.
            self._unwanted = number
            self._server.stop()

    def ended(self) -> bool:
        self._server.read()
        if self.orphaned and not self._done and not self._replacement:
            if self.pid is not None:
                self._done = not _lives(self.pid)
                if self._done:
                    signal_group(self.pid, signal.SIGKILL)
            elif self._unwanted:
                self._done, self.exit_code = True, -self._unwanted
            else:
                self._replacement = self._instead()
        if self._replacement and not self._done:
            self._done = self._replacement.ended()
            self.pid, self.exit_code = self._replacement.pid, self._replacement.exit_code
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
