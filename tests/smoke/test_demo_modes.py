"""Every protocol in the demo with the real train.py, one line each (fs: test_runner_archive.py)."""

import csv

import pytest

from tests.support import command


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(tmp_path, cache):
    """Runs CoOpDePT in a mode, with one image a class and one epoch; returns what it prints and the
    names in its table's first column."""

    def call(mode, table, *words):
        done = command.python(
            command.PROJECT / "parallel_runner.py",
            *("--demo", "--cfg", "coop_dept", "--mode", mode, "--shots", "1", "--seeds", "1"),
            *(*words, "OPTIM.MAX_EPOCH", "1"),
            cwd=tmp_path,
            PROMPTLAB_CACHE=str(cache),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with (tmp_path / "results/demo/coop_dept" / table).open() as file:
            rows = list(csv.reader(file))[1:]
        return done.stdout, [row[0] for row in rows if row[-1]]

    return call


def test_base_to_new_and_then_few_shot_base_to_new_with_its_runs(run):
    for mode, jobs in (("b2n", "2 jobs: 0 done"), ("fs-b2n", "2 jobs, all done")):
        out, rows = run(mode, f"{mode}-CoOpDePT-demo-shots1.csv", "--datasets", "demo_digits")
        assert jobs in out and rows == ["demo_digits", "average"]


def test_cross_dataset_and_then_domain_generalisation_with_its_training(run):
    out, rows = run("xd", "xd-CoOpDePT-demo-shots1.csv", "--datasets", "demo_digits")
    assert "2 jobs" in out and rows == ["demo_shapes", "demo_digits", "average_xd"]
    out, rows = run("dg", "dg-CoOpDePT-demo-shots1.csv", "--datasets", "demo_shapes_striped")
    assert "2 jobs: 1 done, 1 to run" in out
    assert rows == ["demo_shapes", "demo_shapes_striped", "average_dg"]


def test_multi_task(run):
    out, rows = run("mt", "mt-CoOpDePT-demo-shots1.csv")
    assert "1 job" in out and rows == ["demo_suite"] * 4
