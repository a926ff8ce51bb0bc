"""A Python that has the libraries loaded and forks for each command, so that a test of a command
line does not wait seconds for PyTorch. Our own modules are imported by each fork, as by a process
of its own, and so are copies of the project.

A call of pytest offers one to all its workers (`offer`), and it loads the libraries when it is
first asked. Who connects to its socket sends a line of JSON, and with it the files that the command
shall have open; the answer is the fork's number and, when it has ended, its exit code. Who hangs up
ends the fork. The program `python` beside the socket (forked_python.py) does the same for commands
that are started by others: by shell scripts, and by forks, whose `sys.executable` it is.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

PLACE = "WARM_PYTHON"  # the variable that names the folder of socket and program
LIBRARIES = (
    *("torch", "torchvision.transforms", "numpy", "pandas", "PIL.Image", "yacs.config", "yaml"),
    *(
        "scipy.special",
        "scipy.stats",
        "sklearn.metrics",
        "sklearn.linear_model",
        "sklearn.manifold",
    ),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "ftfy", "regex", "tabulate", "tqdm"),
    *("torch.utils.data", "torch.utils.tensorboard", "safetensors.torch", "jinja2"),
)
KEEP = str(1 << 30)  # bytes
# One thread; and memory that is given back is kept, or a training would ask for it at every step.
SETTINGS = {"OPENBLAS_NUM_THREADS": "1"}
SETTINGS |= dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), KEEP)


def offer(environment):
    """Starts one with an environment, unless there is one; returns what ends it."""
    if PLACE in os.environ:
        return lambda: None
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    program = Path(__file__).with_name("forked_python.py")
    script = folder / "python"
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -IS '{program}' '{folder}' \"$@\"\n")
    script.chmod(0o755)
    own, other = socket.socketpair()
    with other, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        files = (listener.fileno(), other.fileno())
        words = [sys.executable, __file__, str(folder), *map(str, files)]
        env = {**environment, **SETTINGS}
        process = subprocess.Popen(words, env=env, pass_fds=files)
    os.environ[PLACE] = str(folder)

    def close():
        own.close()
        process.wait()
        shutil.rmtree(folder)
        del os.environ[PLACE]

    return close


def run(argv, *, cwd, env, files, timeout):
    """Runs `python <argv>` with open files as its stdin, stdout and stderr; returns its exit code.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and is ended.
    """
    request = {"argv": argv, "cwd": str(cwd), "env": env, "files": [0, 1, 2]}
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(f"{os.environ[PLACE]}/socket")
        content = json.dumps(request).encode() + b"\n"
        socket.send_fds(channel, [content], [file.fileno() for file in files])
        channel.settimeout(timeout)
        with channel.makefile("r") as answers:
            try:
                _, code = answers.readline(), answers.readline()
            except TimeoutError as error:
                raise subprocess.TimeoutExpired(argv, timeout) from error
        return json.loads(code)


class Server:
    """Forks for whoever connects.

    Args:
        folder: where socket and program lie.
        listener: the socket.
        life: a socket whose other side has gone when no more is asked for.
    """

    def __init__(self, folder, listener, life):
        self._executable = f"{folder}/python"
        self._loaded = False
        self._ready = selectors.DefaultSelector()
        self._ready.register(listener, selectors.EVENT_READ, self._accept)
        self._ready.register(life, selectors.EVENT_READ, self._end_all)
        self._running = {}  # number of a fork by connection

    def serve(self):
        """Until the process ends."""
        while True:
            for key, _ in self._ready.select():
                key.data(key.fileobj)

    def _accept(self, listener):
        if not self._loaded:
            for name in LIBRARIES:
                importlib.import_module(name)
            gc.collect()
            gc.freeze()  # or each fork's collector would copy what is loaded
            self._loaded = True
        channel = listener.accept()[0]
        content, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 64)
        while content and not content.endswith(b"\n"):
            content += channel.recv(1 << 16)
        number = os.fork()
        if number == 0:
            request = json.loads(content)
            sys.executable = self._executable
            _take_files(dict(zip(request["files"], descriptors, strict=True)))
            _end_with(request)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(f"{number}\n".encode())
        self._running[channel] = number
        end = os.pidfd_open(number)
        self._ready.register(channel, selectors.EVENT_READ, self._hung_up)
        self._ready.register(end, selectors.EVENT_READ, lambda end: self._ended(end, channel))

    def _hung_up(self, channel):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running[channel], signal.SIGKILL)
        self._ready.unregister(channel)

    def _ended(self, end, channel):
        self._ready.unregister(end)
        os.close(end)
        _, status = os.waitpid(self._running.pop(channel), 0)
        with contextlib.suppress(KeyError):
            self._ready.unregister(channel)
        with channel, contextlib.suppress(OSError):
            channel.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())

    def _end_all(self, life):
        for number in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(number, signal.SIGKILL)
        os._exit(0)


def _take_files(files):
    """Has open what came under the numbers it had, and nothing else."""
    above = max(map(int, os.listdir("/proc/self/fd"))) + max(files)
    moved = {number: above + number + 1 for number in files}
    for number, descriptor in files.items():
        os.dup2(descriptor, moved[number])
    os.closerange(0, above + 1)
    for number, descriptor in moved.items():
        os.dup2(descriptor, number)
        os.close(descriptor)


def _end_with(request):
    """Runs a command in this process and ends it with the exit code that Python would give."""
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through="PYTHONUNBUFFERED" in request["env"])
    code = 0
    try:
        _run(request["argv"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def _run(argv):
    first, *words = argv
    beside = os.path.dirname(os.path.abspath(first)) if first not in ("-m", "-c") else os.getcwd()
    further = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [beside, *further]
    if first == "-m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *words[1:]]
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = argv
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    Server(sys.argv[1], *(socket.socket(fileno=int(number)) for number in sys.argv[2:])).serve()
