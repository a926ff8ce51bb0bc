"""Runs the command lines as a user does."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support import warm_python

PROJECT = Path(__file__).parents[2]
FOLDERS = (
    *("assets", "clip", "configs", "dassl", "datasets", "downloads", "image_store", "runner"),
    *("trainers", "use"),
)
FILES = ("train.py", "command_line.py", "parallel_runner.py", "configs.py", "machine.py")


def environment(**extra):
    """The environment of a run: one thread, no GPU, nothing of the user's own data."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DATA",)}
    return {**kept, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **extra}


def copy_project(folder):
    """A copy of what runs, to add files to; returns its path."""
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, folder / name)
    for name in FILES:
        shutil.copy(PROJECT / name, folder)
    return folder


def python(script, *words, timeout=300, cwd=PROJECT, warm=None, **env):
    """`python <script> <words>` from the project's folder -> the finished process with its text.

    Args:
        warm: whether it may have libraries loaded beforehand; by default all but `-c`, whose code
            may ask what is loaded.
    """
    argv = list(map(str, [script, *words]))
    if not (script != "-c" if warm is None else warm):
        return subprocess.run(
            [sys.executable, *argv],
            cwd=cwd,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    with (
        open(os.devnull) as nothing,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        how = {"cwd": cwd, "env": environment(**env), "timeout": timeout}
        code = warm_python.run(argv, files=(nothing, out, err), **how)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess(argv, code, *said)


def run(words, *, timeout=300, cwd=PROJECT, **env):
    """The words of a line in a document, a program first, as `python`."""
    if words[0] == "python":
        return python(*words[1:], timeout=timeout, cwd=cwd, **env)
    env = environment(**env)
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)


def forking_python():
    """A program that is python with libraries loaded beforehand, for what starts commands."""
    return f"{os.environ[warm_python.PLACE]}/python"


class Forked(subprocess.Popen):
    """`python <words>` as a fork of a process that has the libraries loaded.

    Attributes:
        number: the fork's; it takes the signals. `pid` is that of a process that ends as it does.
    """

    def __init__(self, words, *, env, **how):
        reader, writer = os.pipe()
        env = {**env, "WARM_NUMBER": str(writer)}
        try:
            super().__init__([forking_python(), *words], env=env, pass_fds=[writer], **how)
        finally:
            os.close(writer)
        with open(reader) as file:
            self.number = int(file.readline())

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.number, number)


class Called(NamedTuple):
    """What a command line that was called in this process did."""

    returncode: int
    stdout: str
    stderr: str


def call(capsys, run, *words):
    """`run(argv)` of a command line, without the seconds that a process takes to start."""
    capsys.readouterr()
    try:
        code = run([str(word) for word in words])
    except SystemExit as stop:  # of argparse
        code = stop.code
    return Called(code, *capsys.readouterr())


def train_words(trainer, root, weights, output, *options, epochs=2, config="vit_b16_ep50"):
    """Words of a short CoOp or MaPLe run on the small pets and a small CLIP."""
    config = {"MaPLe": "vit_b16_c2_ep5_batch4_2ctx"}.get(trainer.removesuffix("DePT"), config)
    words = ["--root", root, "--trainer", trainer, "--output-dir", output, "--backbone", weights]
    words += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml"]
    words += ["--config-file", f"configs/trainers/{trainer}/{config}.yaml"]
    settings = ["INPUT.SIZE", "(32, 32)", "DATALOADER.NUM_WORKERS", 0, "OPTIM.MAX_EPOCH", epochs]
    settings += ["DATALOADER.TRAIN_X.BATCH_SIZE", 2, "DATASET.NUM_SHOTS", 2]
    return [str(word) for word in words], [str(word) for word in [*settings, *options]]


def help_without_torch(*modules):
    """What `--help` of command lines prints, modules with a `build_parser`; none may load torch."""
    code = [f"import {module}" for module in ("sys", *modules)]
    for module in modules:
        code += [f"try: {module}.build_parser().parse_args(['--help'])", "except SystemExit: pass"]
    done = python("-c", "\n".join([*code, "assert 'torch' not in sys.modules"]))
    assert done.returncode == 0, done.stderr
    return done.stdout
