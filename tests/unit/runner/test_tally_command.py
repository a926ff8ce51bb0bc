"""`python -m runner tally`: its files against the published tally's and the runner's own, its text,
and what it refuses."""

import csv
import io
import math
import os

import pytest

from runner.__main__ import main
from runner.results.tables import Spread
from tests.unit.runner.folders import log, result, run_folder
from tests.unit.runner.test_tally import PUBLISHED, PUBLISHED_XD

STARTS = {"imagenet": (73.3, 65.7), "caltech101": (76.3, 70.7), "dtd": (70.3, 60.7)}
SCRIPT = "base2new/{step}/{dataset}/shots_16/CoOp/vit_b16/seed{seed}"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def published(root, make):
    """The runs of the published example, as `make(root, step, dataset, seed)` names the folders."""
    for dataset, (base, new) in STARTS.items():
        for seed in (1, 2, 3):
            log(make(root, "train_base", dataset, seed), base + 0.3 * (seed - 1))
            place = make(root, "test_new", dataset, seed)
            log(place, new + 0.7 * (seed - 1), trained=False)


def of_scripts(root, step, dataset, seed):
    return root / SCRIPT.format(step=step, dataset=dataset, seed=seed)


def tally(capsys, *words):
    """Run it; returns exit code, output and errors."""
    code = main(["tally", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("make", [run_folder, of_scripts])
def test_the_published_example(tmp_path, capsys, make):
    published(tmp_path / "runs", make)
    code, out, _ = tally(capsys, "runs", "--mode", "b2n", "--out", "b2n.csv")
    assert code == 0 and (tmp_path / "b2n.csv").read_text() == PUBLISHED
    assert "table:   b2n.csv" in out and not (tmp_path / "results").exists()


def test_the_published_example_of_cross_dataset(tmp_path, capsys):
    starts = {"imagenet": 50.4, "caltech101": 51.4, "dtd": 58.4, "imagenetv2": 61.4}
    for dataset, start in {**starts, "imagenet_r": 64.4}.items():
        for seed in (1, 2, 3):
            folder = run_folder(tmp_path / "runs", "", dataset, seed)
            log(folder, start + 0.4 * (seed - 1), trained=dataset == "imagenet")
    assert tally(capsys, "runs", "--out", "xd.csv")[0] == 0
    assert (tmp_path / "xd.csv").read_text() == PUBLISHED_XD
    assert tally(capsys, "runs", "--mode", "dg", "--out", "dg.csv")[0] == 0
    names = [line.split(",")[0] for line in (tmp_path / "dg.csv").read_text().splitlines()]
    assert names == ["dataset", "imagenet", "imagenetv2", "imagenet_r", "average_dg"]


@pytest.mark.parametrize("mode", ["xd", "dg", "fs", "fs-b2n"])
def test_it_writes_what_the_runner_has_written(lab, capsys, mode):
    shots = ["--shots", "1", "2"] if mode == "fs" else ["--shots", "4"] if mode == "fs-b2n" else []
    datasets = "imagenetv2" if mode == "dg" else "dtd"
    words = ["--datasets", datasets, "--seeds", "1", "7", *shots]
    assert lab.run("--cfg", "coop", "--mode", mode, *words).returncode == 0
    assert tally(capsys, "outputs/coop", "--out", "tables")[0] == 0
    written = {path.name: path.read_text() for path in lab.path.glob("results/coop/*.csv")}
    found = {path.name: path.read_text() for path in lab.path.glob("tables/*.csv")}
    del found["runs.csv"]
    assert {name.replace("fs-b2n", "b2n"): text for name, text in written.items()} == found


def test_runs_over_several_tasks_have_a_row_for_each(lab, capsys):
    words = ["--datasets", "fashion20,general10", "--seeds", "1", "2"]
    assert lab.run("--cfg", "joint", *words).returncode == 0
    assert tally(capsys, "outputs/joint", "--out", "mt.csv")[0] == 0
    assert (lab.path / "mt.csv").read_text() == (
        lab.path / "results/joint/mt-Joint-joint.csv"
    ).read_text()
    assert tally(capsys, "outputs/joint", "--mode", "fs", "--out", "fs.csv")[0] == 0
    names = [line.split(",")[0] for line in (lab.path / "fs.csv").read_text().splitlines()]
    assert names == ["dataset", "dtd", "eurosat", "task 0", "task 1", "average"]


def test_both_kinds_of_h_are_named_and_the_interval_is_students(tmp_path, capsys):
    published(tmp_path / "runs", run_folder)
    _, out, _ = tally(capsys, "runs")
    (average,) = [line for line in out.splitlines() if line.startswith("average ")]
    # 4.3027 * sqrt(0.06 / 2) ...: base 73.3, 73.6, 73.9
    half = 4.302653 * 0.3 / math.sqrt(3)
    assert f"73.60 ± 0.24 [± {half:.2f}]" in average
    assert [cell for cell in average.split() if cell.startswith("69.8")] == ["69.81", "69.80"]
    assert "H: harmonic mean of the mean base" in out and "mean of H: mean of the H of" in out
    assert "Student's t" in out


@pytest.mark.parametrize("seeds, expected", [(2, 12.706205), (3, 4.302653), (10, 2.262157)])
def test_the_interval_is_students(seeds, expected):  # tables of the t distribution, 97.5 %
    half = Spread(70.0, 2.0, seeds).interval
    assert half == pytest.approx(expected * 2.0 / math.sqrt(seeds - 1), abs=1e-5)
    assert Spread(70.0, 0.0, 1).interval is None


def test_missing_and_failed_cells_are_shown_and_named(tmp_path, capsys):
    root = tmp_path / "runs"
    published(root, run_folder)
    (run_folder(root, "train_base", "dtd", 2) / "log.txt").unlink()
    broken = run_folder(root, "test_new", "dtd", 3)
    (broken / "log.txt").unlink()
    (broken / "exceptions.txt").write_text("Traceback (most recent call last):\nKeyError: 'x'\n")
    for seed in (1, 2, 3):
        log(run_folder(root, "train_base", "eurosat", seed), 60.0)
    code, out, _ = tally(capsys, "runs", "--out", "b2n.csv")
    assert code == 0
    lines = out.splitlines()
    assert "not there: dtd base seed 2: missing: no result.json or log.txt" in lines
    assert "not there: dtd new seed 3: failed: KeyError: 'x'" in lines
    assert "not there: eurosat new seeds 1 2 3: missing: there is no folder of it" in lines
    said = "average over 2 of 4 rows, those without a missing run; left out: dtd, eurosat"
    assert any(line.endswith(f": {said}") for line in lines)
    assert any(line.startswith("dtd ") and "(2 of 3 seeds)" in line for line in lines)
    assert any(line.startswith("eurosat ") and line.endswith("missing") for line in lines)
    rows = (tmp_path / "b2n.csv").read_text().splitlines()
    assert "dtd,70.3,60.7,65.15,,61.4,,70.9,,,,," in rows
    complete = [row for row in PUBLISHED.splitlines() if row.startswith(("imagenet", "caltech"))]
    assert rows[1:3] == complete and rows[-1].startswith("average,74.8,68.2,")


def test_every_run_and_task_is_a_row_of_the_long_file(tmp_path, capsys):
    tasks = [{"name": "a", "dataset": "dtd", "metric": 61.25}]
    result(run_folder(tmp_path / "runs", "train_all", seed=1), 80.123456789, tasks=tasks)
    run_folder(tmp_path / "runs", "train_all", seed=2).mkdir(parents=True)
    assert tally(capsys, "runs", "--out", "fs.csv", "--long", "all.csv")[0] == 0
    done, missing = csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text()))
    assert (done["overall"], done["state"], done["dataset"]) == ("80.123456789", "done", "dtd")
    assert (done["seconds_per_epoch"], done["test_images_per_second"]) == ("5.0", "250.0")
    assert (done["trainable_parameters"], done["peak_memory_mb"]) == ("2048", "900.0")
    assert (done["task_dataset"], done["accuracy"], done["commit"]) == ("dtd", "61.25", "abc")
    assert (missing["state"], missing["accuracy"]) == ("missing", "")


def test_results_of_older_versions_leave_costs_empty(tmp_path, capsys):
    older = {"trainable_parameters": None, "epochs": None}
    result(run_folder(tmp_path / "runs", "train_all"), **older)
    _, out, _ = tally(capsys, "runs")
    costs = [line for line in out.splitlines() if line.startswith("cost: ")]
    assert costs == [
        "cost: peak memory, MiB: mean 900, 1 run",
        "cost: test images per second: mean 250.0, 1 run",
    ]


def test_each_trainer_yaml_and_number_of_shots_has_a_file(tmp_path, capsys):
    for more in ({}, {"trainer": "MaPLe"}, {"cfg": "b"}, {"shots": 4}):
        result(run_folder(tmp_path / "runs/x", "train_base", **more))
    result(run_folder(tmp_path / "runs/y/weights-zoo", "test_base"))
    assert tally(capsys, "runs")[0] == 0
    out = tmp_path / "results/tally/runs"
    assert {str(path.relative_to(out)) for path in out.rglob("*.csv")} == {
        "runs.csv",
        "x/b2n-CoOp-b.csv",
        "x/b2n-CoOp-vit_b16-shots4.csv",
        "x/b2n-CoOp-vit_b16.csv",
        "x/b2n-MaPLe-vit_b16.csv",
        "y/weights-zoo/b2n-CoOp-vit_b16-weights-zoo.csv",
    }


def test_one_file_takes_a_row_for_each_of_several_tables_of_a_mode(tmp_path, capsys):
    for trainer, accuracy in (("CoOp", 80.0), ("MaPLe", 90.0)):
        for step in ("train_base", "test_new"):
            result(run_folder(tmp_path / "runs/x", step, trainer=trainer), accuracy)
    assert tally(capsys, "runs", "--out", "x.csv")[0] == 0
    assert (tmp_path / "x.csv").read_text() == (
        "experiment,base,new,H\n"
        '"x MaPLe vit_b16, 16 shots",90.00,90.00,90.00\n'
        '"x CoOp vit_b16, 16 shots",80.00,80.00,80.00\n'
    )
    result(run_folder(tmp_path / "runs/x", "train_all"))
    code, _, err = tally(capsys, "runs", "--out", "y.csv")
    assert code == 2 and not (tmp_path / "y.csv").exists()
    assert err == (
        "error: --out y.csv: one file, but tables of 2 modes: b2n, fs; give a folder, or narrow by "
        "--mode or a DIR further down\n"
    )


def test_the_newer_of_two_runs_of_a_cell_counts_and_the_other_is_named(tmp_path, capsys):
    old = log(of_scripts(tmp_path, "train_base", "dtd", 1), 70.0)
    log(of_scripts(tmp_path, "test_base", "dtd", 1), 75.0)
    os.utime(old / "log.txt", (1e9, 1e9))
    _, out, _ = tally(capsys, "base2new", "--out", "b2n.csv")
    assert f"not counted, since another run of its cell is newer: {old}" in out
    assert "dtd,75.0," in (tmp_path / "b2n.csv").read_text()


def test_a_folder_of_one_step_says_what_is_not_in_it(tmp_path, capsys):
    published(tmp_path / "runs", run_folder)
    for step, other in (("train_base", "new"), ("test_new", "base")):
        code, out, _ = tally(capsys, f"runs/{step}")
        assert code == 0 and f"no run on {other} classes is here" in out.splitlines()
        assert "b2n: runs CoOp vit_b16, 16 shots, seeds 1 2 3" in out


def test_runs_by_hand_are_listed(tmp_path, capsys):
    result(tmp_path / "runs/mine", dataset="Digits", seed=1)
    code, out, _ = tally(capsys, "runs")
    assert code == 0 and "table:   results/tally/runs/runs.csv" in out
    assert "in no table, by hand: CoOp Digits seed1, all classes: accuracy 80.04 (runs/mine)" in out


@pytest.mark.parametrize(
    "words, said",
    [
        (["nowhere"], "nowhere: no such folder"),
        (["file"], "file: a file; give the folder of runs"),
        (["photos"], "photos: no run below it; looked for [train_base|test_new|...]/<trainer>/"),
        (["empty"], "empty: no run with a result; 1 missing, the first: no result.json or log.txt"),
        (
            ["runs", "--mode", "xd"],
            "runs: no run of mode xd with a result; there are 1 done of b2n",
        ),
        (
            ["both", "--mode", "fs"],
            "both: no run of mode fs with a result; there are 1 missing of fs, 1 done of b2n",
        ),
        (["runs", "--out", "file/x"], "cannot write file/x/b2n-CoOp-vit_b16.csv: Not a directory"),
    ],
)
def test_what_is_no_output_folder_is_told_in_one_line(tmp_path, capsys, words, said):
    (tmp_path / "file").write_text("")
    (tmp_path / "photos/cats").mkdir(parents=True)
    run_folder(tmp_path / "empty", "train_base").mkdir(parents=True)
    result(run_folder(tmp_path / "runs", "train_base"))
    result(run_folder(tmp_path / "both", "train_base"))
    run_folder(tmp_path / "both", "train_all").mkdir(parents=True)
    code, _, err = tally(capsys, *words)
    assert code == 2 and err.startswith(f"error: {said}") and err.count("\n") == 1
