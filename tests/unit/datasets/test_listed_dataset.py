"""What all readers of public datasets share: cached classes, data made without asking the disk."""

import builtins
import errno
import os

import pytest

from dassl.data.datasets import Datum
from dassl.utils.errors import UserError
from datasets.fashion20 import Fashion20
from datasets.oxford_pets import OxfordPets
from datasets.parts.reader import ListedDatum
from datasets.parts.text_lists import read_lines
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
    with pytest.raises(
        UserError, match=f"no folder {file}/oxford_pets; .* set --root to the folder"
    ):
        OxfordPets(dataset_cfg(file))


@pytest.mark.parametrize("below", ["", "images"])
@pytest.mark.parametrize(
    ("target", "words"),
    [(None, "is a file"), ("nowhere", "is a broken link"), ("", "is a broken link")],
    ids=["file", "link to nothing", "loop"],
)
def test_what_stands_in_place_of_a_folder_is_named(folder, tmp_path, below, target, words):
    path = folder / below
    path.rename(tmp_path / "elsewhere")
    if target is None:
        path.touch()
    else:
        path.symlink_to(tmp_path / target if target else path)
    assert message_of(tmp_path).startswith(f"OxfordPets: {path} {words}; ")
    assert "rename it" not in message_of(tmp_path)


def message_of(root, reader=OxfordPets) -> str:
    with pytest.raises(UserError) as error:
        reader(dataset_cfg(root, shots=1))
    (line,) = error.value.problems
    return line


def test_only_a_folder_is_offered_for_renaming(tmp_path):
    (tmp_path / "oxford-pets").touch()
    assert "rename it" not in message_of(tmp_path)


@pytest.mark.parametrize("reader", [OxfordPets, Fashion20], ids=lambda reader: reader.__name__)
def test_a_root_that_is_the_datasets_own_folder_is_named(tmp_path, reader):
    root = tmp_path / reader.dataset_dir
    root.mkdir()
    line = message_of(root, reader)
    assert f"no folder {root / reader.dataset_dir}; --root is the dataset's own folder" in line
    assert f"own folder: give {tmp_path}; images: " in line


def close(monkeypatch, folder):
    """Let the folder, or file, be one that this user may not open."""
    access, stat, plain_open = os.access, os.stat, builtins.open

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def is_below(path):
        return str(path).startswith(f"{folder}{os.sep}")

    def closed_access(path, mode, **options):
        return str(path) != str(folder) and not is_below(path) and access(path, mode, **options)

    def closed_stat(path, **options):
        return refuse(path) if is_below(path) else stat(path, **options)

    def closed_open(path, *args, **options):
        return refuse(path) if str(path) == str(folder) else plain_open(path, *args, **options)

    monkeypatch.setattr(os, "access", closed_access)
    monkeypatch.setattr(os, "stat", closed_stat)
    monkeypatch.setattr(builtins, "open", closed_open)


@pytest.mark.parametrize("below", ["", "oxford_pets", "oxford_pets/images"])
def test_a_closed_folder_is_to_be_made_readable(folder, monkeypatch, below):
    root = folder.parent
    closed = root / below
    close(monkeypatch, closed)
    expected = f"OxfordPets: {closed} cannot be opened (Permission denied); make it readable"
    assert message_of(root) == expected


def test_a_closed_split_file_is_to_be_made_readable(folder, monkeypatch):
    path = folder / OxfordPets.split_file
    close(monkeypatch, path)
    expected = f"{path} cannot be opened (Permission denied); make it readable"
    assert message_of(folder.parent) == expected


def test_images_that_are_missing_from_a_folder_that_cannot_be_listed_are_named(folder, monkeypatch):
    listdir = os.listdir
    for image in (folder / "images").iterdir():
        image.unlink()

    def refuse(path):
        if path == str(folder / "images"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert "found there: what cannot be listed (Permission denied);" in message_of(folder.parent)


def test_a_closed_list_is_to_be_made_readable(tmp_path, monkeypatch):
    path = tmp_path / "variants.txt"
    path.touch()
    close(monkeypatch, path)
    with pytest.raises(UserError, match=r"variants.txt cannot be opened .*; make it readable"):
        read_lines(str(path), "get it again")
