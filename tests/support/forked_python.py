"""Python as a fork of a warm one: `forked_python.py <its folder> <arguments of python>`.

What the caller has given it open is open in the fork, which ends with it; the fork's number goes to
the open file that the variable WARM_NUMBER names. Flags of the interpreter take one of its own.
"""

import contextlib
import json
import os
import signal
import socket
import sys

PIECE = 1 << 15  # of a request: what a socket takes at once


def main(folder, *argv):
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-m", "-c")):
        os.execv(sys.executable, [sys.executable, *argv])
    asked = os.environ.pop("WARM_NUMBER", None)
    files = [number for number in map(int, os.listdir("/proc/self/fd")) if _is_open(number)]
    if asked:
        files.remove(int(asked))
    request = {"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ), "files": files}
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(f"{folder}/socket")
    content = json.dumps(request).encode() + b"\n"
    socket.send_fds(channel, [content[:PIECE]], files)
    channel.sendall(content[PIECE:])
    for number in files:
        os.close(number)
    with channel.makefile("r") as answers:
        started = answers.readline()
        if asked:
            os.write(int(asked), started.encode())
            os.close(int(asked))
        code = answers.readline()
    if not code:
        return 1
    if int(code) < 0:
        with contextlib.suppress(OSError):  # SIGKILL
            signal.signal(-int(code), signal.SIG_DFL)
        os.kill(os.getpid(), -int(code))
    return int(code)


def _is_open(number):
    """Whether it is: the list of them names the file by which it was read."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))
