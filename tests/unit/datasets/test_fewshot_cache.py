"""Few-shot caches of other repositories: honoured, re-rooted, and never executed."""

import errno
import os
import pickle
import random
from pathlib import Path

import pytest

from dassl.data.datasets import DatumMT
from dassl.utils.errors import UserError
from datasets.oxford_pets import OxfordPets
from datasets.parts.fewshot.draw import draw_lists
from datasets.parts.fewshot.files import cache_path
from datasets.parts.items import Item
from tests.support.dataset_tree import as_rows, dataset_cfg, small_lists, write_tree
from tests.support.foreign_cache import foreign_data

SHOTS, SEED = 2, 1


def foreign(rows, prefix="/home/someone/DATA/oxford_pets/images"):
    """Datum objects as another machine pickled them: their files need not exist here."""
    return foreign_data(rows, prefix)


def drawn(lists):
    """Rows of the draw that the seed gives."""
    random.seed(SEED)
    rows = {}
    for split, shots in (("train", SHOTS), ("val", SHOTS)):
        rows[split] = []
        for label in range(4):
            rows[split] += random.sample([row for row in lists[split] if row[1] == label], shots)
    return rows


@pytest.fixture
def folder(tmp_path):
    path = write_tree(tmp_path, OxfordPets, small_lists())
    (path / "split_fewshot").mkdir()
    return path


def write_cache(folder, content: bytes):
    path = cache_path(str(folder), SHOTS, SEED)
    with open(path, "wb") as file:
        file.write(content)
    return path


def read(folder):
    random.seed(SEED)
    return OxfordPets(dataset_cfg(folder.parent, shots=SHOTS, seed=SEED))


@pytest.mark.parametrize(
    "prefix", ["/home/someone/DATA/oxford_pets/images", r"C:\data\oxford_pets\images"]
)
def test_a_foreign_cache_is_read_from_the_present_folder(folder, capsys, prefix):
    rows = drawn(small_lists())
    content = {split: foreign(rows[split], prefix) for split in rows}
    write_cache(folder, pickle.dumps(content))
    found = read(folder)
    assert as_rows(found.train_x, found.image_dir) == rows["train"]
    assert as_rows(found.val, found.image_dir) == rows["val"]
    assert "Warning" not in capsys.readouterr().out


def test_a_cache_of_other_images_is_used_with_a_warning(folder, capsys):
    rows = {"train": small_lists()["train"][:1] + small_lists()["train"][5:], "val": []}
    write_cache(folder, pickle.dumps({split: foreign(rows[split]) for split in rows}))
    found = read(folder)
    assert as_rows(found.train_x, found.image_dir) == rows["train"]
    assert "other images than the split file" in capsys.readouterr().out


def test_an_honoured_cache_draws_nothing(folder):
    rows = drawn(small_lists())
    write_cache(folder, pickle.dumps({split: foreign(rows[split]) for split in rows}))
    random.seed(SEED)
    expected = random.random()
    random.seed(SEED)
    OxfordPets(dataset_cfg(folder.parent, shots=SHOTS, seed=SEED))
    assert random.random() == expected


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_hostile_pickle_is_refused_and_not_run(folder, tmp_path):
    target = tmp_path / "made_by_the_pickle"
    path = write_cache(folder, pickle.dumps({"train": [Hostile(target)], "val": []}))
    with pytest.raises(UserError, match=r"posix\.mkdir|nt\.mkdir") as error:
        read(folder)
    assert path in str(error.value)
    assert not target.exists()


def test_a_class_of_another_module_is_refused(folder):
    content = pickle.dumps({"train": [random.Random(0)], "val": []})
    write_cache(folder, content)
    with pytest.raises(UserError, match=r"random\.Random"):
        read(folder)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_cache_is_an_error_that_names_the_file(folder, share):
    rows = drawn(small_lists())
    whole = pickle.dumps({split: foreign(rows[split]) for split in rows})
    path = write_cache(folder, whole[: int(len(whole) * share)])
    with pytest.raises(UserError) as error:
        read(folder)
    assert path in str(error.value) and len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "lacks the lists train and val"),
        ({"train": []}, "lacks the lists train and val"),
        ({"train": ["a.jpg"], "val": []}, "no label and class name"),
        ({"train": foreign([["a.jpg", -1, "cat"]]), "val": []}, "no label and class name"),
        (
            {"train": foreign([["a.jpg", 0, "cat"]], "/x/dtd/images"), "val": []},
            "/oxford_pets/images/",
        ),
        ({"train": foreign([["../../a.jpg", 0, "cat"]]), "val": []}, "/oxford_pets/images/"),
    ],
)
def test_a_cache_of_another_kind_is_an_error(folder, content, message):
    write_cache(folder, pickle.dumps(content))
    with pytest.raises(UserError, match=message):
        read(folder)


def test_a_cache_of_softcpt_in_the_wrong_place_is_named(folder):
    data = [DatumMT("/d/oxford_pets/images/cat_train_0.jpg", [0], 0, [0])]
    path = write_cache(folder, pickle.dumps({"train": data, "val": []}))
    with pytest.raises(UserError, match=r"SoftCPT's belong in split_fewshot_mt") as error:
        read(folder)
    assert path in str(error.value)


def rows_with(path, label=0, name="cat"):
    """One image of each class, of cat the one given."""
    others = [[f"{c}_train_0.jpg", k, c] for k, c in enumerate(("dog", "emu", "fox"), start=1)]
    return [[path, label, name], *others]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["cat_test_0.jpg", 0, "cat"], "1 images that are for testing, as cat_test_0.jpg"),
        (["cat_train_77.jpg", 0, "cat"], "1 of the images are not in .*: cat_train_77.jpg; delete"),
        (["dog_train_1.jpg", 0, "cat"], r"dog_train_1.jpg in the class cat \(label 0\), where it"),
    ],
)
def test_a_cache_of_images_that_do_not_fit_is_refused(folder, row, message):
    rows = {"train": rows_with(*row), "val": []}
    path = write_cache(folder, pickle.dumps({split: foreign(rows[split]) for split in rows}))
    with pytest.raises(UserError, match=message) as error:
        read(folder)
    assert path in str(error.value)


def test_a_cached_image_that_is_no_longer_listed_is_used_with_a_warning(folder, capsys):
    (folder / "images" / "cat_train_77.jpg").touch()
    rows = rows_with("cat_train_77.jpg")
    write_cache(folder, pickle.dumps({"train": foreign(rows), "val": []}))
    found = read(folder)
    assert as_rows(found.train_x, found.image_dir) == rows
    assert "other images than the split file" in capsys.readouterr().out


@pytest.mark.parametrize("impath", [None, 7, ["/d/oxford_pets/images/a.jpg"], "x" * 10_000])
def test_a_cached_image_without_a_path_is_one_short_line(folder, impath):
    (item,) = foreign([["a.jpg", 0, "cat"]])
    vars(item)["_impath"] = impath
    path = write_cache(folder, pickle.dumps({"train": [item], "val": []}))
    with pytest.raises(UserError, match="has no /oxford_pets/images/ in it") as error:
        read(folder)
    assert path in str(error.value) and len(str(error.value)) < len(path) + 400


def test_a_cache_that_cannot_be_opened_is_named(folder):
    path = cache_path(str(folder), SHOTS, SEED)
    os.mkdir(path)
    with pytest.raises(UserError, match=f"{path} is a folder; delete it"):
        read(folder)


@pytest.mark.parametrize("target", ["nowhere", ""], ids=["to nothing", "loop"])
@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_cache_that_is_a_broken_link_is_not_passed_over(folder, target, place):
    link = Path(cache_path(str(folder), SHOTS, SEED))
    if place == "folder":
        link = link.parent
        link.rmdir()
    link.symlink_to(folder / target if target else link)
    with pytest.raises(UserError, match=f"{link}.*; delete it to draw again") as error:
        read(folder)
    assert "is a broken link" in str(error.value) or not target


def test_a_folder_of_caches_that_is_closed_is_not_passed_over(folder, monkeypatch):
    stat = os.stat
    closed = folder / "split_fewshot"

    def refuse(path, **options):
        if Path(path).parent == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(UserError, match=f"Permission denied.; make {closed} readable"):
        read(folder)


def test_a_file_in_place_of_the_folder_of_caches_holds_none(folder):
    (folder / "split_fewshot").rmdir()
    (folder / "split_fewshot").touch()
    assert len(read(folder).train_x) == SHOTS * 4


def test_a_file_that_is_far_too_large_is_not_read(folder):
    path = write_cache(folder, b"")
    os.truncate(path, 30 << 30)  # takes no place on the disk
    with pytest.raises(UserError, match="has 32,212,254,720 bytes, too many for a few-shot cache"):
        read(folder)


def test_the_draw_of_a_seed_is_the_one_of_the_seeded_global_generator(folder):
    items = [Item(*row) for row in small_lists()["train"]]
    val = [Item(*row) for row in small_lists()["val"]]
    found = draw_lists({"train": items, "val": val}, ("train", "val"), SHOTS, SEED)
    rows = {s: [[i.path, i.label, i.classname] for i in found[s]] for s in found}
    assert rows == drawn(small_lists())
