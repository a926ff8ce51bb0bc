"""python -m use and python -m interpret: what they print, and mistakes in one line."""

import csv
import io
import json

import numpy as np
import pytest

import interpret.__main__ as inside
import use.__main__ as commands
from command_line import run
from tests.unit.trainers.softcpt_runs import TASKS
from use.predictions import Predictions
from use.run_file import write_run_file


def called(module, capsys, *words):
    """Exit code, and the lines on stdout and stderr."""
    capsys.readouterr()
    try:
        code = run(module.main, module.build_parser(), [str(word) for word in words])
    except SystemExit as left:  # how argparse leaves
        code = left.code
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()


def saved(path, names=("a", "b"), number=6, logit_scale=100.0):
    generator = np.random.default_rng(number)
    labels = np.arange(number) % len(names)
    logits = generator.normal(size=(number, len(names)))
    about = {"logit_scale": logit_scale, "trainer": "CoOp"}
    paths = tuple(f"{path.stem}/{place}" for place in range(number))
    Predictions(paths, labels, logits, names, about).save(path)
    return path


def test_measures_print_what_they_write(tmp_path, capsys):
    saved(tmp_path / "predictions.npz")
    saved(tmp_path / "predictions_val.npz", number=8)
    code, out, _ = called(commands, capsys, "measures", tmp_path, "--picture", "svg")
    content = json.loads((tmp_path / "measures.json").read_text())
    (accuracy,) = [line.split() for line in out if line.startswith("accuracy")]
    assert code == 0 and content["about"]["trainer"] == "CoOp"
    assert float(accuracy[1]) == pytest.approx(content["tasks"][0]["measures"]["accuracy"], 1e-4)
    assert accuracy[1] == accuracy[2], "a temperature changes no accuracy"
    assert (tmp_path / "reliability_scaled.svg").read_text().startswith("<?xml")


def test_ood_prints_and_writes_a_row_for_each_score(tmp_path, capsys):
    files = [saved(tmp_path / f"{name}.npz", number=n) for name, n in (("in", 6), ("out", 9))]
    target = tmp_path / "ood.csv"
    code, out, _ = called(commands, capsys, "ood", *files, "--output", target)
    assert code == 0 and [line.split()[0] for line in out[2:]] == ["msp", "mcm", "energy"]
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert {row["score"] for row in rows} == {"msp", "mcm", "energy"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["measures", "{t}/gone"], "no predictions {t}/gone"),
        (["measures", "{t}/a.npz", "--bins", "0"], "--bins 0: use 1 or more"),
        (["measures", "{t}/a.npz", "--validation", "{t}/c.npz"], "over other classes"),
        (["ood", "{t}/a.npz", "{t}/c.npz"], "score other classes"),
        (["ood", "{t}/a.npz", "{t}/b.npz", "--scores", "msb"], "--scores msb: use of msp, mcm"),
        (["ood", "{t}/a.npz", "{t}/b.npz", "--scores", "mcm"], "not CLIP's cosines alone"),
        (["export", "{t}", "--output", "{t}/a.pt"], "has to end in .npz, .safetensors, .onnx"),
        (["export", "{t}", "--output", "{t}/a.npz"], "{t} has no run.yaml"),
        ([], "the following arguments are required: command"),
    ],
)
def test_a_mistake_with_predictions_is_one_line(words, message, tmp_path, capsys):
    for name, classes in (("a", ("a", "b")), ("b", ("a", "b")), ("c", ("a", "c"))):
        saved(tmp_path / f"{name}.npz", classes, logit_scale=None)
    words = [word.format(t=tmp_path) for word in words]
    code, _, err = called(commands, capsys, *words)
    assert code == 2 and len(err) == 1 and message.format(t=tmp_path) in err[0]


def test_words_are_printed_in_every_format(finished, capsys):
    _, folder = finished("MaPLe")
    code, out, _ = called(inside, capsys, "words", folder, "--top-k", 2)
    assert code == 0 and len(out) == 2 + 2 * 2, "a line for each vector of two blocks"
    _, out, _ = called(inside, capsys, "words", folder, "--top-k", 2, "--format", "csv")
    rows = list(csv.DictReader(out))
    assert len(rows) == 8 and {row["block"] for row in rows} == set("01")
    _, out, _ = called(inside, capsys, "words", folder, "--top-k", 2, "--format", "json")
    assert [row["word"] for row in json.loads("\n".join(out))] == [row["word"] for row in rows]


def test_words_of_several_tasks(softcpt, tmp_path, capsys):
    trainer = softcpt(PG_TYPE="lin")
    trainer.save_model(0, str(tmp_path))
    cfg = trainer.cfg.clone()
    cfg.defrost()
    cfg.OUTPUT_DIR = str(tmp_path)
    write_run_file(cfg, trainer)
    _, out, _ = called(inside, capsys, "words", tmp_path, "--top-k", 1, "--format", "csv")
    assert {row["owner"] for row in csv.DictReader(out)} == {"all", *TASKS}


def test_attention_is_drawn_of_every_picture(finished, pictures, tmp_path, capsys):
    _, folder = finished("MaPLe")
    where = tmp_path / "maps"
    code, out, _ = called(inside, capsys, "attention", folder, *pictures, "--output", where)
    assert code == 0 and len(out) == len(list(where.iterdir())) == len(pictures)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["words", "{run}"], "VPT learns no context"),
        (["words", "{run}", "--top-k", "0"], "VPT learns no context"),
        (["attention", "{run}", "{run}/gone.png"], "gone.png: no such file or folder"),
        (["attention", "{run}", "{run}/a.png", "--block", "12"], "--block 12: the image tower has"),
        (["channels", "{run}/nowhere"], "{run}/nowhere: no such folder"),
    ],
)
def test_a_mistake_in_looking_inside_is_one_line(words, message, finished, capsys):
    from PIL import Image

    _, folder = finished("VPT")
    Image.new("RGB", (40, 40)).save(folder / "a.png")
    code, _, err = called(inside, capsys, *(word.format(run=folder) for word in words))
    assert code == 2 and len(err) == 1 and message.format(run=folder) in err[0]
