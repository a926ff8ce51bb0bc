"""Protocols in the demo with the real train.py (fs: test_runner_archive.py)."""

import os
import re
from pathlib import Path

import pytest

from tests.support import command

WORDS = ("--cfg", "coop", "--seeds", "1")


@pytest.mark.parametrize(
    "mode, names",
    [
        ("b2n", ["demo_digits", "average"]),
        ("xd", ["demo_shapes", "demo_digits", "average_xd"]),
        ("mt", ["demo_suite"] * 4),
    ],
)
def test_a_table_has_what_the_protocol_tests_on(rows, demo_lab, mode, names):
    found = rows(demo_lab, f"{mode}-CoOp-demo-shots1.csv")
    assert [row["dataset"] for row in found if [*row.values()][-1]] == names


def test_few_shot_base_to_new_has_the_runs_of_base_to_new(demo, rows, own_lab):
    done = demo(own_lab, *WORDS, "--mode", "fs-b2n", "--datasets", "demo_digits")
    assert "2 jobs, all done" in done.stdout
    assert [row["dataset"] for row in rows(own_lab, "fs-b2n-CoOp-demo-shots1.csv")] == [
        *("demo_digits", "average")
    ]


def test_domain_generalisation_has_the_training_of_cross_dataset(demo, rows, own_lab):
    done = demo(own_lab, *WORDS, "--mode", "dg", "--datasets", "demo_shapes_striped")
    assert "2 jobs: 1 done, 1 to run" in done.stdout
    assert [row["dataset"] for row in rows(own_lab, "dg-CoOp-demo-shots1.csv")] == [
        *("demo_shapes", "demo_shapes_striped", "average_dg")
    ]


def test_make_demo_predicts_by_runs_that_it_leaves_and_a_picture_of_the_suite(demo_lab):
    text = (command.PROJECT / "Makefile").read_text(encoding="utf-8")
    values = dict(re.findall(r"^(\w+) := (.*)$", text, flags=re.MULTILINE))
    words = ("--demo", "--dry-run", "--cfg", *values["DEMO"].split())
    planned = command.python("parallel_runner.py", *words).stdout
    runs = values["RUNS"].split()
    assert len(runs) == 2
    for run in runs:
        assert f"--output-dir outputs/demo/{run}/{values['SEED']} " in planned
    assert Path(os.environ["PROMPTLAB_CACHE"], values["PICTURE"]).is_file()
