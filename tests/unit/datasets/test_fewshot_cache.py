"""Few-shot caches of other repositories: honoured, re-rooted, and never executed."""

import os
import pickle
import random

import pytest

from dassl.utils.errors import UserError
from datasets import fewshot
from datasets.oxford_pets import OxfordPets
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
    path = fewshot.cache_path(str(folder), SHOTS, SEED)
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
