"""`check` on folders of ImageNet and its variants, whole and damaged."""

import shutil

import pytest

from datasets.imagenet_a import ImageNetA
from datasets.imagenet_r import ImageNetR
from datasets.imagenet_sketch import ImageNetSketch
from datasets.imagenetv2 import ImageNetV2
from tests.support.checked_folders import (
    NAMES,
    PART,
    WNIDS,
    check,
    publish,
    put,
    write_imagenet,
    write_variant,
)

VARIANTS = (ImageNetV2, ImageNetSketch, ImageNetA, ImageNetR)


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    publish(monkeypatch)


@pytest.fixture
def imagenet(tmp_path):
    return write_imagenet(tmp_path)


def found_in(capsys, folder, name="ImageNet"):
    return check(capsys, folder, name, "--no-images")


def wrong(found):
    """The one wrong thing."""
    assert found.code == 2
    (text,) = found.of("wrong")
    return text


def test_a_whole_imagenet_is_complete(imagenet, capsys):
    found = check(capsys, imagenet.parent, "ImageNet")
    assert (found.code, found.bad) == (0, [])
    names, train, val, decoded = found.of("ok")
    assert names == "classnames.txt has the published 12 names"
    assert train == f"{imagenet}/images/train has the published 24 images in 12 class folders"
    assert val == f"{imagenet}/images/val has the published 600 images in 12 class folders"
    assert decoded == "all 624 images can be decoded"


def test_a_flat_val_folder_is_told_with_the_command_that_mends_it(tmp_path, capsys):
    imagenet = write_imagenet(tmp_path / "my data")
    val = imagenet / "images" / "val"
    shutil.rmtree(val)
    for k in range(5):
        put(val / f"ILSVRC2012_val_{k:08d}.JPEG")
    assert wrong(found_in(capsys, imagenet.parent)) == (
        f"0 class folders in {val}, but 5 files; unpack the images there, or run python -m "
        f"datasets prepare ImageNet --root '{imagenet.parent}'"
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_class_folder_is_named(imagenet, capsys, split):
    shutil.rmtree(imagenet / "images" / split / WNIDS[4])
    folders, images = found_in(capsys, imagenet.parent).of("wrong")
    assert f"{imagenet}/images/{split} has 11 class folders, not 12" in folders
    assert f"only in the published set: {WNIDS[4]}; labels are places among them" in folders
    assert folders.endswith("; or, for a wanted subset, run with DATASET.PARTIAL True")
    assert "images, published are" in images


def test_a_strange_class_folder_is_named(imagenet, capsys):
    (imagenet / "images" / "train" / "n99999999").mkdir()
    found = found_in(capsys, imagenet.parent)
    folders, empty = found.of("wrong")
    assert "has 13 class folders, not 12; only in the folder: n99999999" in folders
    assert f"1 class folder of {imagenet}/images/train without images: n99999999" in empty


def test_a_val_image_too_few_is_counted(imagenet, capsys):
    (imagenet / "images" / "val" / WNIDS[2] / f"{WNIDS[2]}_0.jpg").unlink()
    (count,) = found_in(capsys, imagenet.parent).of("wrong")
    assert "has 599 images, published are 600" in count


def test_a_missing_training_image_shows_in_the_count(imagenet, capsys):
    (imagenet / "images" / "train" / WNIDS[2] / f"{WNIDS[2]}_0.jpg").unlink()
    text = wrong(found_in(capsys, imagenet.parent))
    assert f"{imagenet}/images/train has 23 images, published are 24" in text


def test_an_empty_file_and_a_folder_among_images_are_named(imagenet, capsys):
    train = imagenet / "images" / "train" / WNIDS[0]
    (train / f"{WNIDS[0]}_0.jpg").write_bytes(b"")
    (train / "more").mkdir()
    inner, empty = found_in(capsys, imagenet.parent).of("wrong")
    assert f"{train}/more is a folder among images" in inner
    assert f"1 empty file (0 bytes): train/{WNIDS[0]}/{WNIDS[0]}_0.jpg" in empty


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_file_in_a_class_folder_that_is_no_image_is_named(imagenet, capsys, split):
    folder = imagenet / "images" / split
    put(folder / WNIDS[3] / "Thumbs.db")
    first, *_ = found_in(capsys, imagenet.parent).of("wrong")
    assert first == (
        f"1 file in class folders of {folder} with no image's ending: {WNIDS[3]}/Thumbs.db; a run "
        "takes them as images: remove them"
    )


def test_a_missing_val_folder_is_named(imagenet, capsys):
    shutil.rmtree(imagenet / "images" / "val")
    found = found_in(capsys, imagenet.parent)
    assert found.code == 2
    (text,) = found.of("missing")
    assert (
        f"no images folder {imagenet}/images/val; unpack the images there: https://image-net.org"
        in text
    )


def test_missing_class_names_are_named(imagenet, capsys):
    (imagenet / "classnames.txt").unlink()
    found = found_in(capsys, imagenet.parent)
    assert found.code == 2
    (text,) = found.of("missing")
    assert text.startswith(f"no list {imagenet}/classnames.txt; run ")
    command = f"python -m datasets prepare ImageNet --root {imagenet.parent}"
    assert text.count("python -m datasets") == text.count(command) == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (list(zip(WNIDS[:11], NAMES, strict=False)), "has 11 lines, not 12; only in ImageNet: n0"),
        (
            [(wnid, f"my {name}") for wnid, name in zip(WNIDS, NAMES, strict=True)],
            "12 names not as published",
        ),
        ([("tench", "")], "no '<key> <name>'"),
    ],
)
def test_other_class_names_are_wrong(imagenet, capsys, lines, words):
    text = "".join(f"{wnid} {name}\n" for wnid, name in lines)
    (imagenet / "classnames.txt").write_text(text)
    line = wrong(found_in(capsys, imagenet.parent))
    assert words in line
    command = f"python -m datasets prepare ImageNet --root {imagenet.parent}"
    assert line.endswith(f"; delete it and run {command}, which writes it")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_a_whole_variant_is_complete(tmp_path, capsys, variant):
    images = write_variant(tmp_path, variant)
    (images / "README.txt").write_text("-")
    found = check(capsys, tmp_path, variant.__name__)
    assert (found.code, found.bad) == (0, [])
    assert f"{images} has the published" in found.of("ok")[1]


def test_a_v2_image_too_many_is_counted(tmp_path, capsys):
    images = write_variant(tmp_path, ImageNetV2)
    put(images / "3" / "extra.jpg")
    (count,) = found_in(capsys, tmp_path, "ImageNetV2").of("wrong")
    assert "has 121 images, published are 120" in count


def test_v2_folders_are_numbers_from_0(tmp_path, capsys):
    images = write_variant(tmp_path, ImageNetV2)
    (images / "0").rename(images / "12")
    text = wrong(found_in(capsys, tmp_path, "ImageNetV2"))
    assert "only in the folder: 12, only in the published set: 0" in text


def test_v2_needs_the_lines_of_classnames_in_order(tmp_path, capsys):
    write_variant(tmp_path, ImageNetV2)
    file = tmp_path / "imagenetv2" / "classnames.txt"
    file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))
    text = wrong(found_in(capsys, tmp_path, "ImageNetV2"))
    assert "the lines are not in the order of the wnids" in text


@pytest.mark.parametrize("variant", [ImageNetA, ImageNetR], ids=lambda variant: variant.__name__)
def test_a_and_r_have_exactly_their_wnids(tmp_path, capsys, variant):
    images = write_variant(tmp_path, variant)
    (images / PART[0]).rename(images / WNIDS[5])
    text = wrong(found_in(capsys, tmp_path, variant.__name__))
    assert f"only in the folder: {WNIDS[5]}, only in the published set: {PART[0]}" in text


def test_a_variant_that_is_not_unpacked_is_named(tmp_path, capsys):
    images = write_variant(tmp_path, ImageNetSketch)
    shutil.rmtree(images)
    put(images / "sketch.zip")
    assert f"0 class folders in {images}" in wrong(found_in(capsys, tmp_path, "ImageNetSketch"))
