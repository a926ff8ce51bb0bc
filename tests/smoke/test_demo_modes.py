"""Protocols in the demo with the real train.py (fs: test_runner_archive.py, mt:
test_runner_tools.py)."""

import pytest

WORDS = ("--cfg", "coop_dept", "--seeds", "1")


@pytest.fixture(scope="module")
def lab(demo, tmp_path_factory):
    """A folder with the runs of b2n and xd, and what they have printed."""
    folder = tmp_path_factory.mktemp("lab")
    done = demo(folder, *WORDS, "--mode", "b2n", "xd", "--datasets", "demo_digits")
    assert "4 jobs: 0 done, 4 to run" in done.stdout
    return folder


def names(rows, lab, mode):
    """The first column of a table, of lines that have a number."""
    found = rows(lab, f"coop_dept/{mode}-CoOpDePT-demo-shots1.csv")
    return [row["dataset"] for row in found if [*row.values()][-1]]


def test_base_to_new_and_then_few_shot_base_to_new_with_its_runs(demo, rows, lab):
    done = demo(lab, *WORDS, "--mode", "fs-b2n", "--datasets", "demo_digits")
    assert "2 jobs, all done" in done.stdout
    for mode in ("b2n", "fs-b2n"):
        assert names(rows, lab, mode) == ["demo_digits", "average"]


def test_cross_dataset_and_then_domain_generalisation_with_its_training(demo, rows, lab):
    assert names(rows, lab, "xd") == ["demo_shapes", "demo_digits", "average_xd"]
    done = demo(lab, *WORDS, "--mode", "dg", "--datasets", "demo_shapes_striped")
    assert "2 jobs: 1 done, 1 to run" in done.stdout
    assert names(rows, lab, "dg") == ["demo_shapes", "demo_shapes_striped", "average_dg"]
