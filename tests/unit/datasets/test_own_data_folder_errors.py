"""What ImageFolder refuses, in one line."""

import json
import os
import shutil

import pytest

from dassl.utils.errors import UserError
from datasets.own.image_folder import ImageFolder
from tests.support.own_pictures import class_images, own_cfg, write_images


def refusal(folder):
    """The one line of an error."""
    with pytest.raises(UserError) as error:
        ImageFolder(own_cfg(folder))
    assert len(error.value.problems) == 1 and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("bee x\ncat y\ndog z", "no line for the class folder emu"),
        ("bee x\ncat y\ndog z\nemu w\nfox v", "no class folder for the line 'fox v'"),
        ("bee\ncat y", "no class folder for the line 'bee'"),
        ("bee x\nbee y", "the folder bee stands there twice"),
    ],
)
def test_a_list_of_names_that_does_not_fit_is_refused(plain, lines, message):
    (plain / "classnames.txt").write_text(lines)
    line = refusal(plain)
    assert message in line and str(plain / "classnames.txt") in line
    assert "give each class folder one line '<folder> <name>'" in line


def test_no_folder_and_a_file_in_its_place_are_told_apart(tmp_path):
    assert refusal(tmp_path / "no").startswith(f"ImageFolder: no folder {tmp_path / 'no'}; set --r")
    write_images(tmp_path, "file")
    assert f"{tmp_path / 'file'} is a file; set --root" in refusal(tmp_path / "file")
    with pytest.raises(UserError, match="no folder"):
        ImageFolder.make_split(tmp_path / "no")


def test_images_without_class_folders_are_refused(tmp_path):
    line = refusal(write_images(tmp_path, "a.jpg", "b.jpg", "c.txt"))
    assert f"no class folders in {tmp_path}, but 2 images; give each class a folder" in line


@pytest.mark.parametrize(("call", "closed"), [("listdir", ""), ("listdir", "cat")])
def test_a_folder_that_cannot_be_listed_is_named(plain, monkeypatch, call, closed):
    path, real = os.path.join(plain, closed).rstrip(os.sep), getattr(os, call)

    def refuse(folder):
        if folder == path:
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, call, refuse)
    assert refusal(plain) == f"cannot list {path} (Permission denied); make it readable"


def test_an_empty_class_folder_is_refused(plain):
    write_images(plain, "fox/readme.txt")
    assert f"no image in the class folder {plain / 'fox'}" in refusal(plain)


def test_too_few_images_for_the_cut_are_named(plain):
    write_images(plain, *class_images(("fox",), 3))
    line = refusal(plain)
    assert "which takes 4: fox has 3; add some, or say yourself which are for train and" in line
    with pytest.raises(UserError, match="fox has 3"):
        ImageFolder.make_split(plain)
    write_images(plain, "fox/4.jpg")
    assert len(ImageFolder(own_cfg(plain)).train_x) == 22


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_class_without_training_images_is_refused(parts, part):
    write_images(parts, *class_images(count=1, part="val"), f"{part}/fox/0.jpg")
    assert f"{parts / part} has the class folder fox, which train has not" in refusal(parts)


@pytest.mark.parametrize(("half", "names"), [("base", "bee, cat"), ("new", "dog, emu")])
def test_a_half_of_the_classes_without_test_images_is_named(parts, half, names):
    for name in names.split(", "):
        shutil.rmtree(parts / "test" / name)
    assert ImageFolder(own_cfg(parts)).test
    with pytest.raises(UserError) as error:
        ImageFolder(own_cfg(parts, subsample=half))
    assert str(error.value) == (
        f"{parts}: no test image of the {half} classes: {names}; give each class images in test"
    )


def test_train_alone_or_missing_is_refused_with_what_is_there(parts):
    os.rename(parts / "test", parts / "valid")
    line = refusal(parts)
    assert "has train/ with class folders and no test/ or val/; found beside it: valid" in line
    os.rename(parts / "valid", parts / "test")
    os.rename(parts / "train", parts / "training")
    assert "has test/ with class folders and no train/; found beside it: training" in refusal(parts)


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("TRAIN", "testing"), ("training", "validation"), ("Train", "valid")],
)
@pytest.mark.parametrize("beside", ["", "labels/0.txt"])
def test_parts_that_are_spelled_otherwise_are_no_classes(parts, train, test, beside):
    os.rename(parts / "train", parts / train)
    os.rename(parts / "test", parts / test)
    write_images(parts, *filter(None, [beside]))
    line = refusal(parts)
    assert f"{parts} has " in line and "parts are called train, val and test; rename " in line
    assert f"{train} to train" in line and f"{test} to {'val' if 'val' in test else 'test'}" in line
    with pytest.raises(UserError, match="rename"):
        ImageFolder.make_split(parts)


def test_a_part_with_images_beside_class_folders_is_named(parts):
    write_images(parts, "test/0.jpg")
    line = refusal(parts)
    assert "no test/ or val/; found beside it: test; name" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": [["cat/0.jpg", 0, "cat"]]}, "split.json: cat/0.jpg is listed in train and test"),
        ({"train": [["./cat/0.jpg", 0, "cat"]] * 2}, "./cat/0.jpg is listed twice in train"),
        ({"test": [["dog/1.jpg", 1, "dog"]]}, r"no training image for class dog \(label 1\)"),
        ({"test": [["cat/1.jpg", 0, "dog"]]}, "label 0 has the names cat, dog"),
        ({"test": [["../1.jpg", 0, "cat"]]}, r"split.json: test\[0\]: .* is no \[relative path"),
        ({"test": [["cat/99.jpg", 0, "cat"]]}, "1 of 3 listed images are not in .*: cat/99.jpg"),
        ({"test": []}, "no test images; give each class images in train and in test"),
        ({"train": []}, "no training images"),
    ],
)
def test_a_wrong_split_file_is_refused(plain, change, message):
    lists = {
        "train": [["cat/0.jpg", 0, "cat"], ["cat/2.jpg", 0, "cat"]],
        "val": [],
        "test": [["cat/1.jpg", 0, "cat"]],
    }
    (plain / "split.json").write_text(json.dumps(lists | change))
    with pytest.raises(UserError, match=message):
        ImageFolder(own_cfg(plain))
