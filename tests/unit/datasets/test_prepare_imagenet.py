"""`prepare` of ImageNet: a tar of tars, and validation images that are sorted by the development
kit, here with twenty classes and one image of each.
"""

import os
import shutil
from pathlib import Path

import pytest

from dassl.utils.errors import UserError
from datasets import published
from datasets.imagenet import ImageNet
from datasets.preparing import imagenet
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from tests.support.archives import tar_bytes
from tests.support.dataset_tree import read
from tests.support.published_files import (
    NOWHERE,
    catalogue_of,
    imagenet_files,
    problems_of,
    val_class,
    val_name,
    write_files,
)

COUNT = 20
WNIDS = (published.wnids("ImageNet") or [])[:COUNT]
NAMES = (published.classnames("ImageNet") or [])[:COUNT]
FILES = imagenet_files(WNIDS)
TRAIN, VAL, KIT = FILES


@pytest.fixture(autouse=True)
def few_classes(monkeypatch):
    monkeypatch.setattr(published, "wnids", lambda _name: WNIDS)
    monkeypatch.setattr(published, "classnames", lambda _name: NAMES)


@pytest.fixture
def given(tmp_path):
    return write_files(tmp_path / "given", FILES)


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def catalogue(monkeypatch):
    return catalogue_of(FILES, NOWHERE, monkeypatch)


def images(root):
    return root / "imagenet" / "images"


def write_train(root):
    for wnid in WNIDS:
        (images(root) / "train" / wnid).mkdir(parents=True)
        (images(root) / "train" / wnid / "1.JPEG").touch()


def write_flat_val(folder):
    folder.mkdir(parents=True)
    for number in range(1, COUNT + 1):
        (folder / val_name(number)).write_bytes(b"%d" % number)


def assert_sorted(root):
    for number in (1, 2, 17, COUNT):
        path = images(root) / "val" / val_class(number, WNIDS) / val_name(number)
        assert path.read_bytes() == b"%d" % number
    assert sorted(os.listdir(images(root) / "val")) == WNIDS
    assert sorted(os.listdir(images(root))) == ["train", "val"]


def test_the_three_archives_become_the_published_layout(root, given, catalogue, capsys):
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)
    found = read(root, ImageNet)
    assert (len(found.train_x), len(found.test)) == (COUNT, COUNT)
    assert found.test[0].impath.endswith(f"{WNIDS[0]}/{val_name(COUNT)}")
    assert "can be read; train, val, test: 20, 20, 20" in capsys.readouterr().out
    prepare(["ImageNet"], Options(root), catalogue)
    assert_sorted(root)


def test_each_archive_that_is_missing_is_named(root, catalogue):
    lines = problems_of(["ImageNet"], Options(root), catalogue)
    assert [line.partition(" from ")[0] for line in lines] == [
        f"ImageNet: no {images(root) / 'train'}; get {TRAIN}",
        f"ImageNet: no {images(root) / 'val'}; get {VAL}",
    ]
    assert (root / "imagenet" / "classnames.txt").is_file()


def test_without_the_development_kit_val_is_not_unpacked(root, given, catalogue):
    (given / KIT).unlink()
    (line,) = problems_of(["ImageNet"], Options(root, given), catalogue)
    assert line.startswith(
        f"ImageNet: sorting validation images into classes needs {KIT}; get it from https://image"
    )
    assert os.listdir(images(root)) == ["train"]


def test_a_flat_val_is_sorted_where_it_lies(root, given, catalogue, capsys):
    write_train(root)
    write_flat_val(images(root) / "val")
    inode = (images(root) / "val" / val_name(5)).stat().st_ino
    options = Options(root, given, dry_run=True)
    prepare(["ImageNet"], options, catalogue)
    assert f"would do: the images in {images(root) / 'val'} are sorted" in capsys.readouterr().out
    assert (images(root) / "val" / val_name(5)).is_file()
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)
    assert (images(root) / "val" / val_class(5, WNIDS) / val_name(5)).stat().st_ino == inode


def test_a_val_of_which_a_part_is_sorted_is_completed(root, given, catalogue):
    write_train(root)
    write_flat_val(images(root) / "val")
    for number in (3, 4):
        folder = images(root) / "val" / val_class(number, WNIDS)
        folder.mkdir()
        (images(root) / "val" / val_name(number)).rename(folder / val_name(number))
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)


def test_a_flat_val_behind_a_link_stays_as_it_is(root, given, catalogue, tmp_path):
    write_train(root)
    write_flat_val(tmp_path / "shared")
    (images(root) / "val").symlink_to(tmp_path / "shared")
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)
    assert len(os.listdir(tmp_path / "shared")) == COUNT


def test_without_hard_links_images_are_copied(root, given, catalogue, monkeypatch):
    def no_links(*_args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    write_train(root)
    write_flat_val(images(root) / "val")
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)


@pytest.mark.parametrize("step", ["link", "rename"])
def test_sorting_that_was_stopped_is_completed_by_the_next_call(
    root, given, catalogue, monkeypatch, step
):
    write_train(root)
    write_flat_val(images(root) / "val")
    rename = Path.rename

    def stop(*_args):
        raise KeyboardInterrupt

    def stop_at_second(path, target):
        if path.name == "val" and path.parent.name.startswith("."):
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(Path, "rename", stop_at_second)
        else:
            patch.setattr(os, "link", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(["ImageNet"], Options(root, given), catalogue)
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)


def test_an_image_too_few_or_too_many_is_named_and_nothing_is_moved(root, given, catalogue):
    write_train(root)
    write_flat_val(images(root) / "val")
    (images(root) / "val" / val_name(7)).unlink()
    (line,) = problems_of(["ImageNet"], Options(root, given), catalogue)
    assert f"{images(root) / 'val'} lacks 1 of 20 validation images, the first {val_name(7)}" in (
        line
    )
    stranger = images(root) / "val" / "n01440764_1.JPEG"
    stranger.touch()
    (line,) = problems_of(["ImageNet"], Options(root, given), catalogue)
    assert line == f"ImageNet: {stranger} is no ImageNet validation image; move it elsewhere"
    assert len(os.listdir(images(root) / "val")) == COUNT


def test_unpacking_train_goes_on_where_it_was_killed(root, given, catalogue, monkeypatch):
    unpack, seen = imagenet.unpack_class, []

    def stopping(inner, archive, target):
        if len(seen) == 12:
            raise KeyboardInterrupt
        seen.append(target.name)
        unpack(inner, archive, target)

    monkeypatch.setattr(imagenet, "unpack_class", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(["ImageNet"], Options(root, given), catalogue)
    assert os.listdir(images(root)) == [f".unpacking-{TRAIN}"]
    monkeypatch.setattr(imagenet, "unpack_class", lambda *a: (seen.append(a[2].name), unpack(*a)))
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert seen == WNIDS  # each once
    assert_sorted(root)


BAD_TRAIN = {
    "a class is missing": (
        tar_bytes({f"{wnid}.tar": tar_bytes({"1.JPEG": b""}) for wnid in WNIDS[1:]}),
        f"lacks 1 of 20 classes, the first {WNIDS[0]}",
    ),
    "images instead of classes": (tar_bytes({"n01440764_1.JPEG": b""}), "'n01440764_1.JPEG', no"),
    "a class leaves its folder": (
        tar_bytes({"n01440764.tar": tar_bytes({"../n01443537/1.JPEG": b""})}),
        "is refused: its member '../n01443537/1.JPEG' lies outside",
    ),
    "cut short": (FILES[TRAIN][: len(FILES[TRAIN]) // 2], "is damaged or no archive"),
}


@pytest.mark.parametrize("what", BAD_TRAIN)
def test_a_train_archive_of_something_else_leaves_nothing(root, tmp_path, what):
    content, message = BAD_TRAIN[what]
    archive = tmp_path / TRAIN
    archive.write_bytes(content)
    (root / "train").mkdir()
    with pytest.raises(UserError) as caught:
        imagenet.unpack_train(archive, root / "train")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)
    assert not list(tmp_path.rglob("n01443537/1.JPEG")) or what == "a class is missing"


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        tar_bytes({"kit/readme.txt": b""}, mode="w:gz"),
        tar_bytes(
            {
                "kit/data/meta.mat": b"no table",
                "kit/data/ILSVRC2012_validation_ground_truth.txt": b"1\n",
            },
            mode="w:gz",
        ),
    ],
    ids=["no archive", "of something else", "no table"],
)
def test_a_development_kit_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / KIT
    path.write_bytes(content)
    with pytest.raises(UserError, match=KIT) as caught:
        imagenet.read_devkit(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("places", [("train", "val"), ("ILSVRC/Data/CLS-LOC/train", "val")])
def test_folders_beside_images_get_links(root, given, catalogue, places):
    write_train(root)
    write_flat_val(images(root) / "val")
    for name, place in zip(("train", "val"), places, strict=True):
        (root / "imagenet" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(images(root) / name, root / "imagenet" / place)
    prepare(["ImageNet"], Options(root, given), catalogue)
    assert_sorted(root)
    assert (images(root) / "train").is_symlink()
    assert not (images(root) / "val").is_symlink()  # sorted; the flat folder stays as it was
    assert len(os.listdir(root / "imagenet" / "val")) == COUNT
