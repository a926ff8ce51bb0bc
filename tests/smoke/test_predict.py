"""predict.py on the files that train.py leaves, as a user runs both."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import predict
from command_line import run
from tests.support import command, small_pets, tiny_clip
from use.predictions import Predictions


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with the runs base (MaPLeDePT), zs (zero-shot) and new (base's prompts on the new
    classes), whose dataset is gone, and a few pictures."""
    folder = tmp_path_factory.mktemp("lab")
    small_pets.write(folder / "data")
    weights = tiny_clip.saved(
        folder / "clip.pt", layers=2, text_layers=2, vision_width=64, text_width=64, embed_dim=32
    )
    runs = [
        ("MaPLeDePT", "base", ["DATASET.SUBSAMPLE_CLASSES", "base"], []),
        ("ZeroshotCLIP", "zs", [], ["--eval-only"]),
        (
            *("MaPLeDePT", "new", ["DATASET.SUBSAMPLE_CLASSES", "new"]),
            ["--eval-only", "--model-dir", folder / "base", "--load-epoch", -1],
        ),
    ]
    for trainer, output, settings, flags in runs:
        known = "CoOp" if trainer == "ZeroshotCLIP" else trainer
        words, pairs = command.train_words(
            known, folder / "data", weights, folder / output, *settings
        )
        words[words.index(known)] = trainer
        flags = ["--seed", 1, "--save-predictions", *flags]
        done = command.python("train.py", *words, *flags, *pairs)
        assert done.returncode == 0, done.stderr
    (folder / "data").rename(folder / "elsewhere")
    return folder


def predicted(*words):
    return command.python("predict.py", "--model-dir", *words)


def moved(lab, paths):
    return [path.replace(f"{lab}/data", f"{lab}/elsewhere") for path in paths]


@pytest.mark.parametrize("name", ["base", "new", "zs"])
def test_probabilities_are_those_of_the_test_that_train_py_made(name, lab):
    saved = Predictions.load(lab / name)
    paths = moved(lab, saved.paths)
    done = predicted(lab / name, "--format", "csv", *paths)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    expected = torch.from_numpy(saved.logits).double().softmax(dim=-1).numpy()
    assert [row["image"] for row in rows[:: len(saved.classnames)]] == paths
    for row in rows:
        place = paths.index(row["image"]), saved.classnames.index(row["class"])
        assert float(row["probability"]) == pytest.approx(expected[place], abs=1e-6)
    accuracy = (saved.logits.argmax(axis=1) == saved.labels).mean()
    result = json.loads((lab / name / "result.json").read_text())
    assert result["accuracy"] == pytest.approx(100 * accuracy)


def test_validation_predictions_lie_beside_those_of_the_test(lab):
    saved = Predictions.load(lab / "base" / "predictions_val.npz")
    assert len(saved) == 4 and saved.about["split"] == "val"
    assert not set(saved.paths) & set(Predictions.load(lab / "base").paths)


def test_folders_globs_and_other_classes_as_a_table_and_as_json(lab):
    images = lab / "elsewhere/oxford_pets/images"
    words = ("--classnames", "cat,tabby cat,dog", "--top-k", 2)
    table = predicted(lab / "base", *words, str(images / "beagle_*.jpg"))
    assert table.returncode == 0, table.stderr
    head, _, *rows = table.stdout.splitlines()
    assert head.split() == ["image", "1", "2"] and len(rows) == 7
    listed = predicted(lab / "base", *words, "--format", "json", images)
    found = json.loads(listed.stdout)
    assert len(found) == 28 and {len(entry["predictions"]) for entry in found} == {2}
    assert {"class", "probability"} == set(found[0]["predictions"][0])


def test_classes_may_stand_in_a_file_and_predictions_be_kept(lab, tmp_path):
    (tmp_path / "names.txt").write_text("cat, the animal\ndog\n")
    image = next((lab / "elsewhere/oxford_pets/images").iterdir())
    words = ("--classnames", tmp_path / "names.txt", "--save-predictions", tmp_path / "own.npz")
    done = predicted(lab / "base", *words, image)
    assert done.returncode == 0 and "cat, the animal" in done.stdout, done.stderr
    saved = Predictions.load(tmp_path / "own.npz")
    assert saved.classnames == ("cat, the animal", "dog") and saved.labels.tolist() == [-1]


def test_pictures_that_cannot_be_read_are_a_line_each_and_the_others_are_predicted(lab, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(np.full((40, 40), 4000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (40, 40)).save(tmp_path / "glass.png")
    done = predicted(lab / "base", "--format", "csv", tmp_path)
    assert done.returncode == 2
    assert {row["image"] for row in csv.DictReader(io.StringIO(done.stdout))} == {
        str(tmp_path / "glass.png")
    }
    notice, deep, text = done.stderr.splitlines()
    assert notice == f"Notice: {tmp_path}/glass.png: the transparency is dropped"
    assert deep.startswith(f"error: {tmp_path}/deep.png: more than 8 bits")
    assert text.startswith(f"error: cannot read the image {tmp_path}/text.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{lab}/base", "{lab}/gone.png"], "gone.png: no such file or folder"),
        (["{lab}/base/tensorboard", "{lab}"], "has no run.yaml"),
        (["{lab}/base", "--load-epoch", "9", "{lab}"], "epochs there are 2; check --load-epoch"),
        (["{lab}/base", "--top-k", "0", "{lab}"], "--top-k 0: use 1 or more"),
        (["{lab}/base", "--batch-size", "0", "{lab}"], "--batch-size 0: use 1 or more"),
        (["{lab}/base", "--device", "tpu", "{lab}"], "--device tpu: use cpu or cuda"),
        (["{lab}/base", "--task", "x", "{lab}"], "--task x: the run has one task"),
        (["{lab}/base", "{lab}", "INPUT.SIZ", "3"], "INPUT.SIZ: no such option"),
        (["{lab}/base", "--backbone", "{lab}/zs/log.txt", "{lab}"], "zs/log.txt"),
        (["{lab}/base"], "the following arguments are required: IMAGE"),
    ],
)
def test_a_mistake_is_one_line(words, message, lab, capsys):
    argv = ["--model-dir", *(word.format(lab=lab) for word in words)]
    try:
        code = run(predict.main, predict.build_parser(), argv)
    except SystemExit as left:  # how argparse leaves
        code = left.code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and line.startswith("error: ") and message in line


def test_features_of_a_dataset_that_is_gone_are_refused_in_a_line(lab):
    done = command.python("-m", "interpret", "features", lab / "base")
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and f"{lab}/data" in line


def test_help_needs_no_torch():
    modules = ("predict", "interpret_prompt", "use.__main__", "interpret.__main__")
    printed = command.help_without_torch(*modules)
    assert all(word in printed for word in ("--classnames", "TOPK", "measures", "attention"))
