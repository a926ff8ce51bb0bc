"""Lists that a run refuses or warns of, in the words of `check`: an image with two labels, class
names that are blank or read alike.
"""

import json

import pytest

from dassl.utils.errors import UserError
from datasets.oxford_pets import OxfordPets
from datasets.parts.classes import read_alike
from tests.support.checked_folders import check
from tests.support.dataset_tree import dataset_cfg, small_lists, write_tree


def write(root, lists):
    """OxfordPets with these lists; returns its split file."""
    folder = write_tree(root, OxfordPets, small_lists())
    (folder / OxfordPets.split_file).write_text(json.dumps(lists))
    return folder / OxfordPets.split_file


def renamed(names):
    """The lists with other class names, by label."""
    lists = small_lists()
    for row in (row for items in lists.values() for row in items):
        row[2] = names.get(row[1], row[2])
    return lists


def refused(root) -> str:
    with pytest.raises(UserError) as error:
        OxfordPets(dataset_cfg(root))
    (line,) = error.value.problems
    return line


def warnings_of(root, capsys) -> list[str]:
    capsys.readouterr()
    OxfordPets(dataset_cfg(root))
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]


def found(root, capsys, level) -> list[str]:
    return check(capsys, root, "OxfordPets", "--no-images").of(level)


@pytest.mark.parametrize("start", ["", "./"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_images_with_two_labels_are_refused(tmp_path, capsys, split, start):
    lists = small_lists()
    lists[split] += [[f"{start}cat_train_{k}.jpg", 1, "dog"] for k in range(4)]
    source = write(tmp_path, lists)
    shown = "cat_train_0.jpg, cat_train_1.jpg, cat_train_2.jpg, ..."
    line = f"{source}: 4 images with two labels: {shown}; leave one of them"
    assert refused(tmp_path) == line
    assert line in found(tmp_path, capsys, "wrong")


def test_an_image_that_is_listed_twice_with_its_label_is_read_as_published(tmp_path, capsys):
    lists = small_lists()
    lists["train"].append(lists["train"][0])
    write(tmp_path, lists)
    assert warnings_of(tmp_path, capsys) == []
    assert len(OxfordPets(dataset_cfg(tmp_path)).train_x) == 21


def test_test_images_that_are_trained_on_are_a_warning(tmp_path, capsys):
    lists = small_lists()
    lists["test"] += lists["train"][:2]
    source = write(tmp_path, lists)
    line = f"{source}: 2 images of test also in train: cat_train_0.jpg, cat_train_1.jpg"
    assert warnings_of(tmp_path, capsys) == [f"{line}; accuracy counts images that are trained on"]
    assert line in found(tmp_path, capsys, "warning")


@pytest.mark.parametrize("name", ["", "  ", "_", " \n"])
def test_a_blank_class_name_is_refused(tmp_path, capsys, name):
    source = write(tmp_path, renamed({1: name}))
    line = f"{source}: no class name for label 1; give the class in words"
    assert refused(tmp_path) == line
    assert line in found(tmp_path, capsys, "wrong")


def test_several_blank_class_names_are_one_line(tmp_path):
    source = write(tmp_path, renamed(dict.fromkeys(range(4), " ")))
    line = f"{source}: no class name for label 0, 1, 2, ...; give the class in words"
    assert refused(tmp_path) == line


@pytest.mark.parametrize("name", ["Big_Cat", "big  cat", " big cat", "big cat"])
def test_class_names_that_read_alike_are_a_warning(tmp_path, capsys, name):
    source = write(tmp_path, renamed({0: "big cat", 2: name}))
    line = (
        f"{source}: class names that read alike have the same prompts: big cat (label 0) and "
        f"{name} (label 2); give each class a name of its own"
    )
    assert warnings_of(tmp_path, capsys) == [line]
    assert " ".join(line.split()) in map(
        lambda text: " ".join(text.split()), found(tmp_path, capsys, "warning")
    )


def test_names_that_are_published_alike_are_left_out():
    names = {0: "missile", 1: "yak", 2: "missile"}
    assert read_alike(names, "classnames.txt", ["missile", "yak", "missile"]) == ""
    assert "missile (label 0) and missile (label 2);" in read_alike(names, "it", ["missile", "yak"])
