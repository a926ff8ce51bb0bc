"""The CSV against the published tally's output, and what an incomplete plan gives."""

import pytest

from runner.stats import AVERAGE, summarise
from runner.table import render
from runner.tally import base_to_new_csv, harmonic_mean

# Printed by the published tally (Koorye/DePT, utils/result_parser.py).
PUBLISHED = """\
dataset,base_acc_seed1,new_acc_seed1,H_seed1,base_acc_seed2,new_acc_seed2,H_seed2,\
base_acc_seed3,new_acc_seed3,H_seed3,base_acc,new_acc,H
imagenet,73.3,65.7,69.29,73.6,66.4,69.81,73.9,67.1,70.34,73.6,66.4,69.81
caltech101,76.3,70.7,73.39,76.6,71.4,73.91,76.9,72.1,74.42,76.6,71.4,73.91
dtd,70.3,60.7,65.15,70.6,61.4,65.68,70.9,62.1,66.21,70.6,61.4,65.68
average,73.3,65.7,69.28,73.6,66.4,69.8,73.9,67.1,70.32,73.6,66.4,69.81
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
    assert base_to_new_csv(["dtd", "caltech101", "imagenet"], [1, 2, 3], published_scores()) == (
        PUBLISHED
    )


def test_each_seed_is_rounded_to_one_decimal_first():
    scores = {place: value + 0.0449 for place, value in published_scores().items()}
    assert base_to_new_csv(["imagenet", "caltech101", "dtd"], [1, 2, 3], scores) == PUBLISHED


def test_columns_carry_the_real_seed_numbers():
    scores = {("dtd", "base", 7): 50.0, ("dtd", "new", 7): 50.0}
    header, row, average = base_to_new_csv(["dtd"], [7], scores).splitlines()
    assert header == "dataset,base_acc_seed7,new_acc_seed7,H_seed7,base_acc,new_acc,H"
    assert row == "dtd,50.0,50.0,50.0,50.0,50.0,50.0" and average == row.replace("dtd", "average")


def test_a_missing_run_leaves_its_fields_empty_and_the_row_out_of_the_average():
    scores = published_scores()
    del scores["dtd", "new", 2]
    lines = base_to_new_csv(["imagenet", "dtd"], [1, 2, 3], scores).splitlines()
    assert lines[2] == "dtd,70.3,60.7,65.15,70.6,,,70.9,62.1,66.21,70.6,,"
    assert lines[3] == lines[1].replace("imagenet", "average")


def test_nothing_complete_gives_an_empty_average():
    assert base_to_new_csv(["dtd"], [1], {}).splitlines()[1:] == ["dtd,,,,,,", "average,,,,,,"]


def test_unknown_datasets_stand_behind_the_published_ones():
    scores = {(d, c, 1): 1.0 for d in ("mine", "dtd") for c in ("base", "new")}
    lines = base_to_new_csv(["mine", "dtd"], [1], scores).splitlines()
    assert [line.split(",")[0] for line in lines] == ["dataset", "dtd", "mine", "average"]


@pytest.mark.parametrize("base, new, expected", [(0.0, 50.0, 0.0), (60.0, 30.0, 40.0)])
def test_harmonic_mean(base, new, expected):
    assert harmonic_mean(base, new) == pytest.approx(expected)


def test_spread_is_the_population_deviation_over_seeds():
    scores = {("dtd", "base", s): v for s, v in ((1, 70.0), (2, 72.0), (3, 77.0))}
    scores |= {("dtd", "new", s): 60.0 for s in (1, 2, 3)}
    summary = summarise("coop", ["dtd"], [1, 2, 3], scores)
    cell = summary.cells["dtd", "base"]
    assert cell.mean == pytest.approx(73.0)
    assert cell.std == pytest.approx(2.943920, abs=1e-6)  # sqrt((9 + 1 + 16) / 3)
    assert summary.cells["dtd", "H"].mean == pytest.approx(2 * 73 * 60 / 133)
    assert summary.cells[AVERAGE, "base"] == cell


def test_the_table_marks_what_is_not_whole():
    scores = {("dtd", "base", s): 70.0 + s for s in (1, 2)} | {("dtd", "new", 1): 60.0}
    scores |= {("eurosat", c, s): 50.0 for c in ("base", "new") for s in (1, 2)}
    text = render([summarise("coop", ["dtd", "eurosat"], [1, 2], scores)])
    assert "71.50 ± 0.50" in text and "60.00*" in text
    assert "coop: average over 1 of 2 datasets" in text
