"""What result.json states of a run: in the table of runs, in means that leave no odd run in, and
behind a number that is asked about."""

import pytest

from runner.__main__ import main
from runner.results import load_runs
from runner.results.groups import make_tables
from tests.unit.runner.folders import collect, result, run_folder
from tests.unit.runner.report_pages import page_of

SHA = "0123456789abcdef" * 4
STATED = {
    "backbone": {"name": "ViT-B/16", "sha256": SHA, "activation": "quick_gelu", "layout": "x"},
    "checkpoint": {"files": [{"path": "prompt/model.pth.tar-10", "sha256": SHA}], "epoch": 10},
    "initial_weights": None,
    "dataset": {
        "split_file": {"path": "split.json", "sha256": SHA},
        **{"classnames_sha256": SHA, "num_train": 32, "num_val": 8, "num_test": 100},
        **{"fewshot_sha256": SHA, "partial": False},
    },
    "transforms": {"train": "crop", "test": "resize"},
    **{"precision": "amp", "torch": "2.10", "gpu": "H200"},
}


def stating(root, step="train_base", *, accuracy=80.0, provenance=None, dataset="dtd", seed=1):
    folder = run_folder(root, step, dataset, seed)
    return result(folder, accuracy, provenance=STATED if provenance is None else provenance)


def changed(**parts):
    """STATED with other values: a part's by name, a whole part in place of one."""
    new = {key: {**(STATED[key] or {}), **value} if isinstance(value, dict) else value
           for key, value in parts.items()}  # fmt: skip
    return {**STATED, **new}


def two_datasets(root, odd=None, steps=("train_base",), seeds=(2,)):
    """Base and new classes of two datasets, three seeds; those of dtd state something else."""
    for dataset in ("dtd", "eurosat"):
        for seed in (1, 2, 3):
            for step in ("train_base", "test_new"):
                other = dataset == "dtd" and step in steps and seed in seeds
                stating(root, step, dataset=dataset, seed=seed, provenance=odd if other else None)
    return make_tables(load_runs(root, settings=False))[0]


def test_it_is_in_the_table_of_runs(tmp_path):
    stating(tmp_path)
    (run,) = collect(tmp_path)
    assert (run.backbone, run.backbone_sha256, run.activation) == ("ViT-B/16", SHA, "quick_gelu")
    assert (run.checkpoint, run.epoch) == (f"prompt/model.pth.tar-10 {SHA}", 10)
    assert (run.split_sha256, run.num_train, run.images_test) == (SHA, 32, 100)
    assert (run.partial, run.initial_weights, run.precision, run.gpu) == ("", "", "amp", "H200")


def test_an_untrained_run_and_tasks_of_their_own(tmp_path):
    datasets = [{**STATED["dataset"], "num_test": count} for count in (7, 8)]
    tasks = [{"name": name, "dataset": name, "metric": 50.0} for name in ("dtd", "eurosat")]
    provenance = {**STATED, "checkpoint": "untrained", "dataset": datasets}
    result(run_folder(tmp_path, "train_all"), tasks=tasks, provenance=provenance)
    runs = collect(tmp_path)
    assert [(run.images_test, run.checkpoint, run.epoch) for run in runs] == [
        *((7, "untrained", None), (8, "untrained", None)),
    ]


@pytest.mark.parametrize("broken", [3, [], {"backbone": "x", "dataset": [], "checkpoint": 7}])
def test_a_broken_one_is_unknown(tmp_path, broken):
    stating(tmp_path, provenance=broken)
    (run,) = collect(tmp_path)
    assert (run.state, run.images_test, run.epoch) == ("done", None, None)


ODD = {
    "backbone_sha256 another (others: 0123456789ab…)": changed(backbone={"sha256": "another"}),
    "activation gelu (others: quick_gelu)": changed(backbone={"activation": "gelu"}),
    "epoch 2 (others: 10)": changed(checkpoint={"epoch": 2}),
    "tested untrained (others: a checkpoint)": changed(checkpoint="untrained"),
    "num_train 31 (others: 32)": changed(dataset={"num_train": 31}),
    "transforms_test crop (others: resize)": changed(transforms={"test": "crop"}),
    "precision fp32 (others: amp)": changed(precision="fp32"),
}


@pytest.mark.parametrize("said", ODD, ids=lambda said: said.split()[0])
def test_a_cell_with_an_odd_run_has_no_mean_and_names_it(tmp_path, said):
    table = two_datasets(tmp_path, ODD[said])
    folder = run_folder(tmp_path, "train_base", "dtd", 2)
    assert table.odd["dtd", "base"] == [f"{folder}: {said}"]
    assert ("dtd", "base") not in table.cells and ("dtd", "H") not in table.cells
    assert table.cells["dtd", "new"].count == 3 and table.cells["eurosat", "H"].count == 3
    assert table.complete["average"] == ("eurosat",)


@pytest.mark.parametrize(
    "same",
    [
        changed(dataset={"fewshot_sha256": "x"}),
        changed(torch="2.9", gpu="A100"),
        changed(initial_weights={"path": "seed2", "sha256": "x"}),
        {},
    ],
    ids=["draw", "machine", "initial weights", "nothing stated"],
)
def test_what_may_differ_between_seeds_or_is_unknown_leaves_the_mean(tmp_path, same):
    table = two_datasets(tmp_path, same)
    assert table.odd == {} and table.cells["average", "H"].count == 3


def test_the_epochs_of_best_models_differ_but_best_and_last_do_not_mix(tmp_path):
    best = [{"path": "prompt/model-best.pth.tar", "sha256": SHA}]
    for seed in (1, 2, 3):
        stating(
            tmp_path / "best",
            seed=seed,
            provenance=changed(checkpoint={"files": best, "epoch": seed}),
        )
    (table,) = make_tables(load_runs(tmp_path / "best"))
    assert table.odd == {} and table.cells["dtd", "base"].count == 3
    table = two_datasets(tmp_path / "mixed", changed(checkpoint={"files": best}))
    (said,) = table.odd["dtd", "base"]
    assert said.endswith("tested the best checkpoint (others: a checkpoint)")


def test_another_network_for_one_dataset_leaves_the_average_without_a_mean(tmp_path):
    other = changed(backbone={"sha256": "another"})
    table = two_datasets(tmp_path, other, ("train_base", "test_new"), (1, 2, 3))
    assert table.cells["dtd", "H"].count == 3  # which agree among themselves
    assert ("average", "base") not in table.cells and ("average", "H") not in table.cells


def test_base_and_new_classes_of_different_epochs_have_no_h(tmp_path):
    other = changed(checkpoint={"epoch": 2})
    table = two_datasets(tmp_path, other, ("test_new",), (1, 2, 3))
    assert table.cells["dtd", "new"].count == 3 and ("dtd", "H") not in table.cells
    assert ("eurosat", "H") in table.cells


def test_a_partial_dataset_has_a_star(tmp_path):
    for step in ("train_base", "test_new"):
        stating(tmp_path, step, provenance=changed(dataset={"partial": "100 of 1000 classes"}))
    (table,) = make_tables(load_runs(tmp_path))
    assert table.own_splits == {"dtd", "average"}


def test_tables_files_and_the_report_leave_the_mean_out(tmp_path, capsys, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    two_datasets(tmp_path / "coop", ODD["precision fp32 (others: amp)"])
    assert main(["tally", "coop", "--out", "x.csv"]) == 0
    said = "precision fp32 (others: amp)"
    (line,) = [line for line in capsys.readouterr().out.splitlines() if said in line]
    assert line.startswith("odd: coop CoOp vit_b16, 16 shots: no mean of dtd base, dtd H: ")
    rows = (tmp_path / "x.csv").read_text().splitlines()
    assert rows[1] == "dtd,80.0,80.0,80.0,80.0,80.0,80.0,80.0,80.0,80.0,,80.0,"
    page = page_of(tmp_path / "coop")
    assert said in page.words
    assert page.table("method", "dtd", "eurosat", "average")["coop"][0] == "odd"


def test_a_number_is_explained(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_datasets(tmp_path / "coop", changed(torch="2.9"))
    assert main(["explain", "coop/dtd/base", "coop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ("b2n: coop CoOp vit_b16, 16 shots: dtd base: 80.00 ± 0.00, 3 seeds")
    assert "  activation: quick_gelu" in lines and "  torch: 2.9" not in lines
    place = lines.index("  dtd base seed2: 80.00 (coop/train_base/CoOp/dtd/shots16/vit_b16/seed2)")
    assert lines[place + 1] == "    torch: 2.9"
    assert main(["explain", "CoOp/average/H/shots16", "coop"]) == 0
    assert main(["explain", "coop/dtd/bse", "coop"]) == 2
    assert capsys.readouterr().err == (
        "error: coop/dtd/bse: no such cell; did you mean coop/dtd/base?\n"
    )


@pytest.mark.parametrize("name", ["runs.csv", "runs.parquet"])
def test_the_table_of_runs_is_written(tmp_path, capsys, monkeypatch, name):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    stating(tmp_path / "coop")
    assert main(["runs", "coop", "-o", name]) == 0
    assert capsys.readouterr().out == f"table:   {name}, 1 rows\n"
    read = pandas.read_csv if name.endswith("csv") else pandas.read_parquet
    assert read(name).loc[0, "backbone_sha256"] == SHA
    assert main(["runs", "coop", "-o", "runs.xlsx"]) == 2


def test_parquet_without_pyarrow_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stating(tmp_path / "coop")
    assert main(["runs", str(tmp_path / "coop"), "-o", str(tmp_path / "x.parquet")]) == 2
    assert "Parquet needs pyarrow (pip install pyarrow); or .csv" in capsys.readouterr().err
