"""Split files made on request from the publishers' own lists."""

import json
import random
from pathlib import Path

import pytest

from dassl.utils.errors import UserError
from datasets.caltech101 import Caltech101
from datasets.eurosat import EuroSAT
from datasets.general10 import General10
from datasets.oxford_flowers import OxfordFlowers
from datasets.oxford_pets import OxfordPets
from datasets.parts.items import SPLITS
from datasets.stanford_cars import StanfordCars
from datasets.sun397 import SUN397
from datasets.ucf101 import UCF101
from tests.support import official_tree
from tests.support.dataset_tree import as_rows, read, small_lists, write_tree

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "datasets" / "readers.json").read_text()
)
READERS = pytest.mark.parametrize(
    "reader", official_tree.WRITERS, ids=lambda reader: reader.__name__
)


def made(reader, root, seed=1):
    return json.loads(reader.make_split(root, seed).read_text())


def classes(content):
    return list(dict.fromkeys((label, name) for _, label, name in content["train"]))


def sizes(content):
    return [len(content[split]) for split in SPLITS]


@READERS
def test_a_made_split_is_read_by_ours_and_has_what_published_readers_read(tree, reader, capsys):
    root = tree(reader)
    file = reader.make_split(root)
    assert file == root / reader.dataset_dir / reader.split_file
    content = json.loads(file.read_text())
    found = read(root, reader)
    for split, data in (("train", found.train_x), ("val", found.val), ("test", found.test)):
        assert as_rows(data, found.image_dir) == content[split] != []
    assert content.keys() == {"made_by", *SPLITS}
    assert capsys.readouterr().out.count("is not the published split: accuracies are not") == 1


@READERS
def test_it_says_what_made_it_and_that_it_is_not_the_published_one(tree, reader):
    content = made(reader, tree(reader), seed=7)
    for part in ("--make-split --seed 7", f"prepare {reader.__name__} ", "not the split of any"):
        assert part in content["made_by"]


@READERS
def test_the_seed_alone_decides(tree, reader):
    lists = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        random.seed(len(lists))
        lists.append(made(reader, tree(reader, folder), seed))
    assert lists[0] == lists[1]
    assert lists[0]["train"] != lists[2]["train"]
    assert classes(lists[0]) == classes(lists[2])


@READERS
def test_python_s_generator_is_left_alone(tree, reader):
    root = tree(reader)
    before = random.getstate()
    reader.make_split(root)
    assert random.getstate() == before


@READERS
def test_a_split_file_that_is_there_stays(tree, reader):
    root = tree(reader)
    file = root / reader.dataset_dir / reader.split_file
    file.write_text("precious")
    with pytest.raises(UserError, match="is there: delete it to make another one"):
        reader.make_split(root)
    assert file.read_text() == "precious"


def test_pets_are_cut_as_published(tmp_path):
    golden = GOLDEN["pets_annotations"]
    official_tree.write_pets(tmp_path, golden["trainval_txt"], golden["test_txt"])
    content = made(OxfordPets, tmp_path, golden["seed"])
    assert {split: content[split] for split in SPLITS} == golden["written_split"]


def test_class_folders_are_cut_as_published(tmp_path):
    golden = GOLDEN["caltech_folders"]
    for name, count in golden["tree"].items():
        images = [f"{name}/image_{i:04d}.jpg" for i in range(1, count + 1)]
        official_tree.touch(tmp_path / "caltech-101" / "101_ObjectCategories", images)
    content = made(Caltech101, tmp_path, golden["seed"])
    assert {split: content[split] for split in SPLITS} == golden["written_split"]
    assert [name for _, name in classes(content)] == golden["classnames"]


def test_scenes_are_named_as_published(tree):
    golden = GOLDEN["sun397_names"]
    assert list(official_tree.SCENES) == golden["ClassName"]
    content = made(SUN397, tree(SUN397))
    assert classes(content) == list(enumerate(golden["classnames"]))
    assert sizes(content) == [12, 3, 9]
    row = ["a/apartment_building/outdoor/sun_x.jpg", 2, "outdoor apartment_building"]
    assert row in content["test"]


def test_actions_are_named_as_published(tree):
    golden = GOLDEN["ucf101_names"]
    assert list(official_tree.ACTIONS) == golden["actions"]
    content = made(UCF101, tree(UCF101))
    assert classes(content) == list(enumerate(golden["classnames"]))
    assert content["test"] == golden["test"]
    assert sizes(content)[:2] == [golden["n_train"], golden["n_val"]]


def test_cars_have_the_year_in_front_and_labels_in_order_of_first_occurrence(tree):
    content = made(StanfordCars, tree(StanfordCars))
    assert classes(content) == [
        (2, "2012 smart fortwo"),
        (0, "2000 AM General Hummer SUV"),
        (1, "2012 Ram C/V Cargo Van Minivan"),
    ]
    assert sizes(content) == [12, 3, 6]
    assert content["test"][1] == ["cars_test/00002.jpg", 0, "2000 AM General Hummer SUV"]
    drawn = [int(path[11:16]) for split in ("val", "train") for path, *_ in content[split]]
    assert sorted(drawn) == list(range(1, 16))


def test_flowers_are_numbered_by_their_place_and_named_by_the_json(tree):
    content = made(OxfordFlowers, tree(OxfordFlowers))
    assert classes(content) == [
        (2, "canterbury bells"),
        (0, "pink primrose"),
        (1, "hard-leaved pocket orchid"),
    ]
    assert sizes(content) == [2 + 5 + 4, 1 + 2 + 1, 2 + 3 + 2]  # half to even: 5 -> 2, 7 -> 4
    numbers = {
        name: sorted(int(p[6:11]) for s in SPLITS for p, _, n in content[s] if n == name)
        for _, name in classes(content)
    }
    assert numbers["canterbury bells"] == list(range(1, 6))
    assert numbers["hard-leaved pocket orchid"] == list(range(16, 23))


def test_eurosat_has_its_new_names_and_hidden_entries_are_no_images(tree):
    root = tree(EuroSAT)
    folder = root / "eurosat" / "2750"
    official_tree.touch(folder, [".DS_Store", ".hidden/a.jpg", "River/.a.jpg", "readme.txt"])
    content = made(EuroSAT, root)
    assert [name for _, name in classes(content)] == ["Annual Crop Land", "River", "Sea or Lake"]
    assert sizes(content) == [15, 6, 9]


def test_a_published_split_has_no_mark(tmp_path, capsys):
    write_tree(tmp_path, OxfordPets, small_lists())
    assert read(tmp_path, OxfordPets).split_note == ""
    assert "not the published" not in capsys.readouterr().out


def test_a_suite_carries_the_marks_of_its_members(tree):
    root = tree(OxfordPets)
    OxfordPets.make_split(root)
    write_tree(root, Caltech101, small_lists())
    places = {reader: f"task{place}" for place, reader in enumerate(General10.members.values())}
    assert read(root, General10, tasks=places[Caltech101]).split_note == ""
    pets = read(root, General10, tasks=places[OxfordPets])
    note = read(root, OxfordPets).split_note
    assert note.startswith("PromptLab, ") and pets.task_split_notes == [note]
    assert pets.split_note == f"oxford_pets: {note}"
