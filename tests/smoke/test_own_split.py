"""train.py on a split that was made here: the log warns, result.json carries the mark."""

import json

import train
from datasets.oxford_pets import OxfordPets
from runner.files.records import read_result
from tests.support import command, small_pets


def run(capsys, root, weights, output):
    words, pairs = command.train_words("CoOp", root, weights, output, epochs=1)
    return command.call(capsys, train.run, *words, "--seed", 1, *pairs, "USE_CUDA", "False")


def with_own_split(root):
    """The small pets, whose published split file makes place for one of the official lists."""
    folder = small_pets.write(root) / "oxford_pets"
    (folder / OxfordPets.split_file).unlink()
    lists = {"trainval": [], "test": []}
    for image in sorted((folder / "images").iterdir()):
        label = small_pets.CLASSES.index(image.stem.rpartition("_")[0]) + 1
        lists["test" if "_test" in image.stem else "trainval"].append(f"{image.stem} {label} 1 1\n")
    (folder / "annotations").mkdir()
    for name, lines in lists.items():
        (folder / "annotations" / f"{name}.txt").write_text("".join(lines))
    OxfordPets.make_split(root)


def test_a_run_on_an_own_split_says_so_in_log_and_result(tmp_path, small_vit, capsys):
    data, output = tmp_path / "data", tmp_path / "out"
    with_own_split(data)
    done = run(capsys, data, small_vit, output)
    assert done.returncode == 0, done.stderr
    path = data / "oxford_pets" / OxfordPets.split_file
    warning = f"Warning: {path} is not the published split: accuracies are not comparable"
    assert (output / "log.txt").read_text().count(warning) == 1
    note = json.loads((output / "result.json").read_text())["split_note"]
    assert note == json.loads(path.read_text())["made_by"]
    assert read_result(output).split_note == note


def test_a_run_on_the_published_split_has_no_mark(tmp_path, small_vit, capsys):
    done = run(capsys, small_pets.write(tmp_path / "data"), small_vit, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "result.json").read_text())["split_note"] is None
    assert "not the published split" not in (tmp_path / "out" / "log.txt").read_text()


def test_without_a_split_file_one_line_says_path_links_and_commands(tmp_path, small_vit, capsys):
    data = small_pets.write(tmp_path / "my data")
    path = data / "oxford_pets" / OxfordPets.split_file
    path.unlink()
    done = run(capsys, data, small_vit, tmp_path / "out")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: OxfordPets: no split file {path}; get it from https://drive.")
    assert "cross_modal_adaptation" in line
    assert f"or by python -m datasets prepare OxfordPets --root '{data}' (with --make-split" in line
    assert line.endswith("makes one of your own, whose numbers are not comparable)")
    assert not path.exists()
