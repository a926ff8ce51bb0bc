"""Readers of datasets with a split file; golden lists are what the reference readers return."""

import json
import random
from pathlib import Path

import pytest
import yaml

import datasets
from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.caltech101 import IGNORED, NEW_CNAMES, Caltech101
from datasets.dtd import DescribableTextures
from datasets.eurosat import EuroSAT
from datasets.oxford_pets import OxfordPets
from tests.support import dataset_tree
from tests.support.dataset_tree import as_rows, small_lists, write_tree

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "datasets" / "readers.json").read_text()
)
CONFIGS = Path(__file__).parents[3] / "configs" / "datasets"


def read(root, dataset=OxfordPets, **options):
    return dataset_tree.read(root, dataset, **options)


def case_name(case) -> str:
    return f"{case['subsample']}-{case['shots']}-{case['seed']}"


@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["split_file"]["cases"] if "train_without_label" not in case],
    ids=case_name,
)
def test_lists_are_the_reference_readers(tmp_path, case):
    write_tree(tmp_path, OxfordPets, GOLDEN["split_file"]["split"])
    found = read(tmp_path, shots=case["shots"], seed=case["seed"], subsample=case["subsample"])
    assert found.num_classes == case["num_classes"]
    assert found.classnames == case["classnames"]
    for split, data in (("train", found.train_x), ("val", found.val), ("test", found.test)):
        if split in case:
            assert as_rows(data, found.image_dir) == case[split]


@pytest.mark.parametrize("dataset", [OxfordPets, Caltech101, EuroSAT, DescribableTextures])
def test_every_reader_finds_its_published_layout(tmp_path, dataset):
    write_tree(tmp_path, dataset, small_lists())
    found = read(tmp_path, dataset)
    assert found.classnames == ["cat", "dog", "emu", "fox"]
    assert len(found.train_x) == 20
    assert "{}" in found.template


def test_no_module_of_the_folder_is_broken():
    assert datasets.BROKEN == []


def test_every_config_names_a_registered_dataset():
    files = sorted(CONFIGS.glob("*.yaml"))
    assert len(files) >= 7
    names = [yaml.safe_load(file.read_text())["DATASET"]["NAME"] for file in files]
    assert set(names) <= set(DATASET_REGISTRY.registered_names())


def test_nothing_is_written_into_the_data_folder(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    before = sorted(folder.rglob("*"))
    read(tmp_path, shots=2)
    assert sorted(folder.rglob("*")) == before


def test_a_trainval_split_is_the_reference_readers(tmp_path):
    golden = GOLDEN["pets_annotations"]
    folder = tmp_path / "oxford_pets"
    (folder / "images").mkdir(parents=True)
    for line in (golden["trainval_txt"] + golden["test_txt"]).splitlines():
        (folder / "images" / f"{line.split()[0]}.jpg").touch()
    (folder / "annotations").mkdir()
    (folder / "annotations" / "trainval.txt").write_text(golden["trainval_txt"])
    reader = OxfordPets.__new__(OxfordPets)
    reader.dataset_dir, reader.image_dir = str(folder), str(folder / "images")
    random.seed(golden["seed"])
    train, val = OxfordPets.split_trainval(reader.read_data("trainval.txt"))
    assert as_rows(train, reader.image_dir) == golden["written_split"]["train"]
    assert as_rows(val, reader.image_dir) == golden["written_split"]["val"]


def test_a_split_of_class_folders_is_the_reference_readers(tmp_path):
    golden = GOLDEN["caltech_folders"]
    for name, count in golden["tree"].items():
        (tmp_path / name).mkdir()
        for i in range(1, count + 1):
            (tmp_path / name / f"image_{i:04d}.jpg").touch()
    random.seed(golden["seed"])
    lists = DescribableTextures.read_and_split_data(
        str(tmp_path), ignored=IGNORED, new_cnames=NEW_CNAMES
    )
    for split, data in zip(("train", "val", "test"), lists, strict=True):
        assert as_rows(data, str(tmp_path)) == golden["written_split"][split]


def test_a_saved_split_reads_back(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    lists = OxfordPets.read_split(str(folder / OxfordPets.split_file), str(folder / "images"))
    copy = str(tmp_path / "copy.json")
    OxfordPets.save_split(*lists, copy, str(folder / "images"))
    assert json.loads(Path(copy).read_text()) == small_lists()


def change(lists, *, split="train", keep=lambda row: True):
    return lists | {split: [row for row in lists[split] if keep(row)]}


def test_a_missing_folder_names_the_path_and_a_near_one(tmp_path):
    (tmp_path / "oxford-pets").mkdir()
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert f"no folder {tmp_path / 'oxford_pets'}" in str(error.value)
    assert "oxford-pets is there: rename it" in str(error.value)


def test_a_missing_split_file_is_never_made_but_names_two_sources(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    (folder / OxfordPets.split_file).unlink()
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert str(folder / OxfordPets.split_file) in str(error.value)
    assert "drive.google.com" in str(error.value)
    assert "cross_modal_adaptation" in str(error.value)
    assert not (folder / OxfordPets.split_file).exists()


def test_missing_images_are_counted_once_with_the_first_three(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    for i in range(5):
        (folder / "images" / f"dog_train_{i}.jpg").unlink()
    with pytest.raises(UserError) as error:
        read(tmp_path)
    message = str(error.value)
    assert "5 of 40 listed images are not in" in message
    assert "dog_train_0.jpg, dog_train_1.jpg, dog_train_2.jpg, ..." in message
    assert "dog_train_3.jpg" not in message


def test_images_of_another_dataset_are_shown(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    for image in (folder / "images").iterdir():
        image.unlink()
    (folder / "images" / "n02085620_7.jpg").touch()
    with pytest.raises(UserError, match=r"40 of 40 .* found there: n02085620_7\.jpg"):
        read(tmp_path)


def test_images_that_the_run_does_not_use_may_be_missing(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    (folder / "images" / "fox_test_0.jpg").unlink()
    assert len(read(tmp_path, subsample="base").test) == 4
    with pytest.raises(UserError, match=r"fox_test_0\.jpg"):
        read(tmp_path, subsample="new")


@pytest.mark.parametrize("subsample", ["all", "base", "new"])
def test_a_class_without_training_images_is_an_error_that_names_it(tmp_path, subsample):
    lists = change(small_lists(), keep=lambda row: row[2] != "emu")
    write_tree(tmp_path, OxfordPets, lists)
    with pytest.raises(UserError, match=r"no training image for class emu \(label 2\)"):
        read(tmp_path, subsample=subsample)


@pytest.mark.parametrize("subsample", ["all", "base", "new"])
def test_a_label_that_no_list_has_is_an_error_that_names_it(tmp_path, subsample):
    lists = small_lists()
    for split in lists:
        lists = change(lists, split=split, keep=lambda row: row[1] != 1)
    folder = write_tree(tmp_path, OxfordPets, lists)
    with pytest.raises(UserError) as error:
        read(tmp_path, shots=2, subsample=subsample)
    assert error.value.problems == [
        f"{folder / OxfordPets.split_file}: no image of label 1, but the class fox has label 3; "
        "labels count from 0 without gaps: add the images or renumber the classes"
    ]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_stray_label_is_one_line_that_names_its_class(tmp_path, split):
    lists = small_lists()
    lists[split][-1][1:] = [99, "gnu"]
    write_tree(tmp_path, OxfordPets, lists)
    with pytest.raises(UserError) as error:
        read(tmp_path, subsample="base")
    (line,) = error.value.problems
    assert {
        "train": "no image of label 4 and 94 more, but the class gnu has label 99;",
        "test": "no training image for class gnu (label 99);",
    }[split] in line


def test_a_dataset_of_one_class_has_no_new_ones(tmp_path):
    write_tree(tmp_path, OxfordPets, small_lists(("cat",)))
    assert read(tmp_path, subsample="base").classnames == ["cat"]
    with pytest.raises(UserError) as error:
        read(tmp_path, subsample="new")
    assert error.value.problems == [
        "DATASET.SUBSAMPLE_CLASSES is 'new', but the dataset has one class, cat, so there are no "
        "new ones; use all or base"
    ]


def test_a_label_with_two_names_is_an_error(tmp_path):
    lists = small_lists()
    lists["test"][0][2] = "kitten"
    write_tree(tmp_path, OxfordPets, lists)
    with pytest.raises(UserError, match="label 0 has the names cat, kitten"):
        read(tmp_path)


def test_a_class_with_fewer_images_than_shots_is_a_warning(tmp_path, capsys):
    lists = change(small_lists(), keep=lambda row: not row[0].startswith("dog_train_4"))
    write_tree(tmp_path, OxfordPets, lists)
    assert len(read(tmp_path, shots=5).train_x) == 19
    printed = capsys.readouterr().out
    assert "1 of 4 classes have fewer training images than 5 shots: dog has 4" in printed
    assert "class cat" not in printed


def test_classes_with_fewer_images_than_shots_are_one_warning(tmp_path, capsys):
    write_tree(tmp_path, OxfordPets, small_lists())
    read(tmp_path, shots=16)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Warning" in line]
    assert line == (
        "Warning: OxfordPets: 4 of 4 classes have fewer training images than 16 shots: cat has 5, "
        "dog has 5, emu has 5, ...; all are used"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": [', "cannot be read as JSON"),
        ('{"train": ' + "[" * 100_000, "cannot be read as JSON"),
        ('{"train": [], "val": []}', "needs the lists train, val and test"),
        ('{"train": [["a.jpg", "0", "cat"]], "val": [], "test": []}', r"train\[0\]"),
        ('{"train": [["../a.jpg", 0, "cat"]], "val": [], "test": []}', r"train\[0\]"),
        ('{"train": [["/a.jpg", 0, "cat"]], "val": [], "test": []}', r"train\[0\]"),
    ],
)
def test_a_malformed_split_file_is_named(tmp_path, content, message):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    (folder / OxfordPets.split_file).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path)
    assert str(folder / OxfordPets.split_file) in str(error.value)


def test_a_split_file_with_a_byte_order_mark_is_read(tmp_path):
    folder = write_tree(tmp_path, OxfordPets, small_lists())
    text = (folder / OxfordPets.split_file).read_text()
    (folder / OxfordPets.split_file).write_text(text, encoding="utf-8-sig")
    assert as_rows(read(tmp_path).train_x, str(folder / "images")) == small_lists()["train"]


def test_an_unknown_subset_is_an_error(tmp_path):
    write_tree(tmp_path, OxfordPets, small_lists())
    with pytest.raises(UserError, match="'half'; use all, base or new"):
        read(tmp_path, subsample="half")
