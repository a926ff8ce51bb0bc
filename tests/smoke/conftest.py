"""What the tests of the command lines share."""

import csv

import pytest

from tests.support import command


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Runs parallel_runner.py --demo in a folder, one shot, image and epoch a class; the demo's
    datasets are made once. Returns what it printed."""
    base = tmp_path_factory.getbasetemp()  # of this worker, in a folder that all workers share
    cache = (base.parent if base.name.startswith("popen-") else base) / "demo_cache"

    def run(folder, *words):
        done = command.python(
            command.PROJECT / "parallel_runner.py",
            *("--demo", *words, "--shots", "1", "OPTIM.MAX_EPOCH", "1"),
            cwd=folder,
            PROMPTLAB_CACHE=str(cache),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def rows():
    """Reads a table that a run has left: its lines, by the names of the columns."""

    def read(folder, name):
        with (folder / "results/demo" / name).open() as file:
            return list(csv.DictReader(file))

    return read
