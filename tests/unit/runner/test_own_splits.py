"""The mark of datasets whose split file is not the published one, from result.json to the table."""

import csv
import json

import pytest

from runner.files.records import RunResult, TaskResult, read_result
from runner.show.published_csv import ranking_csv
from runner.show.text import OWN_SPLIT, render
from tests.unit.runner.folders import body, table_of

FOOTNOTE = f"* behind a name: {OWN_SPLIT}"
LINES = body("dtd", "eurosat")


def summary(label="coop", own=("dtd",), scores=None):
    every = {(d, c, 1): 50.0 for d in ("dtd", "eurosat") for c in ("base", "new")}
    return table_of(scores or every, LINES, own=own, label=label)


def names(text, rows, first=2):
    return [line.split()[0] for line in text.splitlines()[first : first + rows]]


def test_a_run_on_an_own_split_is_starred_on_screen_and_nowhere_in_the_csv(lab):
    lab.rules = [{"match": "/eurosat/", "split_note": "made here", "accuracy": 50.0}]
    done = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if " 50.00 " in line] == [
        "eurosat*"
    ]
    assert FOOTNOTE in done.stdout and "\ndtd " in done.stdout and "\naverage* " in done.stdout
    table = next(lab.path.glob("results/coop/*.csv"))
    assert [row["dataset"] for row in csv.DictReader(table.open())] == ["dtd", "eurosat", "average"]


def test_without_an_own_split_nothing_is_starred():
    text = render([summary(own=())])
    assert "*" not in text


def test_an_average_without_the_starred_row_is_not_starred():
    scores = {("eurosat", c, 1): 50.0 for c in ("base", "new")} | {("dtd", "base", 1): 50.0}
    text = render([summary(scores=scores)])
    assert names(text, 3, first=4) == ["dtd*", "eurosat", "average"]


def test_of_several_experiments_the_one_with_the_own_split_is_starred():
    text = render([summary("old"), summary("new", own=())])
    rows = [line.split()[:2] for line in text.splitlines()[2:4]]
    assert rows[0] == ["dtd*", "old*"] and rows[1][0] == "new"
    assert FOOTNOTE in text


def test_a_ranking_stars_the_experiment_and_its_csv_does_not():
    summaries = [summary(f"m{i}", own=("dtd",) if i == 1 else ()) for i in range(5)]
    text = render(summaries)
    assert names(text, 5) == ["m0", "m1*", "m2", "m3", "m4"] and FOOTNOTE in text
    assert "*" not in ranking_csv(summaries)


@pytest.mark.parametrize("note", ["", None])
def test_a_result_says_who_made_the_split_of_each_task(tmp_path, note):
    task = {"name": "scenes", "dataset": "sun397", "metric": 60.0}
    tasks = [{**task, "split_note": "made here"}, {**task, "dataset": "dtd", "split_note": note}]
    content = {"accuracy": 60.0, "split_note": "sun397: made here", "tasks": tasks}
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert read_result(tmp_path) == RunResult(
        60.0,
        None,
        tasks=(
            TaskResult("scenes", "sun397", 60.0, "made here"),
            TaskResult("scenes", "dtd", 60.0),
        ),
        split_note="sun397: made here",
    )


def test_of_a_joint_run_the_own_task_alone_is_starred(lab):
    lab.rules = [{"match": "Joint", "task_split_notes": {"demo_digits": "made here"}}]
    done = lab.run("--cfg", "joint", "--demo", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    table = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("demo_suite/")]
    assert table == [
        *("demo_suite/demo_shapes", "demo_suite/demo_textures", "demo_suite/demo_digits*"),
        "demo_suite/average*",
    ]
