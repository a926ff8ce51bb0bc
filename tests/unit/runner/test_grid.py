"""Sweeps: points, their folders and options, and the table that ranks them."""

import copy
import csv
import json
import shutil

import pytest

from runner.errors import UserError
from runner.plan.experiment import read_experiment
from runner.plan.grid import Axis, parse_axis, points
from tests.unit.runner import lab as labs

WORDS = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1,2")
RUN = "CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35"
GRID = ("--grid", "OPTIM.LR=0.1,0.2", "TRAINER.COOP.N_CTX=4")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A lab in which every run of GRID has ended."""
    made = labs.Lab(tmp_path_factory.mktemp("grid") / "lab")
    assert made.run(*WORDS, *GRID).returncode == 0
    return made


@pytest.fixture
def grid(finished, tmp_path):
    """A copy of it, without tables."""
    made = copy.copy(finished)
    made.path, made.rules = tmp_path / "lab", []
    shutil.copytree(finished.path, made.path, ignore=shutil.ignore_patterns("results"))
    made.forget()
    return made


def edit(lab, match, **values):
    """Put values into the results of the folders that match; without any, take these away."""
    for path in list(lab.path.glob("outputs/**/result.json")):
        if match not in str(path):
            continue
        if not values:
            shutil.rmtree(path.parent)
        elif "val_accuracy" not in values or "/train" in str(path):
            path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def ranking(lab, name="grid-b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"):
    with (lab.path / "results/coop" / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("A.B=1,2", ("1", "2")),
        ("A.B=1, 2", ("1", "2")),
        ("A.B=(1,2),[3,4]", ("(1,2)", "[3,4]")),
        ("A.B='a,b',c", ("'a,b'", "c")),
        ("A.B=a=b", ("a=b",)),
    ],
)
def test_values_are_parted_at_commas_outside_of_brackets_and_quotes(word, values):
    assert parse_axis(word) == Axis("A.B", values)


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("A.B=(1,2", "a bracket or quote is not closed"),
        ("A.B=1,[2,(3,4)", "a bracket or quote is not closed"),
        ("A.B='a,b", "a bracket or quote is not closed"),
    ],
)
def test_values_that_are_not_whole_are_refused_in_one_line(lab, word, wrong):
    done = lab.run(*WORDS, "--grid", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --grid {word}: {wrong}\n"


def test_points_are_all_combinations_in_folders_by_the_last_part_of_the_keys():
    axes = [Axis("A.W", ("0.7", "0.5")), Axis("A.EXP", ("6.5", "(1, 2)"))]
    found = points(axes)
    assert [point.folder for point in found] == [
        *("W0.7_EXP6.5", "W0.7_EXP1-2", "W0.5_EXP6.5", "W0.5_EXP1-2"),
    ]
    assert found[0].values == (("A.W", "0.7"), ("A.EXP", "6.5"))


def test_keys_of_one_last_part_are_told_apart():
    (point,) = points([Axis("A.LR", ("1",)), Axis("B.LR", ("2",))])
    assert point.folder == "A.LR1_B.LR2"


@pytest.mark.parametrize("word", ["../x", "/etc/x", "a b;c", "é\n"])
def test_a_value_makes_a_safe_name(word):
    (point,) = points([Axis("A.B", (word,))])
    assert set(point.folder) <= {*"Babcetx-.;"} - {";"} and "/" not in point.folder
    assert point.options[1] == word


def test_two_points_never_share_a_folder(lab):
    done = lab.run(*WORDS, "--grid", "A.B=a/b,a-b", "--dry-run")
    assert done.returncode == 2 and "are runs of different settings in one folder" in done.stderr
    assert len(points([parse_axis("A.B=4,4,5")])) == 2


def test_every_job_of_a_point_has_its_options_its_folder_and_its_own_key(lab):
    done = lab.run(*WORDS, *GRID, "--dry-run", "OPTIM.NAME", "sgd")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2 * 2 * 2 * 2
    ours = [line for line in lines if "outputs/coop/LR0.2_N_CTX4/" in line]
    assert len(ours) == 8
    end = "OPTIM.NAME sgd OPTIM.LR 0.2 TRAINER.COOP.N_CTX 4 TEST.VALIDATE_AT_END True"
    assert all(line.endswith(end) for line in ours)
    assert len({line.split("--job-key ")[1][:64] for line in lines}) == 16


def test_points_are_ranked_on_validation_and_test_accuracy_has_no_part_in_it(grid):
    edit(grid, "LR0.1_N_CTX4/train", val_accuracy=60.0, accuracy=99.0)
    edit(grid, "LR0.2_N_CTX4/train_base/CoOp/dtd", val_accuracy=70.0, accuracy=10.0)
    done = grid.run(*WORDS, *GRID)
    assert done.returncode == 0, done.stderr
    assert "Best: OPTIM.LR 0.2 TRAINER.COOP.N_CTX 4 (chosen on validation images)" in done.stdout
    first, second = ranking(grid)
    assert list(first)[:5] == [
        *("OPTIM.LR", "TRAINER.COOP.N_CTX", "val_acc", "val_acc_std", "runs_missing")
    ]
    # dtd 70, eurosat 81 and 82
    assert (first["OPTIM.LR"], first["val_acc"], first["val_acc_std"]) == ("0.2", "75.75", "0.25")
    assert (second["OPTIM.LR"], second["val_acc"], second["test_base"]) == ("0.1", "60.00", "99.00")
    assert first["chosen_on"] == "validation images"
    tables = {path.name for path in (grid.path / "results/coop").glob("b2n-*.csv")}
    stem = "b2n-CoOp-vit_b16_ep10_bs4_lr35"
    assert tables == {f"{stem}-LR0.1_N_CTX4.csv", f"{stem}-LR0.2_N_CTX4.csv"}


def test_ranking_on_test_images_is_asked_for_and_marked_and_runs_nothing_again(grid):
    edit(grid, "LR0.1_N_CTX4/", val_accuracy=60.0, accuracy=99.0)
    edit(grid, "LR0.2_N_CTX4/", val_accuracy=70.0, accuracy=10.0)
    grid.run(*WORDS, *GRID)
    grid.forget()
    done = grid.run(*WORDS, *GRID, "--rank-by", "test")
    assert done.returncode == 0 and grid.events("start") == []
    assert "Chosen on test images: these are no results to report." in done.stdout
    rows = ranking(grid, "grid-b2n-CoOp-vit_b16_ep10_bs4_lr35-chosen-on-test.csv")
    assert [row["OPTIM.LR"] for row in rows] == ["0.1", "0.2"]
    assert {row["chosen_on"] for row in rows} == {"test images"}
    assert [row["OPTIM.LR"] for row in ranking(grid)] == ["0.2", "0.1"]


def test_without_validation_images_nothing_is_ranked(grid):
    edit(grid, "", val_accuracy=None)
    done = grid.run(*WORDS, *GRID)
    assert "Ranking is not possible: no validation images of dtd, eurosat." in done.stdout
    assert "Best" not in done.stdout
    rows = ranking(grid)
    assert [row["OPTIM.LR"] for row in rows] == ["0.1", "0.2"]
    assert {row["chosen_on"] for row in rows} == {""} and {row["val_acc"] for row in rows} == {""}


def test_a_dataset_without_validation_images_has_no_part_in_the_ranking(grid):
    edit(grid, "dtd", val_accuracy=None)
    done = grid.run(*WORDS, *GRID)
    assert "Without validation images, and so without part in it: dtd." in done.stdout
    assert {(row["val_acc"], row["runs_missing"]) for row in ranking(grid)} == {("81.50", "no")}


def test_a_point_with_a_failed_run_stands_behind_the_others(grid):
    edit(grid, "LR0.1_N_CTX4/train", val_accuracy=95.0)
    edit(grid, f"LR0.1_N_CTX4/train_base/{RUN}/seed1")
    grid.rules = [{"match": f"LR0.1_N_CTX4/train_base/{RUN}/seed1", "exit": 1}]
    done = grid.run(*WORDS, *GRID)
    assert done.returncode == 1
    assert [(row["OPTIM.LR"], row["runs_missing"]) for row in ranking(grid)] == [
        *(("0.2", "no"), ("0.1", "yes")),
    ]
    assert "Best: OPTIM.LR 0.2" in done.stdout


def test_equal_points_are_told_and_keep_their_order(grid):
    edit(grid, "", split_note="made here")
    done = grid.run(*WORDS, *GRID)
    assert [row["OPTIM.LR"] for row in ranking(grid)] == ["0.1", "0.2"]
    assert "(chosen on validation images)." in done.stdout
    assert "the split is not a published one" in done.stdout


def test_a_point_without_any_result_is_a_row_without_numbers(grid):
    edit(grid, "LR0.1_N_CTX4/")
    grid.rules = [{"match": "LR0.1_N_CTX4/", "exit": 1}]
    grid.run(*WORDS, *GRID)
    last = ranking(grid)[-1]
    assert (last["OPTIM.LR"], last["runs_missing"]) == ("0.1", "yes")
    assert last["val_acc"] == last["test_base"] == last["test_H"] == ""
    assert len(list((grid.path / "results/coop").glob("b2n-*.csv"))) == 1


def test_a_point_that_train_py_refuses_does_not_end_the_others(lab):
    refused = {"match": "LR0.1_N_CTX4/", "exit": 2, "says": "error: OPTIM.LR = 0.1: too high"}
    lab.rules = [refused]
    done = lab.run(*WORDS, *GRID, "--jobs-per-gpu", "1")
    assert done.returncode == 1
    assert sum("LR0.2_N_CTX4" in line["out"] for line in lab.events("end")) == 8


def test_the_grid_wins_over_the_entrys_options(lab, monkeypatch):
    entry = {"train": {"trainer": "CoOp", "cfg": "vit_b16", "opts": ["A.B", 1]}}
    monkeypatch.setitem(labs.ENTRIES, "mine", {**entry, "grid": {"A.B": [2, 3]}})
    done = lab.run("--cfg", "mine", "--datasets", "dtd", "--seeds", "1", "--dry-run")
    assert done.returncode == 0, done.stderr
    ends = {line.split(" A.B 1 ")[1] for line in done.stdout.splitlines()}
    assert ends == {f"A.B {value} TEST.VALIDATE_AT_END True" for value in (2, 3)}
    words = ("--cfg", "mine", "--datasets", "dtd", "--seeds", "1", "--dry-run")
    shown = lab.run(*words, "--grid", "C.D=5").stdout
    assert "/mine/D5/" in shown and "A.B 2" not in shown


def test_a_key_in_the_grid_and_among_the_options_is_refused(lab):
    done = lab.run("--cfg", "coop", *GRID, "OPTIM.LR", "0.5")
    assert done.returncode == 2
    assert done.stderr == (
        "error: OPTIM.LR: stands in the grid of coop and among the KEY VALUE options; leave one "
        "out\n"
    )
    done = lab.run("--cfg", "coop", *GRID, "TEST.VALIDATE_AT_END", "False")
    assert "TEST.VALIDATE_AT_END: set by the runner for the runs of a grid" in done.stderr


def test_a_grid_in_configs_is_checked():
    train = {"trainer": "X", "cfg": "y", "shots": 1, "seeds": [1], "loadep": -1, "opts": []}
    grid = {"A.WEIGHT": [0.7, 0.5], "A.C": [True, (1, 2)]}
    entry = read_experiment("mine", {"train": train, "grid": grid})
    assert entry.grid == (*(Axis("A.WEIGHT", ("0.7", "0.5")), Axis("A.C", ("True", "(1, 2)"))),)
    wrong = {"SEED": [1], "A.B": 3, "A.C": {"values": [1]}, "LR": [1]}
    with pytest.raises(UserError) as error:
        read_experiment("mine", {"train": train, "grid": wrong})
    assert error.value.problems == [
        "configs.py, mine: grid.A.B: must be a list of values",
        "configs.py, mine: grid.A.C: must be a list of values",
        "configs.py, mine: grid.SEED: set by the runner for every run; use --seeds for seeds",
        "configs.py, mine: grid.LR: not a key; options are KEY VALUE, as OPTIM.LR 0.002",
    ]


def test_few_shot_ranks_over_all_shots_and_keeps_its_tables(lab):
    done = lab.run(
        *("--cfg", "coop", "--mode", "fs", "--shots", "1,2", "--datasets", "dtd", "--seeds", "1"),
        *("--grid", "OPTIM.LR=0.1,0.2"),
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (lab.path / "results/coop").glob("*.csv")}
    assert {"grid-fs-CoOp.csv", "fs-CoOp-LR0.1.csv"} <= names
    assert "fs-CoOp-vit_b16_ep50-shots1-LR0.1.csv" in names


def test_a_grid_over_what_trains_nothing_says_so(lab):
    done = lab.run(
        *("--cfg", "zsclip", "--datasets", "dtd", "--grid", "INPUT.SIZE=224,225", "--seeds", "1")
    )
    assert done.returncode == 0, done.stderr
    assert "Ranking is not possible: nothing is trained, so nothing is validated" in done.stdout
