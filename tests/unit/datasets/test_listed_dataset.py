"""What all readers of public datasets share: cached classes, data made without asking the disk."""

import os
import pickle
import random

import pytest

from dassl.data.datasets import Datum
from dassl.utils.errors import UserError
from datasets import fewshot
from datasets.listed_dataset import ListedDatum
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import dataset_cfg, small_lists, write_tree


@pytest.fixture
def folder(tmp_path):
    path = write_tree(tmp_path, OxfordPets, small_lists())
    (path / "split_fewshot").mkdir()
    return path


def write_cache(folder, rows):
    data = [Datum(str(folder / "images" / path), label, 0, name) for path, label, name in rows]
    path = fewshot.cache_path(str(folder), 1, 1)
    with open(path, "wb") as file:
        pickle.dump({"train": data, "val": []}, file)
    return path


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"cat": 0, "dog": 1, "emu": 2}, r"lacks the class fox \(label 3\)"),
        ({"cat": 1, "dog": 0, "emu": 2, "fox": 3}, r"lacks the class cat \(label 0\)"),
        ({"cat": 0, "dog": 1, "emu": 2, "fox": 3, "gnu": 4}, r"alone has the class gnu"),
    ],
)
def test_a_cache_of_other_classes_is_refused(folder, labels, message):
    (folder / "images" / "gnu_train_0.jpg").touch()
    rows = [[f"{name}_train_0.jpg", label, name] for name, label in labels.items()]
    path = write_cache(folder, rows)
    random.seed(1)
    with pytest.raises(UserError, match=message) as error:
        OxfordPets(dataset_cfg(folder.parent, shots=1))
    assert path in str(error.value) and "delete it to draw again" in str(error.value)


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
