"""What all readers of public datasets share: cached classes, data made without asking the disk."""

import os

import pytest

from dassl.data.datasets import Datum
from dassl.utils.errors import UserError
from datasets.listed_dataset import ListedDatum
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import dataset_cfg, small_lists, write_tree
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
