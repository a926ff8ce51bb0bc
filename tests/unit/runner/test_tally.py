"""The CSV against the published tally's output, and what an incomplete plan gives."""

import pytest

from runner.results.lines import Line
from runner.results.tables import harmonic_mean
from runner.show.published_csv import accuracy_csv, base_to_new_csv, ranking_csv, shots_csv
from runner.show.text import render
from tests.unit.runner.folders import body, table_of

# Printed by the published tally (Koorye/DePT, utils/result_parser.py).
PUBLISHED = """\
dataset,base_acc_seed1,new_acc_seed1,H_seed1,base_acc_seed2,new_acc_seed2,H_seed2,\
base_acc_seed3,new_acc_seed3,H_seed3,base_acc,new_acc,H
imagenet,73.3,65.7,69.29,73.6,66.4,69.81,73.9,67.1,70.34,73.6,66.4,69.81
caltech101,76.3,70.7,73.39,76.6,71.4,73.91,76.9,72.1,74.42,76.6,71.4,73.91
dtd,70.3,60.7,65.15,70.6,61.4,65.68,70.9,62.1,66.21,70.6,61.4,65.68
average,73.3,65.7,69.28,73.6,66.4,69.8,73.9,67.1,70.32,73.6,66.4,69.81
"""
PUBLISHED_XD = """\
dataset,acc_seed1,acc_seed2,acc_seed3,acc
imagenet,50.4,50.8,51.2,50.8
caltech101,51.4,51.8,52.2,51.8
dtd,58.4,58.8,59.2,58.8
average_xd,54.9,55.3,55.7,55.3
imagenetv2,61.4,61.8,62.2,61.8
imagenet_r,64.4,64.8,65.2,64.8
average_dg,62.9,63.3,63.7,63.3
"""


def published_scores():
    starts = {"imagenet": (73.3, 65.7), "caltech101": (76.3, 70.7), "dtd": (70.3, 60.7)}
    return {
        (dataset, column, seed): start[i] + step * (seed - 1)
        for dataset, start in starts.items()
        for i, (column, step) in enumerate([("base", 0.3), ("new", 0.7)])
        for seed in (1, 2, 3)
    }


def test_the_published_example():
    lines = body("imagenet", "caltech101", "dtd")
    assert base_to_new_csv(table_of(published_scores(), lines, seeds=(1, 2, 3))) == PUBLISHED


def test_each_seed_is_rounded_to_one_decimal_first():
    scores = {place: value + 0.0449 for place, value in published_scores().items()}
    lines = body("imagenet", "caltech101", "dtd")
    assert base_to_new_csv(table_of(scores, lines, seeds=(1, 2, 3))) == PUBLISHED


def test_columns_carry_the_real_seed_numbers():
    scores = {("dtd", "base", 7): 50.0, ("dtd", "new", 7): 50.0}
    header, row, average = base_to_new_csv(table_of(scores, body("dtd"), seeds=[7])).splitlines()
    assert header == "dataset,base_acc_seed7,new_acc_seed7,H_seed7,base_acc,new_acc,H"
    assert row == "dtd,50.0,50.0,50.0,50.0,50.0,50.0" and average == row.replace("dtd", "average")


def test_a_missing_run_leaves_its_fields_empty_and_the_row_out_of_the_average():
    scores = published_scores()
    del scores["dtd", "new", 2]
    table = table_of(scores, body("imagenet", "dtd"), seeds=(1, 2, 3))
    lines = base_to_new_csv(table).splitlines()
    assert lines[2] == "dtd,70.3,60.7,65.15,70.6,,,70.9,62.1,66.21,70.6,,"
    assert lines[3] == lines[1].replace("imagenet", "average")


def test_nothing_complete_gives_an_empty_average():
    assert base_to_new_csv(table_of({}, body("dtd"))).splitlines()[1:] == [
        "dtd,,,,,,",
        "average,,,,,,",
    ]


def test_what_has_no_new_classes_is_averaged_over_base():
    scores = {("dtd", "base", seed): 70.0 + seed for seed in (1, 2)}
    table = table_of(scores, body("dtd"), seeds=(1, 2), columns=["base"])
    lines = base_to_new_csv(table).splitlines()
    assert lines[1:] == ["dtd,71.0,,,72.0,,,71.5,,", "average,71.0,,,72.0,,,71.5,,"]


def test_the_published_example_of_cross_dataset():
    starts = {"imagenet": 50.4, "caltech101": 51.4, "dtd": 58.4, "imagenetv2": 61.4}
    starts["imagenet_r"] = 64.4
    scores = {
        (dataset, "accuracy", seed): start + 0.4 * (seed - 1)
        for dataset, start in starts.items()
        for seed in (1, 2, 3)
    }
    lines = [
        Line("imagenet"),
        *body("caltech101", "dtd", average="average_xd"),
        *body("imagenetv2", "imagenet_r", average="average_dg"),
    ]
    how = {"columns": ["accuracy"], "seeds": (1, 2, 3), "mode": "xd"}
    assert accuracy_csv(table_of(scores, lines, **how), "accuracy") == PUBLISHED_XD
    none = table_of(scores, [*lines[:4], Line("average_dg", average=True)], **how)
    assert accuracy_csv(none, "accuracy").endswith("\naverage_dg,,,,\n")


def test_tasks_have_a_column_and_two_decimals():
    scores = {("general10/dtd", "accuracy", 1): 61.256, ("general10/a, b", "accuracy", 1): 70.0}
    lines = body("general10/dtd", "general10/a, b", average="general10/average")
    table = table_of(scores, [*lines, Line("plant6")], columns=["accuracy"], mode="mt")
    assert accuracy_csv(table, "accuracy").splitlines() == [
        "dataset,task,acc_seed1,acc",
        "general10,dtd,61.26,61.26",
        'general10,"a, b",70.0,70.0',
        "general10,average,65.63,65.63",
        "plant6,,,",
    ]


def test_shots_are_columns_of_means_over_seeds():
    scores = {("dtd", f"{k} shots", seed): 50.0 + k + seed for k in (2, 4) for seed in (1, 2)}
    del scores["dtd", "4 shots", 2]
    columns = ["2 shots", "4 shots"]
    text = shots_csv(table_of(scores, body("dtd"), columns=columns, seeds=(1, 2), mode="fs"))
    assert text == "dataset,shots2,shots4\ndtd,53.5,\naverage,,\n"


@pytest.mark.parametrize("base, new, expected", [(0.0, 50.0, 0.0), (60.0, 30.0, 40.0)])
def test_harmonic_mean(base, new, expected):
    assert harmonic_mean(base, new) == pytest.approx(expected)


def test_spread_is_the_population_deviation_over_seeds():
    scores = {("dtd", "base", s): v for s, v in ((1, 70.0), (2, 72.0), (3, 77.0))}
    scores |= {("dtd", "new", s): 60.0 for s in (1, 2, 3)}
    summary = table_of(scores, body("dtd"), seeds=[1, 2, 3])
    cell = summary.cells["dtd", "base"]
    assert cell.mean == pytest.approx(73.0)
    assert cell.std == pytest.approx(2.943920, abs=1e-6)  # sqrt((9 + 1 + 16) / 3)
    assert summary.cells["dtd", "H"].mean == pytest.approx(2 * 73 * 60 / 133)
    assert summary.cells["average", "base"] == cell


def test_the_table_marks_what_is_not_whole():
    scores = {("dtd", "base", s): 70.0 + s for s in (1, 2)} | {("dtd", "new", 1): 60.0}
    scores |= {("eurosat", c, s): 50.0 for c in ("base", "new") for s in (1, 2)}
    text = render([table_of(scores, body("dtd", "eurosat"), seeds=[1, 2])])
    assert "71.50 ± 0.50 [± 6.35]" in text and "60.00 (1 of 2 seeds)" in text
    assert "coop: average over 1 of 2 rows, those without a missing run; left out: dtd" in text


def measured(label, base, new=None):
    scores = {("dtd", "base", 1): base} | ({} if new is None else {("dtd", "new", 1): new})
    columns = ("base",) if new is None else ("base", "new")
    return table_of(scores, body("dtd"), columns=columns, label=label)


def test_many_experiments_are_one_table_sorted_by_h():
    summaries = [measured(f"m{i}", 60.0, 50.0 + i) for i in range(5)]
    summaries.insert(2, measured("probe", 90.0))
    text = render(summaries)
    rows = [line.split() for line in text.splitlines()[2:8]]
    assert [row[0] for row in rows] == ["m4", "m3", "m2", "m1", "m0", "probe"]
    assert rows[0][1:] == ["60.00", "54.00", "56.84"] and rows[-1][1:] == ["90.00", "-", "-"]
    assert ranking_csv(summaries).splitlines()[::6] == ["experiment,base,new,H", "probe,90.00,,"]


def test_an_average_over_fewer_rows_than_others_is_said():
    both = {("dtd", c, 1): 50.0 for c in ("base", "new")}
    more = both | {("eurosat", c, 1): 50.0 for c in ("base", "new")}
    summaries = [
        table_of(more, body("dtd", "eurosat")),
        table_of(both, body("dtd"), label="joint"),
    ]
    text = render(summaries)
    assert "joint: average over 1 of 2 rows" in text
    assert [line.split()[0] for line in text.splitlines()[2:7]] == [
        *("dtd", "joint", "eurosat", "average", "joint")
    ]
