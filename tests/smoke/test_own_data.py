"""A person's own pictures through train.py and the runner, as a user runs them."""

import csv
import json

import pytest
from PIL import Image

import train
from tests.support import command, small_pets

CLASSES = ("circle", "cross", "red heart", "star")
DEMO = "configs/trainers/CoOp/demo.yaml"
SMALL = ("OPTIM.MAX_EPOCH", 1, "DATALOADER.NUM_WORKERS", 0)


@pytest.fixture
def data(tmp_path):
    """A data root with five pictures of each class in `my pictures`."""
    for label, name in enumerate(CLASSES):
        folder = tmp_path / "data" / "my pictures" / name
        folder.mkdir(parents=True)
        for i in range(5):
            Image.fromarray(small_pets.picture(label, i)).save(folder / f"{i}.png")
    return tmp_path / "data"


def train_words(root, output, *options, trainer="CoOp", dataset="image_folder", flags=()):
    words = ["--root", root, "--seed", 1, "--trainer", trainer, "--output-dir", output, *flags]
    words += ["--dataset-config-file", f"configs/datasets/{dataset}.yaml", "--config-file", DEMO]
    return [str(word) for word in (*words, "DATASET.NUM_SHOTS", 1, *SMALL, *options)]


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_base_is_trained_with_few_shots_and_new_is_tested(data, tmp_path, capsys):
    folder, base, new = data / "my pictures", tmp_path / "base", tmp_path / "new"
    words = train_words(folder, base, "DATASET.SUBSAMPLE_CLASSES", "base")
    done = command.call(capsys, train.run, *words)
    assert done.returncode == 0, done.stderr
    assert "cut with seed 1 into train / val / test of 8 / 4 / 8 images" in done.stdout
    flags = ("--model-dir", base, "--load-epoch", -1, "--eval-only")
    options = ("DATASET.SUBSAMPLE_CLASSES", "new")
    done = command.call(capsys, train.run, *train_words(folder, new, *options, flags=flags))
    assert done.returncode == 0, done.stderr
    found = [result(run) for run in (base, new)]
    assert [(r["dataset"], r["shots"], r["num_test"]) for r in found] == [("ImageFolder", 1, 4)] * 2
    assert {r["split_note"] for r in found} == {"cut of 20 images, seed 1"}
    assert "# train_x  2" in done.stdout and "# classes  2" in done.stdout


def test_the_template_stands_in_the_log_and_in_the_prompts(data, tmp_path, capsys):
    options = ("DATASET.FOLDER", "my pictures", "DATASET.TEMPLATE", "a drawing of a {}.")
    words = train_words(data, tmp_path / "zs", *options, trainer="ZeroshotCLIP")
    assert train.run(["--eval-only", *words]) == 0
    log = (tmp_path / "zs" / "log.txt").read_text()
    assert "TEMPLATE: a drawing of a {}." in log
    assert "'a drawing of a red heart.', 'a drawing of a star.'" in log


def test_a_table_gives_the_run_of_its_folder(data, tmp_path):
    """The same pictures in the same cut: the same accuracy and macro F1."""
    folder, found = data / "my pictures", []
    with open(folder / "images.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "classname"])
        table.writerows([f"{name}/{i}.png", name] for i in range(5) for name in CLASSES)
    for dataset in ("image_folder", "image_csv"):
        assert train.run(train_words(folder, tmp_path / dataset, dataset=dataset)) == 0
        found.append(result(tmp_path / dataset))
    same = ("accuracy", "macro_f1", "num_test", "shots")
    assert [[r[key] for key in same] for r in found] == [[found[0][key] for key in same]] * 2


def test_the_runner_trains_on_base_and_tests_on_new(data, tmp_path):
    words = ["--cfg", "coop", "--data", data, "--datasets", "image_folder", "--seeds", 1]
    words += ["--shots", 1, "DATASET.FOLDER", "my pictures", *SMALL]
    words += ["MODEL.BACKBONE.NAME", "assets/demo/clip_demo.pt", "INPUT.SIZE", "(32, 32)"]
    script, place = command.PROJECT / "parallel_runner.py", {"cwd": tmp_path}
    words += ["TRAINER.COOP.N_CTX", 4]
    planned = command.python(script, "--dry-run", *words, **place)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("configs/datasets/image_folder.yaml") == 2
    done = command.python(script, *words, **place)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(p.read_text()) for p in (tmp_path / "outputs").rglob("result.json")]
    assert sorted(r["subsample_classes"] for r in results) == ["base", "new"]
    assert {r["num_test"] for r in results} == {4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("DATASET.FOLDER", "none"), "/data/none; set --root, and DATASET.FOLDER below it, to the"),
        (("DATASET.NAME", "ImageCSV"), "ImageCSV: neither images.csv nor train.csv in "),
        (("DATASET.TEMPLATE", "a heart"), "DATASET.TEMPLATE: the template 'a heart' has no {}"),
        (("INPUT.MAX_PIXELS", 1439), ".png has 40 x 36 pixels, more than INPUT.MAX_PIXELS 1,439; "),
    ],
)
def test_a_mistake_is_told_in_one_line(data, tmp_path, capsys, options, message):
    words = train_words(
        data, tmp_path / "out", "DATASET.FOLDER", "my pictures", *options, trainer="ZeroshotCLIP"
    )
    assert train.run(["--eval-only", *words]) == 2
    error = capsys.readouterr().err
    line = error[error.find("error: ") :].strip()
    assert message in line and "\n" not in line


def test_an_image_that_cannot_be_read_is_named(data, tmp_path, capsys):
    folder = data / "my pictures"
    for i in range(5):
        (folder / "star" / f"{i}.png").write_bytes(b"no picture")
    assert train.run(["--eval-only", *train_words(folder, tmp_path, trainer="ZeroshotCLIP")]) == 2
    assert f"cannot read the image {folder}/star/" in capsys.readouterr().err
