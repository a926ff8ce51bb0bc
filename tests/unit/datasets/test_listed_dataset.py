"""What all readers of public datasets share: cached classes, data made without asking the disk."""

import os

import pytest

from dassl.data.datasets import Datum
from dassl.utils.errors import UserError
from datasets.listed_dataset import ListedDatum
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import as_rows, dataset_cfg, small_lists, write_tree
from tests.support.foreign_cache import write_foreign_cache


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path, OxfordPets, small_lists())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"cat": 0, "dog": 1, "emu": 2}, r"lacks the class fox \(label 3\)"),
        ({"cat": 1, "dog": 0, "emu": 2, "fox": 3}, r"lacks the class cat \(label 0\)"),
        ({"cat": 0, "dog": 1, "emu": 2, "fox": 3, "gnu": 4}, r"alone has the class gnu"),
    ],
)
def test_a_cache_of_other_classes_is_refused(folder, labels, message):
    rows = [[f"{name}_train_0.jpg", label, name] for name, label in labels.items()]
    lists = {"train": rows, "val": []}
    path = write_foreign_cache(folder, lists, "/d/oxford_pets/images", shots=1)
    with pytest.raises(UserError, match=message) as error:
        OxfordPets(dataset_cfg(folder.parent, shots=1))
    assert str(path) in str(error.value) and "delete it to draw again" in str(error.value)


def test_each_image_is_looked_up_once(folder, monkeypatch):
    asked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **kw: asked.append(str(path)) or stat(path, **kw))
    found = OxfordPets(dataset_cfg(folder.parent))
    images = [item.impath for item in [*found.train_x, *found.val, *found.test]]
    assert sorted(path for path in asked if path.endswith(".jpg")) == sorted(images)


def test_a_listed_datum_is_a_datum():
    item = ListedDatum("/no/such/file.jpg", 3, "emu")
    assert isinstance(item, Datum)
    assert (item.impath, item.label, item.domain, item.classname) == (
        "/no/such/file.jpg",
        3,
        0,
        "emu",
    )


ODD = ["große Katze", "猫 neko", "l'été", "a, b; c"]  # letters, blanks, signs in class and path


def odd_lists():
    """Class folders with the same file names in each, two of which look alike."""
    return {
        split: [
            [f"{name} Ordner/{split} {i} é{mark}.jpg", label, name]
            for label, name in enumerate(ODD)
            for i, mark in enumerate(("é", "e\u0301"))
        ]
        for split in ("train", "val", "test")
    }


@pytest.mark.parametrize("place", ["split file", "published cache", "our cache"])
def test_odd_letters_and_blanks_in_paths_and_names_just_work(tmp_path, place):
    lists = odd_lists()
    root = tmp_path / "Daten für é 猫"
    folder = write_tree(root, OxfordPets, lists)
    if place == "published cache":
        write_foreign_cache(folder, lists, "/d/é ü/oxford_pets/images", shots=2)
    cfg = dataset_cfg(root, shots=2)
    cfg.DATASET.SAVE_FEWSHOT = place == "our cache"
    OxfordPets(cfg)
    assert (folder / "split_fewshot").exists() == (place != "split file")
    found = OxfordPets(cfg)
    for split, data in (("train", found.train_x), ("val", found.val), ("test", found.test)):
        assert sorted(as_rows(data, found.image_dir)) == sorted(lists[split])
    assert all(os.path.isfile(item.impath) for item in found.train_x)
    assert found.classnames == ODD


def test_a_root_that_is_a_file_is_named(folder):
    file = folder / OxfordPets.split_file
    with pytest.raises(UserError, match=f"DATASET.ROOT {file} is a file; set --root to the folder"):
        OxfordPets(dataset_cfg(file))


def test_a_dataset_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "oxford_pets").touch()
    with pytest.raises(UserError, match=f"no folder {tmp_path / 'oxford_pets'}"):
        OxfordPets(dataset_cfg(tmp_path))
