"""The linear probe's command lines, against the published result lines and as docs/ shows them."""

import csv
import json
import os
import re
import shlex

import numpy as np
import pytest

import train
from command_line import run
from lpclip import feat_extractor, linear_probe
from tests.support import command, small_pets

GOLDEN = command.PROJECT / "tests/golden/softcpt"
RUNS = json.loads((GOLDEN / "linear_probe.json").read_text())["runs"]
SPLITS = ("train", "val", "test")


def write_features(folder, width=None, **arrays):
    """The golden features as SoftCPT's extractor leaves them; returns the folder."""
    golden = np.load(GOLDEN / "linear_probe.npz")
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        features = golden[f"{split}_x"].astype(np.float64)[:, :width]
        labels = golden[f"{split}_y"].reshape(-1, 1)
        np.savez(folder / f"{split}.npz", feature_list=features, label_list=labels, **arrays)
    return folder


def probe(*words):
    """Runs stage 2 in this process; returns its exit code."""
    return run(linear_probe.main, linear_probe.build_parser(), [str(word) for word in words])


def extract(words):
    """Runs stage 1 in this process; returns its exit code."""
    return run(feat_extractor.main, feat_extractor.build_parser(), [str(word) for word in words])


@pytest.mark.parametrize("dataset", RUNS)
def test_softcpts_result_lines_come_out_letter_for_letter(dataset, tmp_path):
    words = ["--num_step", 8, "--num_run", 3, "--task-id", 0, "--swap-metrics"]
    assert probe("--dataset", dataset, "--feature_dir", write_features(tmp_path), *words) == 0
    for name, lines in RUNS[dataset]["files"].items():
        assert (tmp_path / name).read_text().splitlines() == lines, name


def test_without_the_flag_the_metrics_are_what_they_are_called(tmp_path):
    """Plant-6 has accuracy, for which the swapped program took Fashion-20's mean over classes."""
    for dataset, other in (("plant6", "fashion20"), ("fashion20", "plant6")):
        folder = write_features(tmp_path / dataset)
        words = ["--num_run", 3, "--task-id", 0, "--feature_dir", folder, "--shots", 1, 2]
        assert probe("--dataset", dataset, *words) == 0
        lines = (folder / "lp_s8r3.txt").read_text().splitlines()
        expected = [line.replace(other, dataset) for line in RUNS[other]["files"]["lp_s8r3.txt"]]
        assert lines == expected[:2]


def test_the_metric_that_stage_1_wrote_comes_first(tmp_path):
    folder = write_features(tmp_path, metric="mean_acc")
    words = ["--dataset", "plant6", "--feature_dir", folder, "--task-id", 0, "--num_run", 1]
    assert probe(*words, "--shots", 1) == 0
    assert probe(*words, "--shots", 1, 2, "--metric", "overall_acc") == 0
    assert probe(*words, "--shots", 1) == 0
    rows = list(csv.DictReader((folder / "lp_s8r1.csv").open()))
    found = {(row["metric"], row["shots"]): float(row["mean"]) for row in rows}
    assert list(found) == [("overall_acc", "1"), ("overall_acc", "2"), ("mean_acc", "1")]
    assert f"{found['mean_acc', '1']:.2f}" == "68.03"
    assert f"{found['overall_acc', '1']:.2f}" == "61.25"


def test_coops_form_prints_and_reports_as_published(tmp_path, capsys, monkeypatch):
    write_features(tmp_path / "clip_feat" / "OxfordPets")
    monkeypatch.chdir(tmp_path)
    assert probe("--dataset", "OxfordPets", "--num_step", 2, "--num_run", 2, "--shots", 4) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "-- Seed: 1 " + 62 * "-"
    assert len(json.loads(printed[1])) == 7 and max(json.loads(printed[1])) <= 1
    assert printed[2:6] == [
        "OxfordPets, 4 Shot, Round 0: 100000.0/10000000.0",
        "Val accuracy (Left): 95.00",
        "Val accuracy (Right): 95.00",
        "Test Accuracy: 85.00",
    ]
    summary = (tmp_path / "report/clip_feat_s2r2.txt").read_text()
    assert summary == "OxfordPets, 4 Shot, Test acc stat: 84.38 (0.62)\n"
    assert printed[-2:] == [summary.strip(), ""]
    details = (tmp_path / "report/clip_feat_s2r2_details.txt").read_text().splitlines()
    assert details[0] == "OxfordPets, seed 1, 4 shot, weight 100000.0, test_acc 85.00"
    assert len(details) == 4
    rows = list(csv.DictReader((tmp_path / "report/clip_feat_s2r2.csv").open()))
    assert [row["mean"] for row in rows] == ["84.375"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "OxfordPet"], r"no folder .*OxfordPet; did you mean OxfordPets\?"),
        (["--dataset", "Pets", "--feature_dir", "none"], r"no folder none/Pets; none has none"),
        (["--dataset", "OxfordPets", "--shots", "40"], r"40 shots need 40 train images"),
        (["--dataset", "OxfordPets", "--num_run", "0"], r"--num_run 0: use 1 or more"),
        (["--dataset", "OxfordPets", "--swap-metrics"], r"--swap-metrics is for SoftCPT's form"),
        (["--dataset", "Empty"], r"no features clip_feat/Empty/train.npz; make them: .*train$"),
        (["--dataset", "Mixed"], r"test.npz holds 16 features of ViT-B/16, train.npz 16 of RN101"),
        (["--dataset", "Narrow"], r"val.npz holds 8 features of .*train.npz 16 of"),
        (["--dataset", "Cut"], r"clip_feat/Cut/val.npz is no whole npz file"),
        (["--dataset", "Other"], r"clip_feat/Other/train.npz lacks label_list"),
    ],
)
def test_a_mistake_is_one_line(words, message, tmp_path, monkeypatch, capsys):
    features = tmp_path / "clip_feat"
    write_features(features / "OxfordPets", backbone=["RN101", "aa"])
    write_features(features / "Mixed", backbone=["RN101", "aa"])
    write_features(tmp_path / "vit", backbone=["ViT-B/16", "bb"])
    (tmp_path / "vit/test.npz").rename(features / "Mixed/test.npz")
    write_features(features / "Narrow")
    write_features(tmp_path / "narrow", width=8)
    (tmp_path / "narrow/val.npz").rename(features / "Narrow/val.npz")
    write_features(features / "Cut")
    content = (features / "Cut/val.npz").read_bytes()
    (features / "Cut/val.npz").write_bytes(content[: len(content) // 2])
    (features / "Empty").mkdir()
    write_features(features / "Other")
    np.savez(features / "Other/train.npz", feature_list=np.zeros((2, 16)))
    monkeypatch.chdir(tmp_path)
    assert probe(*words) == 2
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1 and re.match(rf"error: .*{message}", stderr.strip())
    assert not (tmp_path / "report").exists()


def test_published_extraction_commands_write_the_published_arrays(tmp_path, small_vit, monkeypatch):
    """From the folder lpclip, a split at a time, with the flags of the published script."""
    root = small_pets.write(tmp_path / "data")
    words = ["--root", root, "--seed", 1, "--eval-only", "--output-dir", tmp_path / "clip_feat"]
    words += ["--dataset-config-file", "../configs/datasets/oxford_pets.yaml"]
    words += ["--config-file", "../configs/trainers/CoOp/rn50_val.yaml", "--backbone", small_vit]
    options = ["INPUT.SIZE", "(32, 32)", "DATALOADER.NUM_WORKERS", 0, "USE_CUDA", "False"]
    folder = command.PROJECT / "lpclip"
    done = command.python("feat_extractor.py", "--split", "test", *words, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "clip_feat").rglob("*.npz")
    assert path == tmp_path / "clip_feat/OxfordPets/test.npz"
    arrays = np.load(path)
    assert arrays["feature_list"].shape == (8, 32) and arrays["feature_list"].dtype == np.float64
    assert arrays["label_list"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert arrays["backbone"][0] == str(small_vit)
    softcpt = [*options, "DATASET.SUBSAMPLE_TASKS", "task0"]
    monkeypatch.chdir(folder)
    assert extract(["--split", "test", *words, *softcpt]) == 0
    labels = np.load(tmp_path / "clip_feat/test.npz")["label_list"]
    assert labels.tolist() == [[0], [0], [1], [1], [2], [2], [3], [3]]


def test_extraction_without_a_dataset_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DATA", raising=False)
    assert extract(["--output-dir", tmp_path]) == 2
    stderr = capsys.readouterr().err
    assert all(line.startswith("error: ") for line in stderr.splitlines())
    assert "DATASET.NAME is empty" in stderr and "give --root" in stderr


def test_the_documented_commands_run_and_agree_with_the_trainer(tmp_path, capsys):
    """docs/linear_probe.md from the top, at 4 shots and one run."""
    page = (command.PROJECT / "docs/linear_probe.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith("    python ")]
    assert len(lines) == 5
    mains = {"train.py": train.run, "lpclip/feat_extractor.py": extract}
    mains["lpclip/linear_probe.py"] = lambda words: probe(*words, "--num_run", 1, "--shots", 4)
    for line in lines:
        line = line.replace("~/.cache/promptlab", os.environ["PROMPTLAB_CACHE"])
        script, *words = shlex.split(line.replace("output/", f"{tmp_path}/output/"))[1:]
        words = ["4" if word == "16" else word for word in words]
        assert mains[script](words) == 0, f"{line}\n{capsys.readouterr().err}"
    output = tmp_path / "output"
    (row,) = csv.DictReader((output / "report/clip_feat_s8r1.csv").open())
    trained = json.loads((output / "linear_probe/digits/result.json").read_text())
    assert float(row["run1"]) == pytest.approx(trained["accuracy"])
    (row,) = csv.DictReader((output / "lpclip/demo_suite/demo/2/lp_s8r1.csv").open())
    assert (row["dataset"], row["task"], row["metric"]) == ("demo_suite", "2", "overall_acc")
    assert float(row["run1"]) == pytest.approx(trained["accuracy"]), "the digits, as a task"


def test_of_a_test_set_the_splits_that_there_are_are_written(tmp_path):
    words = ["--root", os.environ["PROMPTLAB_CACHE"], "--output-dir", tmp_path / "feat"]
    words += ["--dataset-config-file", "configs/datasets/demo_shapes_striped.yaml"]
    assert extract([*words, "--config-file", "configs/trainers/LinearProbe/demo.yaml"]) == 0
    found = sorted(path.name for path in (tmp_path / "feat/DemoShapesStriped").iterdir())
    assert found == ["test.npz", "train.npz"]


def test_help_needs_no_torch():
    shown = command.help_without_torch("lpclip.feat_extractor", "lpclip.linear_probe")
    assert "--task-id" in shown and "--split" in shown
