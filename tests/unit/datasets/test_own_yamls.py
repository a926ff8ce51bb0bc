"""YAMLs of a person's own in configs/datasets, which name datasets as those of the project do."""

import json
import shutil

import pytest

from dassl.utils.errors import UserError
from datasets.__main__ import run
from datasets.checking.listing import rows
from datasets.parts import names
from datasets.parts.names import Named, resolve
from tests.support.checked_folders import check, put
from tests.support.own_pictures import class_images

SHAPES = """
DATASET:
  NAME: "ImageFolder"
  FOLDER: "my_shapes"
  TEMPLATE: "a drawing of a {}."
"""


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A copy of configs/datasets with one more."""
    folder = tmp_path / "configs"
    shutil.copytree(names.CONFIGS, folder)
    monkeypatch.setattr(names, "CONFIGS", folder)
    (folder / "a_shapes.yaml").write_text(SHAPES)
    return folder


@pytest.fixture
def root(tmp_path):
    """A data folder with four classes of five pictures in my_shapes."""
    for path in class_images():
        put(tmp_path / "data" / "my_shapes" / path)
    return tmp_path / "data"


def prepare(capsys, root, *words):
    """Exit code, stdout and stderr."""
    capsys.readouterr()
    code = run(["prepare", *map(str, words), "--root", str(root)])
    return code, *capsys.readouterr()


def test_the_stem_is_a_name_with_the_folder(configs):
    assert resolve(["A_Shapes", "ImageFolder"]) == [
        Named("ImageFolder", "a_shapes", "my_shapes"),
        Named("ImageFolder"),
    ]


def test_a_folder_is_not_that_of_a_dataset_whose_reader_fixes_it(configs):
    (configs / "pets.yaml").write_text("DATASET:\n  NAME: OxfordPets\n  FOLDER: pets\n")
    assert resolve(["pets", "oxford_pets"]) == [Named("OxfordPets")]


def test_it_is_listed_with_the_folder(configs):
    found = [row for row in rows() if row["name"] == "ImageFolder"]  # the one that says less first
    assert [(row["yaml"], row["folder"], row["group"]) for row in found] == [
        ("image_folder", "DATASET.FOLDER", "Own data"),
        ("a_shapes", "my_shapes", "Own data"),
    ]


def test_it_is_checked_under_its_own_name(configs, root, capsys):
    found = check(capsys, root, "a_shapes")
    assert (found.code, found.bad) == (0, [])
    assert all(line.startswith("a_shapes ") for line in found.lines[:-1])
    assert f"{root}/my_shapes has 4 classes" in found.lines[1]


def test_the_option_wins_over_the_yaml(configs, root, capsys):
    (root / "my_shapes").rename(root / "shapes")
    assert check(capsys, root, "a_shapes").code == 2
    assert check(capsys, root, "a_shapes", "--folder", "shapes").code == 0
    assert check(capsys, root, "ImageFolder", "--folder", "shapes").code == 0


@pytest.mark.parametrize("words", [["a_shapes"], ["ImageFolder", "--folder", "my_shapes"]])
def test_its_cut_is_written(configs, root, capsys, words):
    code, told, _ = prepare(capsys, root, *words, "--make-split")
    file = root / "my_shapes" / "split.json"
    assert code == 0 and len(json.loads(file.read_text())["train"]) == 8
    assert f"{words[0]}: {file} is written" in told
    assert told.splitlines()[-1] == (
        f"check with: python -m datasets check --root {root} {' '.join(words)}"
    )


def test_a_folder_that_leaves_the_root_is_refused(configs, root, capsys):
    for command in (["check"], ["prepare", "--make-split"]):
        words = [*command, "ImageFolder", "--folder", "../x", "--root", str(root)]
        assert run(words) == 2
        assert "DATASET.FOLDER = '../x': give a folder below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("DATASET: [", "cannot be read as YAML (while parsing a flow"),
        ("OPTIM:\n  LR: 1\n", "no DATASET.NAME; give one of those that"),
        ("DATASET:\n  NAME: Shapes\n", "DATASET.NAME 'Shapes' is no dataset; give one of those"),
        ("DATASET:\n  NAME: [1]\n", "DATASET.NAME [1] is no dataset"),
        ("- 1", "no DATASET.NAME"),
    ],
)
def test_a_faulty_one_is_told_where_it_is_named_and_nowhere_else(configs, content, message):
    (configs / "bad.yaml").write_text(content)
    assert resolve(["oxford_pets"]) == [Named("OxfordPets")]
    with pytest.raises(UserError) as error:
        resolve(["bad"])
    assert str(error.value).startswith(f"{configs / 'bad.yaml'}") and message in str(error.value)
    assert "\n" not in str(error.value)
