"""A process that has everything loaded and runs each job in a fork of itself.

Whoever started it holds the other end of a socket. A line of JSON asks for a job, and carries the
open file that takes the job's output: `{"id": 3, "argv": [...], "env": {...}}`. The answers are
lines as well: `{"ready": true}` once, then `{"id": 3, "pid": 71}` when the job has started (it
leads a process group of its own) and `{"id": 3, "exit": 0}` when its whole group has ended
(negative: killed by that signal).

A fork starts from the state in which this process waits, never from what another job has left:
the process itself runs no job. It must have started neither CUDA nor a parallel region of OpenMP,
which do not survive a fork.
"""

import atexit
import contextlib
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy.random

TICK = 0.02  # seconds between two looks at who has ended, where the system does not tell it
_CHUNK = 1 << 16


class JobServer:
    """Serves one channel.

    Args:
        channel: connected stream socket, of the local kind that carries open files.
        prepare: called with a job's argv before the fork: what it loads, all later forks have.
    """

    def __init__(self, channel: socket.socket, prepare: Callable[[list[str]], None]) -> None:
        self._channel = channel
        self._prepare = prepare
        self._unread = b""
        self._files: list[int] = []
        self._running: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # by process, a file that is ready once it has ended

    def serve(self) -> list[str] | None:
        """In this process: serve until the other side has gone, then None; jobs that still run are
        left to themselves. In each fork: the argv of its job.
        """
        # What is there now will not be looked at by a collector again: a fork that did so would
        # copy all of its pages.
        gc.collect()
        gc.freeze()
        self._send({"ready": True})
        while True:
            waiting = None if len(self._ends) == len(self._running) else TICK
            ready = select.select([self._channel, *self._ends.values()], [], [], waiting)[0]
            if self._channel in ready:
                requests = self._receive()
                if requests is None:
                    return None
                for request in requests:
                    argv = self._start(request)
                    if argv is not None:
                        return argv
            if not self._report_ended():
                return None

    def _receive(self) -> list[dict[str, Any]] | None:
        data, files, _, _ = socket.recv_fds(self._channel, _CHUNK, 16)
        self._files += files
        if not data:
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _start(self, request: dict[str, Any]) -> list[str] | None:
        """Fork; the argv in the fork, None in this process."""
        output = self._files.pop(0)
        self._prepare(request["argv"])
        pid = os.fork()
        if pid:
            # Both sides do it, so that the group is there whoever comes first.
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            os.close(output)
            self._running[pid] = request["id"]
            with contextlib.suppress(AttributeError, OSError):  # Linux from 5.3 on
                self._ends[pid] = os.pidfd_open(pid)
            return None
        os.setpgid(0, 0)
        # The job itself says so: were this process killed right now, nobody else would, and the
        # other side, which learns of the loss once all ends are closed, would start it again.
        if not self._send({"id": request["id"], "pid": os.getpid()}):
            os._exit(1)  # who asked for it has gone
        _offer_to_the_kernel()
        os.dup2(output, 1)
        os.dup2(output, 2)
        for file in (output, *self._files, *self._ends.values()):
            os.close(file)
        self._channel.close()
        os.environ.update(request["env"])
        # As a new process has them; without a seed two jobs must not draw the same numbers.
        random.seed()
        numpy.random.seed()
        return request["argv"]

    def _report_ended(self) -> bool:
        """Tell who has ended; False if nobody listens any more."""
        while self._running:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return True
            pid = ended.si_pid
            # The number stays the leader's own until it is waited for: end what it left behind,
            # as data loader workers that hold memory of the GPU.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if pid in self._ends:
                os.close(self._ends.pop(pid))
            job = self._running.pop(pid, None)
            if job is not None and not self._send({"id": job, "exit": code}):
                return False
        return True

    def _send(self, answer: dict[str, Any]) -> bool:
        try:
            self._channel.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return False
        return True


def end_with(job: Callable[[], int | None]) -> NoReturn:
    """Run a fork's job and end the process with its exit code, as an interpreter does but for
    taking everything apart: with torch loaded that alone takes a second."""
    code = 1
    try:
        code = job() or 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        else:
            code = error.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _offer_to_the_kernel() -> None:
    """Where memory runs out, a job is to be killed before the process that all others come from."""
    with contextlib.suppress(OSError):  # there is none but on Linux
        Path("/proc/self/oom_score_adj").write_text("500")
