"""The protocols beside base-to-new, over stub jobs: who trains, who tests, and the tables."""

import csv
import re

import pytest

import configs
from runner.__main__ import main
from runner.plan.modes import MODES
from runner.results import load_runs

SEED = ("--seeds", "1")


def outputs(lab, event="start"):
    return [line["out"] for line in lab.events(event)]


def test_cross_dataset_trains_once_per_seed_and_tests_elsewhere(lab):
    done = lab.run("--cfg", "coop", "--mode", "xd", "--datasets", "dtd,eurosat", "--seeds", "1,2")
    assert done.returncode == 0, done.stderr
    run = "outputs/coop/CoOp/{}/shots16/vit_b16_ep50_ctxv1/seed{}"
    names = ("imagenet", "dtd", "eurosat")
    assert sorted(outputs(lab)) == sorted(run.format(name, s) for name in names for s in (1, 2))
    table = lab.path / "results/coop/xd-CoOp-vit_b16_ep50_ctxv1.csv"
    assert table.read_text() == (
        "dataset,acc_seed1,acc_seed2,acc\nimagenet,61.0,62.0,61.5\ndtd,61.0,62.0,61.5\n"
        "eurosat,61.0,62.0,61.5\naverage_xd,61.0,62.0,61.5\naverage_dg,,,\n"
    )
    assert table.with_suffix(".png").is_file()
    assert "average_xd" in done.stdout and "average_dg" not in done.stdout


@pytest.mark.parametrize(
    ("words", "table", "rows"),
    [
        (
            ("--datasets", "dtd"),
            "results/coop/dg-CoOp-vit_b16_ep50_ctxv1.csv",
            ("imagenet", "imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
        ),
        (
            ("--demo",),
            "results/demo/coop/dg-CoOp-demo.csv",
            ("demo_shapes", "demo_shapes_sketch", "demo_shapes_striped"),
        ),
    ],
    ids=["published", "demo"],
)
def test_domain_generalisation_tests_what_cross_dataset_trained(lab, words, table, rows):
    lab.env["PROMPTLAB_CACHE"] = str(lab.path / "cache")
    assert lab.run("--cfg", "coop", "--mode", "xd", *words, *SEED).returncode == 0
    lab.forget()
    done = lab.run("--cfg", "coop", "--mode", "dg", *set(words) & {"--demo"}, *SEED)
    assert done.returncode == 0, done.stderr
    assert f"{len(rows)} jobs: 1 done, {len(rows) - 1} to run" in done.stdout
    assert not any(f"/{rows[0]}/" in out for out in outputs(lab))
    names = [line.split(",")[0] for line in (lab.path / table).read_text().splitlines()]
    assert names == ["dataset", *rows, "average_dg"]


def test_base_and_new_classes_are_tested_together_by_the_trainings_of_base_to_new(lab):
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2")
    assert lab.run(*words, "--mode", "b2n").returncode == 0
    lab.forget()
    done = lab.run(*words, "--mode", "gb2n")
    assert done.returncode == 0, done.stderr
    run = "outputs/coop/test_both/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed{}"
    assert sorted(outputs(lab)) == [run.format(1), run.format(2)]
    table = lab.path / "results/coop/gb2n-CoOp-vit_b16_ep10_bs4_lr35.csv"
    again = lab.run(*words, "--mode", "b2n", "gb2n")
    assert again.returncode == 0 and "all done" in again.stdout
    (dtd,) = [row for row in csv.DictReader(table.open()) if row["dataset"] == "dtd"]
    assert [dtd[f"{half}_acc_seed{seed}"] for seed in "12" for half in ("base", "new")] == [
        *("51.0", "31.0", "52.0", "32.0")
    ]
    out = lab.path / "both.csv"
    assert main(["tally", str(lab.path / "outputs/coop"), "--mode", "gb2n", "--out", str(out)]) == 0
    assert out.read_text() == table.read_text()
    frame = load_runs(lab.path / "outputs/coop", mode="gb2n")
    both = frame[frame["mode"] == "gb2n"]
    assert both["subset"].tolist() == ["base", "new"] * 2
    assert both["auroc"].tolist() == [75.0] * 4 and both["ece"].tolist() == [0.05] * 4
    page = lab.path / "report.html"
    assert main(["report", str(lab.path / "outputs/coop"), "--out", str(page)]) == 0
    assert "Base and new together" in page.read_text() and "AUROC, %" in page.read_text()
    assert "coop: 6 predictions, 0.900 sure, 1.000 right" in page.read_text()


@pytest.mark.parametrize("where", [(), ("--demo",)], ids=["published", "demo"])
def test_every_training_of_cross_dataset_is_one_of_domain_generalisation(lab, where):
    lab.provide_yamls()
    trained = {}
    for mode in ("xd", "dg"):
        shown = lab.run("--cfg", "all", "--mode", mode, "--dry-run", *where).stdout.splitlines()
        trained[mode] = {line for line in shown if "--eval-only" not in line}
    entries = [configs.get_config(name) for name in configs.experiments()]
    without = [e["train"]["trainer"] for e in entries if "xd" not in e.get("modes", ["xd"])]
    assert trained["xd"] == {
        line for line in trained["dg"] if not any(f"--trainer {name} " in line for name in without)
    }
    assert len(trained["xd"]) > 30 and all("--job-key" in line for line in trained["xd"])


@pytest.mark.parametrize(
    ("words", "table", "rows"),
    [
        (
            ("--datasets", "imagenet_a,dtd"),
            "results/coop/xd-CoOp-vit_b16_ep50_ctxv1.csv",
            ["imagenet", "dtd", "average_xd", "imagenet_a", "average_dg"],
        ),
        (
            ("--demo", "--datasets", "demo_shapes_sketch,demo_digits"),
            "results/demo/coop/xd-CoOp-demo.csv",
            ["demo_shapes", "demo_digits", "average_xd", "demo_shapes_sketch", "average_dg"],
        ),
    ],
    ids=["published", "demo"],
)
def test_a_list_with_variants_in_it_fills_both_averages(lab, words, table, rows):
    lab.env["PROMPTLAB_CACHE"] = str(lab.path / "cache")
    assert lab.run("--cfg", "coop", "--mode", "xd", *words, *SEED).returncode == 0
    text = (lab.path / table).read_text()
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == rows


def test_cross_dataset_tests_wait_for_the_training_and_load_it(lab):
    shown = lab.run("--cfg", "maple", "--mode", "xd", "--dry-run", *SEED).stdout.splitlines()
    assert len(shown) == 11
    assert "--model-dir" not in shown[0] and "--eval-only" not in shown[0]
    yaml = "vit_b16_c2_ep5_batch4_2ctx_cross_datasets"
    model = f"--model-dir outputs/maple/MaPLe/imagenet/shots16/{yaml}/seed1 --load-epoch -1"
    assert all(f"{model} --eval-only" in line and f"/{yaml}.yaml" in line for line in shown[1:])
    assert all(line.endswith("DATASET.SUBSAMPLE_CLASSES all") for line in shown)


def test_zero_shot_in_cross_dataset_trains_nothing(lab):
    done = lab.run("--cfg", "zsclip", "--mode", "xd", "--datasets", "dtd")
    assert done.returncode == 0
    shown = lab.run("--cfg", "zsclip", "--mode", "xd", "--dry-run").stdout.splitlines()
    assert len(shown) == 11 and all("--eval-only" in line for line in shown)


def test_few_shot_is_one_training_per_shots_and_a_column_for_each(lab):
    words = ("--cfg", "coop", "--mode", "fs", "--datasets", "dtd,imagenet", *SEED)
    lab.rules = [{"match": "shots1/", "accuracy": 50.0}, {"match": "shots16/", "accuracy": 80.0}]
    done = lab.run(*words)
    assert done.returncode == 0, done.stderr
    assert len(outputs(lab)) == 10
    run = "outputs/coop/train_all/CoOp/{}/shots{}/{}/seed1"
    for dataset, shots, yaml in (
        *(("dtd", 1, "vit_b16_ep50"), ("dtd", 4, "vit_b16_ep100"), ("dtd", 16, "vit_b16")),
        ("imagenet", 16, "vit_b16_ep50"),
    ):
        assert run.format(dataset, shots, yaml) in outputs(lab)
    tables = lab.path / "results/coop"
    assert (tables / "fs-CoOp.csv").read_text().splitlines() == [
        "dataset,shots1,shots2,shots4,shots8,shots16",
        *(f"{name},50.0,61.0,61.0,61.0,80.0" for name in ("imagenet", "dtd", "average")),
    ]
    each = tables / "fs-CoOp-vit_b16_ep50-shots1.csv"
    assert each.read_text() == (
        "dataset,acc_seed1,acc\nimagenet,50.0,50.0\ndtd,50.0,50.0\naverage,50.0,50.0\n"
    )
    assert len(list(tables.glob("*.csv"))) == 6
    assert "1 shot" in done.stdout and "16 shots" in done.stdout


def test_few_shot_and_cross_dataset_do_not_share_folders(lab):
    words = ("--cfg", "maple_dept", "--datasets", "dtd", "--shots", "16", *SEED)
    assert lab.run(*words, "--mode", "fs").returncode == 0
    assert lab.run(*words, "--mode", "xd").returncode == 0


def test_zero_shot_stands_in_every_column_of_the_few_shot_table(lab):
    words = ("--cfg", "zsclip", "coop", "--mode", "fs", "--shots", "1,2", "--datasets", "dtd")
    done = lab.run(*words, *SEED)
    assert done.returncode == 0, done.stderr
    assert len(outputs(lab)) == 3
    text = (lab.path / "results/zsclip/fs-ZeroshotCLIP.csv").read_text()
    assert text.splitlines()[1] == "dtd,61.0,61.0"


def test_few_shot_base_to_new_has_the_runs_of_base_to_new(lab):
    words = ("--cfg", "coop", "--datasets", "dtd", *SEED)
    lab.run(*words)
    lab.forget()
    done = lab.run(*words, "--mode", "fs-b2n")
    assert done.returncode == 0, done.stderr
    assert len(outputs(lab)) == 4  # shots 4 and 8; those of 16 are done
    names = {path.name for path in (lab.path / "results/coop").glob("fs-b2n*.csv")}
    stem = "fs-b2n-CoOp-vit_b16_ep10_bs4_lr35-shots"
    assert names == {"fs-b2n.csv", f"{stem}4.csv", f"{stem}8.csv", f"{stem}16.csv"}
    rows = list(csv.DictReader((lab.path / "results/coop/fs-b2n.csv").open()))
    assert {row["experiment"] for row in rows} == {f"coop, {k} shots" for k in (4, 8, 16)}


def test_several_tasks_fill_a_row_each_of_the_common_table(lab):
    lab.env["PROMPTLAB_CACHE"] = str(lab.path / "cache")
    done = lab.run("--cfg", "coop", "joint", "--demo", *SEED)
    assert done.returncode == 0, done.stderr
    assert "outputs/demo/joint/train_base/Joint/demo_suite/shots16/demo/seed1" in outputs(lab)
    text = (lab.path / "results/demo/joint/b2n-Joint-demo.csv").read_text()
    shown = [lab.run("--cfg", "joint", *demo, "--dry-run").stdout for demo in ((), ("--demo",))]
    assert " A.B 16\n" in shown[0] and " A.B 16 A.B 4\n" in shown[1]
    assert [line.split(",")[:3] for line in text.splitlines()[1:]] == [
        ["demo_shapes", "70.0", "60.0"],
        ["demo_textures", "72.0", "62.0"],
        ["demo_digits", "74.0", "64.0"],
        ["average", "72.0", "62.0"],
    ]
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("demo_")]
    assert rows == ["demo_shapes", "demo_textures", "demo_digits"]


def test_multi_task_has_a_row_per_task_and_the_mean(lab):
    done = lab.run("--cfg", "joint", "--datasets", "general10,fashion20,plant6", "--seeds", "1,2")
    assert done.returncode == 0, done.stderr
    assert "outputs/joint/train_all/Joint/general10/shots16/joint/seed1" in outputs(lab)
    text = (lab.path / "results/joint/mt-Joint-joint.csv").read_text()
    assert text.splitlines() == [
        "dataset,task,acc_seed1,acc_seed2,acc",
        "general10,dtd,60.04,61.04,60.54",
        "general10,eurosat,62.04,63.04,62.54",
        "general10,average,61.04,62.04,61.54",
        "fashion20,task 0,60.04,61.04,60.54",
        "fashion20,task 1,62.04,63.04,62.54",
        "fashion20,average,61.04,62.04,61.54",
        "plant6,,61.04,62.04,61.54",
    ]
    assert "general10/average" in done.stdout


def test_few_shot_of_several_tasks_has_the_runs_of_multi_task(lab):
    words = ("--cfg", "joint", "--datasets", "general10", *SEED)
    lab.run(*words)
    lab.forget()
    assert lab.run(*words, "--mode", "fs", "--shots", "1,16").returncode == 0
    assert outputs(lab) == ["outputs/joint/train_all/Joint/general10/shots1/joint/seed1"]
    rows = (lab.path / "results/joint/fs-Joint.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["dataset", "dtd", "eurosat", "average"]


def test_a_missing_seed_of_several_tasks_leaves_its_fields_empty(lab):
    lab.rules = [{"match": "seed2", "exit": 1}]
    done = lab.run("--cfg", "joint", "--datasets", "general10", "--seeds", "1,2")
    assert done.returncode == 1
    text = (lab.path / "results/joint/mt-Joint-joint.csv").read_text()
    assert "general10,dtd,60.04,," in text and "general10,average,,," in text
    assert "not there: joint general10 seed2 train all" in done.stdout


def test_what_knows_only_its_own_classes_has_no_new_column(lab):
    done = lab.run("--cfg", "probe", "coop", "--datasets", "dtd", *SEED)
    assert done.returncode == 0, done.stderr
    assert len(outputs(lab)) == 3 and "missing" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("dtd"))
    assert row.split() == ["dtd", "probe", "71.04", "-", "-"]


def test_the_entries_mode_holds_without_a_flag_and_a_common_one_for_several(lab):
    shown = lab.run("--cfg", "joint", "--dry-run", *SEED).stdout
    assert shown.count("train_all/Joint/") == 3
    shown = lab.run("--cfg", "joint", "coop", "--dry-run", *SEED).stdout
    assert "train_base/Joint/general10" in shown and "train_base/CoOp/dtd" in shown


def test_an_experiment_without_the_mode_is_refused(lab):
    done = lab.run("--cfg", "coop", "probe", "joint", "--mode", "xd", "--dry-run")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --mode xd: probe has b2n, fs, fs-b2n, mt\n"
        "error: --mode xd: joint has b2n, fs, fs-b2n, mt\n"
    )


def test_zero_shot_stands_once_beside_few_shot_base_to_new(lab):
    words = ("--cfg", "zsclip", "coop", "--datasets", "dtd", *SEED, "--shots", "4,8")
    done = lab.run(*words, "--mode", "fs-b2n")
    assert done.returncode == 0, done.stderr
    starts = [out.split("/")[1:3] for out in outputs(lab) if "zsclip" in out]
    assert sorted(starts) == [["zsclip", "test_base"], ["zsclip", "test_new"]]
    text = (lab.path / "results/zsclip/fs-b2n-ZeroshotCLIP-vit_b16.csv").read_text()
    assert text.splitlines()[1].startswith("dtd,71.0,61.0,")
    rows = list(csv.DictReader((lab.path / "results/zsclip+coop/fs-b2n.csv").open()))
    assert {row["experiment"] for row in rows} == {"zsclip", "coop, 4 shots", "coop, 8 shots"}


def test_all_is_every_experiment_that_has_the_mode(lab):
    lab.provide_yamls()
    shown = lab.run("--cfg", "all", "--demo", "--mode", "fs-b2n", "--dry-run", *SEED)
    assert shown.returncode == 0 and "Joint/demo_suite" in shown.stdout
    assert "ZeroshotCLIP" in shown.stdout and "zsclip" not in shown.stderr
    done = lab.run("--cfg", "zsclip", "all", "--datasets", "dtd", *SEED, "--mode", "xd")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((lab.path / "results/all/xd.csv").open()))
    names = {row["experiment"] for row in rows}
    assert names >= {"zsclip", "coop", "coop_dept", "maple", "maple_dept"}
    assert not names & {"joint", "probe", "all"}
    assert re.search("^--cfg all: without .*joint, probe: no --mode xd$", done.stderr, re.MULTILINE)
    assert (lab.path / "results/all/xd.png").is_file()


def test_the_demo_has_every_mode(lab):
    numbers = {"b2n": 6, "xd": 3, "dg": 3, "fs": 15, "fs-b2n": 18, "gb2n": 6, "mt": 1}
    assert list(numbers) == list(MODES)
    for mode, number in numbers.items():
        shown = lab.run("--cfg", "coop", "--demo", "--mode", mode, "--dry-run", *SEED)
        assert len(shown.stdout.splitlines()) == number, shown.stderr
