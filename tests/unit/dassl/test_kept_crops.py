"""Test images that are decoded once for several runs."""

import errno
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dassl.config import get_cfg_default
from dassl.data import dataset_wrapper, kept_crops
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of different size and mode."""
    generator = np.random.default_rng(1)
    items = []
    for label, (mode, shape) in enumerate(
        {"RGB": (40, 60, 3), "L": (50, 33), "P": (70, 70)}.items()
    ):
        path = tmp_path / f"{label} é.png"
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
        items.append(Datum(str(path), label, classname=mode))
    return items


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "crops"
    place.mkdir()
    monkeypatch.setenv(kept_crops.FOLDER, str(place))
    return place


def config(**changes):
    cfg = get_cfg_default()
    cfg.INPUT.SIZE = (32, 32)
    cfg.INPUT.INTERPOLATION = "bicubic"
    cfg.INPUT.TRANSFORMS = ("random_resized_crop", "random_flip", "normalize")
    for key, value in changes.items():
        cfg.DATALOADER[key] = value
    return cfg


def images(items, *, is_train=False, **changes):
    cfg = config(**changes)
    transform = build_transform(cfg, is_train=is_train)
    torch.manual_seed(1)
    wrapper = dataset_wrapper.DatasetWrapper(cfg, items, transform, is_train=is_train)
    return [wrapper[k]["img"] for k in range(len(items))]


def forbid_reading(monkeypatch):
    for module in (dataset_wrapper, kept_crops):
        monkeypatch.setattr(module, "read_image", lambda path: pytest.fail(f"{path} is read"))


def assert_same(found, expected):
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_later_run_has_the_same_tensors_without_reading_an_image(pictures, folder, monkeypatch):
    with monkeypatch.context() as plain:
        plain.delenv(kept_crops.FOLDER)
        expected = images(pictures)
    assert_same(images(pictures), expected)
    forbid_reading(monkeypatch)
    assert_same(images(pictures), expected)


def test_an_image_that_has_changed_is_read_again(pictures, folder):
    before = images(pictures)
    path = pictures[0].impath
    Image.new("RGB", (40, 60), "red").save(path)
    os.utime(path, ns=(1, 1))
    after = images(pictures)
    assert not torch.equal(before[0], after[0])
    assert_same(after[1:], before[1:])


@pytest.mark.parametrize("damage", [b"\x07", b""], ids=["another byte", "cut short"])
def test_a_damaged_crop_is_not_used(pictures, folder, damage):
    expected = images(pictures)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:200] + damage + content[201:] if damage else content[:200])
    assert_same(images(pictures), expected)
    assert file.read_bytes() == content


def test_a_full_disk_costs_only_the_time(pictures, folder, monkeypatch):
    expected = images(pictures)

    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    for file in folder.iterdir():
        file.unlink()
    monkeypatch.setattr(kept_crops.os, "pwrite", full)
    assert_same(images(pictures), expected)
    monkeypatch.undo()


def test_lists_too_large_for_the_disk_are_not_kept(pictures, folder, monkeypatch):
    usage = SimpleNamespace(free=4 * 3 * 32 * 32 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    images(pictures)
    assert list(folder.iterdir()) == []
    images(pictures[:2])  # this much is there, and then no more
    images(pictures[1:])
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("changes", [{"is_train": True}, {"RETURN_IMG0": True}])
def test_random_views_and_wanted_images_are_not_kept(pictures, folder, changes):
    images(pictures, **changes)
    assert list(folder.iterdir()) == []


def test_other_sizes_and_other_lists_have_files_of_their_own(pictures, folder):
    images(pictures)
    images(pictures[:2])
    cfg = config()
    cfg.INPUT.SIZE = (16, 16)
    transform = build_transform(cfg, is_train=False)
    wrapper = dataset_wrapper.DatasetWrapper(cfg, pictures, transform)
    assert wrapper[0]["img"].shape == (3, 16, 16)
    assert len(list(folder.iterdir())) == 3


def test_an_image_that_is_not_there_is_named_as_ever(pictures, folder):
    os.unlink(pictures[1].impath)
    with pytest.raises(FileNotFoundError, match=os.path.basename(pictures[1].impath)):
        images(pictures)
