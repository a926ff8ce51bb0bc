"""A folder with some of ImageNet's classes, and what a dataset says of its files for provenance."""

import hashlib
import shutil
from pathlib import Path

import pytest

from dassl.data.datasets import build_dataset
from dassl.utils.errors import UserError
from datasets.demo.suite import DemoSuite
from datasets.imagenet import ImageNet
from datasets.imagenet_sketch import ImageNetSketch
from datasets.imagenetv2 import ImageNetV2
from datasets.oxford_pets import OxfordPets
from tests.support.checked_folders import (
    NAMES,
    PART,
    WNIDS,
    publish,
    write_aircraft,
    write_imagenet,
    write_split,
    write_variant,
)
from tests.support.dataset_tree import dataset_cfg

KEPT = [WNIDS[1], WNIDS[4], WNIDS[9]]


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch):
    publish(monkeypatch)


def partial_cfg(root, **settings):
    cfg = dataset_cfg(root, **settings)
    cfg.DATASET.PARTIAL = True
    return cfg


def keep(folder, names):
    """Remove all class folders but these."""
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path)


def of(wnids, missing):
    text = "".join(f"{wnid}\n" for wnid in wnids)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"present": len(wnids), "missing": missing, "present_sha256": digest}


def test_some_classes_of_imagenet_are_read_with_the_key_alone(tmp_path, caplog):
    folder = write_imagenet(tmp_path) / "images"
    for split in ("train", "val"):
        keep(folder / split, KEPT)
    with pytest.raises(UserError, match=r"; or read the classes that are there: DATASET\.PARTIAL"):
        ImageNet(dataset_cfg(tmp_path))
    caplog.set_level("INFO", "datasets")
    dataset = ImageNet(partial_cfg(tmp_path))
    assert dataset.classnames == [NAMES[1], NAMES[4], NAMES[9]]
    assert dataset.class_ids == KEPT
    assert (len(dataset.train_x), len(dataset.test)) == (6, 150)
    assert dataset.partial == of(KEPT, 9)
    assert dataset.split_file is None
    (notice,) = [r.getMessage() for r in caplog.records if "PARTIAL" in r.getMessage()]
    assert notice == (
        f"Notice: ImageNet: DATASET.PARTIAL: 3 classes of 12 are read, and accuracy is among them; "
        f"{folder}/train lacks 9: {WNIDS[0]}, {WNIDS[2]}, {WNIDS[3]}, ..."
    )


def test_classes_that_val_lacks_are_not_read(tmp_path):
    folder = write_imagenet(tmp_path) / "images"
    keep(folder / "val", KEPT)
    with pytest.raises(UserError, match=r"or read those that both have: DATASET\.PARTIAL True"):
        ImageNet(dataset_cfg(tmp_path))
    assert ImageNet(partial_cfg(tmp_path)).class_ids == KEPT


def test_a_folder_without_a_line_is_refused_all_the_same(tmp_path):
    folder = write_imagenet(tmp_path) / "images"
    for split in ("train", "val"):
        (folder / split / WNIDS[0]).rename(folder / split / "n99999999")
    with pytest.raises(UserError, match="n99999999"):
        ImageNet(partial_cfg(tmp_path))


@pytest.mark.parametrize(
    ("reader", "folders"), [(ImageNetV2, ["1", "4", "9"]), (ImageNetSketch, KEPT)]
)
def test_some_classes_of_a_variant_are_read(tmp_path, reader, folders):
    keep(write_variant(tmp_path, reader), folders)
    with pytest.raises(UserError, match=r"DATASET\.PARTIAL True"):
        reader(dataset_cfg(tmp_path))
    dataset = reader(partial_cfg(tmp_path))
    assert dataset.class_ids == KEPT
    assert dataset.classnames == [NAMES[1], NAMES[4], NAMES[9]]
    assert dataset.partial == of(KEPT, 9)


def test_a_variant_that_lacks_some_of_its_own_classes_is_partial(tmp_path):
    from datasets.imagenet_a import ImageNetA

    images = write_variant(tmp_path, ImageNetA)
    assert ImageNetA(dataset_cfg(tmp_path)).partial is None
    shutil.rmtree(images / PART[1])
    assert ImageNetA(dataset_cfg(tmp_path)).partial == of([PART[0], PART[2]], 1)


def test_a_whole_folder_is_not_partial(tmp_path):
    write_imagenet(tmp_path)
    whole, marked = ImageNet(dataset_cfg(tmp_path)), ImageNet(partial_cfg(tmp_path))
    assert whole.partial is None and marked.partial is None
    assert [d.impath for d in whole.train_x] == [d.impath for d in marked.train_x]


def test_a_dataset_of_another_kind_says_that_the_key_does_not_concern_it(tmp_path, caplog):
    folder = write_split(tmp_path, OxfordPets)
    caplog.set_level("INFO", "datasets")
    dataset = OxfordPets(partial_cfg(tmp_path))
    assert "Notice: OxfordPets: DATASET.PARTIAL does not concern it" in caplog.messages
    assert dataset.split_file == folder / OxfordPets.split_file
    assert dataset.partial is None


def test_several_lists_are_no_split_file(tmp_path):
    from datasets.fgvc_aircraft import FGVCAircraft

    write_aircraft(tmp_path)
    assert FGVCAircraft(dataset_cfg(tmp_path)).split_file is None


def test_a_suite_names_the_split_file_of_each_task(demo_root):
    dataset = DemoSuite(dataset_cfg(demo_root))
    names = ["DemoShapes", "DemoTextures", "DemoDigits"]
    assert [path.name for path in dataset.task_split_files] == [
        f"split_zhou_{name}.json" for name in names
    ]
    assert all(Path(path).is_file() for path in dataset.task_split_files)
    assert dataset.split_file is None and dataset.partial is None


def test_the_engine_builds_a_partial_dataset_by_name(tmp_path):
    keep(write_imagenet(tmp_path) / "images" / "train", KEPT)
    cfg = partial_cfg(tmp_path)
    cfg.DATASET.NAME = "ImageNet"
    assert build_dataset(cfg).num_classes == 3
