"""What the tests of the command lines share."""

import csv
import fcntl
import shutil

import pytest

from tests.support import command

WORDS = ("--cfg", "coop", "--seeds", "1")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all workers of this call of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def demo():
    """Runs parallel_runner.py --demo in a folder, one image a class and one epoch."""

    def run(folder, *words):
        done = command.python(
            command.PROJECT / "parallel_runner.py",
            *("--demo", *words, "--shots", "1", "OPTIM.MAX_EPOCH", "1"),
            cwd=folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def demo_lab(demo, shared):
    """A folder with CoOp's runs of b2n, xd and fs on one dataset and of mt on the suite, made by
    the first worker that asks for it; not to be changed."""
    folder = shared / "demo_lab"
    folder.mkdir(exist_ok=True)
    with (shared / "demo_lab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            demo(folder, *WORDS, "--mode", "b2n", "xd", "fs", "--datasets", "demo_digits")
            demo(folder, *WORDS, "--mode", "mt")
            (folder / "whole").touch()
    return folder


@pytest.fixture
def own_lab(demo_lab, tmp_path):
    """A copy of it."""
    return shutil.copytree(demo_lab, tmp_path / "lab")


@pytest.fixture(scope="session")
def rows():
    """Reads a table that CoOp's runs have left: its lines, by the names of the columns."""

    def read(folder, name):
        with (folder / "results/demo/coop" / name).open() as file:
            return list(csv.DictReader(file))

    return read
