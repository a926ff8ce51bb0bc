"""Test images that are decoded once for several runs."""

import errno
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dassl.config import get_cfg_default
from dassl.data import dataset_wrapper, image_digests, kept_crops
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform
from dassl.utils.errors import BadFileError
from image_store import Store, activate


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of different size and mode, last changed long ago."""
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
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(image_digests, "_SETTLED", -3600.0)  # pictures need not be old
    found = Store(tmp_path / "cache")
    activate(found)
    yield found
    activate(None)


def config(**changes):
    cfg = get_cfg_default()
    cfg.INPUT.SIZE = (32, 32)
    cfg.INPUT.INTERPOLATION = "bicubic"
    cfg.INPUT.TRANSFORMS = ("random_resized_crop", "random_flip", "normalize")
    for key, value in changes.items():
        node, name = (cfg.INPUT, "SIZE") if key == "SIZE" else (cfg.DATALOADER, key)
        node[name] = value
    return cfg


def images(items, *, is_train=False, num_workers=0, **changes):
    """The tensors that a test reads, in the order of the list."""
    cfg = config(**changes)
    transform = build_transform(cfg, is_train=is_train)
    torch.manual_seed(1)
    wrapper = dataset_wrapper.DatasetWrapper(cfg, items, transform, is_train=is_train)
    wrapper.keep_crops(num_workers)
    return [wrapper[k]["img"] for k in range(len(items))]


def plain(items):
    activate(None)
    return images(items)


def forbid_reading(monkeypatch):
    for module in (dataset_wrapper, kept_crops):
        monkeypatch.setattr(
            module, "read_image", lambda path, *_limit: pytest.fail(f"{path} is read")
        )


def assert_same(found, expected):
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def kinds(store):
    return sorted(held.kind for held in store.entries())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_later_run_has_the_same_tensors_without_reading_an_image(
    pictures, store, monkeypatch, num_workers
):
    monkeypatch.setattr(kept_crops, "_STEP", 2)
    expected = plain(pictures)
    activate(store)
    assert_same(images(pictures, num_workers=num_workers), expected)
    assert kinds(store) == ["crops", "digests"]
    forbid_reading(monkeypatch)
    assert_same(images(pictures), expected)


def test_the_generator_of_the_run_is_left_alone(pictures, store):
    images(pictures)
    state = torch.get_rng_state()
    store.empty()
    images(pictures)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_picture_that_has_changed_is_read_again_whatever_its_times_say(pictures, store):
    before = images(pictures)
    path = Path(pictures[0].impath)
    found = os.stat(path)
    other = path.with_suffix(".other.png")
    Image.new("RGB", (40, 60), "red").save(other)
    content = other.read_bytes()
    with open(path, "r+b") as file:  # the same size, place and time
        file.write(content + bytes(found.st_size - len(content)))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    now = os.stat(path)
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (
        found.st_size,
        found.st_mtime_ns,
        found.st_ino,
    )
    after = images(pictures)
    assert not torch.equal(before[0], after[0])
    assert_same(after[1:], before[1:])
    assert_same(after, plain(pictures))


def test_nothing_is_kept_of_a_picture_that_changes_while_it_is_decoded(
    pictures, store, monkeypatch
):
    monkeypatch.setattr(kept_crops, "_STEP", 2)
    first, whole = Path(pictures[0].impath), plain(pictures)
    content, read = first.read_bytes(), kept_crops.read_image

    def changing(path, *limit):
        if Path(path) == first:
            Image.new("RGB", (40, 60), "red").save(first)
        return read(path, *limit)

    activate(store)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(kept_crops, "read_image", changing)
        images(pictures)
    assert [file.name for file in store.root.glob("crops/*/*.npy")] == ["000001.npy"]
    first.write_bytes(content)
    assert_same(images(pictures), whole)


def test_files_may_have_any_number_of_a_network_file_system(pictures, store, monkeypatch):
    stat, paths = os.stat, [item.impath for item in pictures]

    def of_a_network(path, **how):
        found = stat(path, **how)
        if path not in paths:
            return found
        times = {"st_mtime_ns": found.st_mtime_ns, "st_ctime_ns": found.st_ctime_ns}
        return SimpleNamespace(st_ino=2**64 - found.st_ino, st_size=found.st_size, **times)

    expected = image_digests.contents(paths, store).digest
    monkeypatch.setattr(os, "stat", of_a_network)
    assert image_digests.contents(paths, store).digest == expected


def test_a_picture_that_has_just_changed_is_read_whatever_stat_says(pictures, store, monkeypatch):
    monkeypatch.setattr(image_digests, "_SETTLED", 3600.0)
    taken = []
    digest = image_digests._digest
    monkeypatch.setattr(image_digests, "_digest", lambda path: taken.append(path) or digest(path))
    images(pictures)
    images(pictures)
    assert len(taken) == 2 * len(pictures)


def test_digests_of_pictures_that_rest_are_taken_once(pictures, store, monkeypatch):
    first = images(pictures)
    monkeypatch.setattr(image_digests, "_digest", lambda path: pytest.fail(f"{path} is read"))
    assert_same(images(pictures), first)


@pytest.mark.parametrize("damage", [b"\x07", b""], ids=["another byte", "cut short"])
def test_a_damaged_crop_is_not_used_and_made_anew(pictures, store, damage):
    expected = images(pictures)
    (file,) = store.root.glob("crops/*/000000.npy")
    content = file.read_bytes()
    file.write_bytes(content[:600] + damage + content[601:] if damage else content[:600])
    assert_same(images(pictures), expected)
    assert_same(images(pictures), expected)
    assert file.read_bytes() == content


def full(*_words):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_full_disk_costs_time_and_one_notice(pictures, store, monkeypatch, caplog, num_workers):
    expected = plain(pictures)
    activate(store)
    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.INFO, "dassl"):
        for _ in range(2):
            assert_same(images(pictures, num_workers=num_workers), expected)
    (notice,) = [line for line in caplog.messages if line.startswith("Notice")]
    assert "takes no more test images (No space left on device)" in notice
    assert not list(store.root.glob("*/*/*.npy"))


def test_a_folder_that_may_not_be_written_costs_one_notice(pictures, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    expected = plain(pictures)
    activate(Store(tmp_path / "file"))
    with caplog.at_level(logging.INFO, "dassl"):
        for _ in range(2):
            assert_same(images(pictures), expected)
    activate(None)
    (notice,) = [line for line in caplog.messages if line.startswith("Notice")]
    assert "(Not a directory)" in notice


def test_a_list_larger_than_the_limit_is_not_begun(pictures, store, caplog):
    store.set_limit(9000)
    expected = plain(pictures)
    activate(store)
    with caplog.at_level(logging.INFO, "dassl"):
        assert_same(images(pictures), expected)
    assert kinds(store) == ["digests"]
    assert "the crops of 3 images are" in caplog.text


@pytest.mark.parametrize("changes", [{"is_train": True}, {"RETURN_IMG0": True}])
def test_random_views_and_wanted_images_are_not_kept(pictures, store, changes):
    images(pictures, **changes)
    assert store.entries() == []


def test_a_transform_with_chance_is_not_kept_in_a_test(pictures, store):
    cfg = config()
    transform = build_transform(cfg, is_train=True)
    dataset_wrapper.DatasetWrapper(cfg, pictures, transform).keep_crops(0)
    assert store.entries() == []


def test_other_sizes_and_other_lists_are_other_entries(pictures, store):
    images(pictures)
    images(pictures[:2])
    assert images(pictures, SIZE=(16, 16))[0].shape == (3, 16, 16)
    assert kinds(store).count("crops") == 3


def test_the_same_pictures_elsewhere_are_the_same_entry(pictures, store, tmp_path):
    first = images(pictures)
    (tmp_path / "copy").mkdir()
    moved = []
    for number, item in enumerate(pictures):
        path = tmp_path / "copy" / f"{number}.png"
        shutil.copyfile(item.impath, path)
        moved.append(Datum(str(path), item.label, classname=item.classname))
    assert_same(images(moved), first)
    assert kinds(store).count("crops") == 1


def test_an_image_that_is_not_there_or_broken_is_named_as_ever(pictures, store):
    with open(pictures[0].impath, "wb") as file:
        file.write(b"no picture")
    with pytest.raises(BadFileError, match=os.path.basename(pictures[0].impath)):
        images(pictures)
    os.unlink(pictures[1].impath)
    with pytest.raises(FileNotFoundError, match=os.path.basename(pictures[1].impath)):
        images(pictures[1:])
