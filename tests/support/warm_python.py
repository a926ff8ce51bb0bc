"""A Python that has the libraries loaded and forks for each command, so that a test of a command
line does not wait seconds for PyTorch. Our own modules are imported by each fork, as by a process
of its own, and so are copies of the project.

Messages are lines of JSON over a socket: a request comes with the files for stdout and stderr; it
is answered with the fork's number, and with its exit code when it has ended.
"""

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback

LIBRARIES = (
    *("torch", "torchvision.transforms", "numpy", "pandas", "PIL.Image", "yacs.config", "yaml"),
    *("scipy.special", "sklearn.metrics", "sklearn.linear_model", "sklearn.manifold", "tqdm"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "ftfy", "regex", "tabulate"),
    *("torch.utils.data", "torch.utils.tensorboard", "safetensors.torch", "jinja2"),
)


class WarmPython:
    """The side of the tests: one command at a time."""

    def __init__(self, environment):
        own, other = socket.socketpair()
        with other:
            words = [sys.executable, __file__, str(other.fileno())]
            env = {**environment, "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(words, env=env, pass_fds=[other.fileno()])
        self._channel = own

    def run(self, argv, *, cwd, env, stdout, stderr, timeout):
        """Runs `python <argv>` into two open files and returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it took longer than `timeout` seconds, and is ended.
        """
        request = {"argv": argv, "cwd": str(cwd), "env": env}
        descriptors = [stdout.fileno(), stderr.fileno()]
        content = json.dumps(request).encode() + b"\n"
        socket.send_fds(self._channel, [content], descriptors)
        with self._channel.makefile("r") as answers:
            self._channel.settimeout(timeout)
            number = json.loads(answers.readline())
            try:
                return json.loads(answers.readline())
            except TimeoutError as error:
                os.killpg(number, signal.SIGKILL)
                self.close()
                raise subprocess.TimeoutExpired(argv, timeout) from error

    def close(self):
        """Ends it."""
        self._channel.close()
        self._process.wait()


def serve(channel):
    """Forks for each request until the other side is gone."""
    for name in LIBRARIES:
        importlib.import_module(name)
    while True:
        content, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 2)
        if not content:
            return
        number = os.fork()
        if number == 0:
            channel.close()
            _end_with(json.loads(content), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(f"{number}\n".encode())
        _, status = os.waitpid(number, 0)
        channel.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _end_with(request, descriptors):
    """Runs a command in this process and ends it with the exit code that Python would give."""
    os.setsid()
    for place, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *descriptors)):
        os.dup2(descriptor, place)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
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
    serve(socket.socket(fileno=int(sys.argv[1])))
