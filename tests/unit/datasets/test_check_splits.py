"""`check` on folders of datasets with a split file, whole and damaged."""

import json

import pytest

from datasets import published
from datasets.oxford_pets import OxfordPets
from datasets.published import Sizes
from tests.support.checked_folders import check, only, put, write_split
from tests.support.dataset_tree import small_lists


def rewrite(folder, lists, **more):
    (folder / "split_zhou_OxfordPets.json").write_text(json.dumps({**more, **lists}))


def findings(capsys, folder):
    return check(capsys, folder.parent, "OxfordPets")


def test_a_whole_dataset_is_complete(pets, capsys):
    found = findings(capsys, pets)
    assert found.code == 0
    assert not found.bad
    split, files, decoded = found.of("ok")
    assert split.startswith("split_zhou_OxfordPets.json is the published split: 4 classes, 20 / 12")
    assert files.startswith("all 40 images of split_zhou_OxfordPets.json are in ")
    assert decoded == "all 40 images can be decoded"
    assert found.lines[-1] == "1 of 1 dataset is complete"


def test_a_missing_split_file_is_named_with_its_link(pets, capsys):
    (pets / "split_zhou_OxfordPets.json").rename(pets / "split_zhou_OxfordPets (1).json")
    found = findings(capsys, pets)
    assert found.code == 2
    (missing,) = found.of("missing")
    assert f"no split file {pets}/split_zhou_OxfordPets.json; get it from https" in missing
    assert OxfordPets.split_url in missing


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"train": [', "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as text"),
        (b'{"train": [], "val": []}', "it needs the lists train, val and test"),
        (b'{"train": [["a.jpg", "0", "cat"]], "val": [], "test": []}', "train[0]"),
        (b'{"train": [["../a.jpg", 0, "cat"]], "val": [], "test": []}', "no [relative path"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"train": [["cat.jpg", 0, "cat"]], "val": [], "test": []}', "lists no test image"),
    ],
)
def test_a_malformed_split_file_is_one_line(pets, capsys, content, words):
    (pets / "split_zhou_OxfordPets.json").write_bytes(content)
    found = check(capsys, pets.parent, "OxfordPets")
    assert found.code == 2
    (text,) = found.of("wrong")
    assert words in text


def test_a_folder_in_place_of_the_split_file_is_named(pets, capsys):
    (pets / "split_zhou_OxfordPets.json").unlink()
    (pets / "split_zhou_OxfordPets.json").mkdir()
    text = only(findings(capsys, pets), "wrong")
    assert text.startswith(
        f"{pets}/split_zhou_OxfordPets.json is a folder; put the split file there"
    )


def test_a_gap_in_the_labels_is_wrong(pets, capsys):
    lists = small_lists()
    for items in lists.values():
        items[:] = [row for row in items if row[1] != 1]
    rewrite(pets, lists)
    (text,) = findings(capsys, pets).of("wrong")
    assert "no image of label 1, but the class fox has label 3" in text


def test_a_class_without_training_images_is_wrong(pets, capsys):
    lists = small_lists()
    lists["train"] = [row for row in lists["train"] if row[1] != 3]
    rewrite(pets, lists)
    (text,) = findings(capsys, pets).of("wrong")
    assert "no training image for class fox (label 3)" in text


def test_a_label_with_two_names_is_wrong(pets, capsys):
    lists = small_lists()
    lists["test"][0][2] = "kitten"
    rewrite(pets, lists)
    (text,) = findings(capsys, pets).of("wrong")
    assert "label 0 has the names cat, kitten" in text


def test_an_image_with_two_labels_is_wrong(pets, capsys):
    lists = small_lists()
    lists["test"].append([lists["train"][0][0], 1, "dog"])
    rewrite(pets, lists)
    found = findings(capsys, pets)
    assert found.code == 2
    (text,) = found.of("wrong")
    assert "1 image with two labels: cat_train_0.jpg" in text
    assert not any("own split" in warning for warning in found.of("warning"))


def test_an_image_that_is_listed_twice_is_a_warning(pets, capsys):
    lists = small_lists()
    lists["train"].append(lists["train"][0])
    lists["test"].append(lists["train"][1])
    rewrite(pets, lists)
    found = findings(capsys, pets)
    assert found.code == 0
    twice, leaked, own = found.of("warning")
    assert "1 image twice in train: cat_train_0.jpg" in twice
    assert "1 image of test also in train: cat_train_1.jpg" in leaked
    assert "own split" in own


def test_an_own_split_is_a_warning_that_says_what_differs(pets, capsys):
    lists = small_lists(("cat", "dog", "emu", "wolf"), test=3)
    write_split(pets.parent, OxfordPets, lists)
    text = only(findings(capsys, pets), "warning")
    assert "own split, not the published one: 4 classes, 20 / 12 / 12 images" in text
    assert "12 test images, published are 8" in text
    assert "1 class names are not the published ones: label 3 is wolf, published is fox" in text
    assert "sha256 is not the published one" in text
    assert "not comparable" in text


def test_a_split_of_our_own_making_is_named_so(pets, capsys):
    rewrite(pets, small_lists(), made_by="prepare --make-split, seed 7")
    text = only(findings(capsys, pets), "warning")
    assert "own split, not the published one, made by prepare --make-split, seed 7" in text


@pytest.mark.parametrize(("digest", "code"), [("right", "ok"), ("wrong", "warning")])
def test_without_a_published_hash_the_draws_decide(pets, capsys, monkeypatch, digest, code):
    monkeypatch.setattr(published, "sizes", {"OxfordPets": Sizes(4, 20, 12, 8, "")}.get)
    right = "datasets.checking.lists.is_published_draw"
    monkeypatch.setattr(right, lambda *_: digest == "right")
    monkeypatch.setattr(published, "fewshot_draw", lambda *_: published.Draw(4, "", 4, ""))
    found = findings(capsys, pets)
    assert found.code == 0
    words = {"ok": "is the published split", "warning": "few-shot draws are not the published"}
    assert words[code] in found.of(code)[0]


def test_missing_images_are_counted_and_the_first_three_named(pets, capsys):
    for k in range(5):
        (pets / "images" / f"dog_train_{k}.jpg").unlink()
    text = only(findings(capsys, pets), "missing")
    assert text.startswith("split_zhou_OxfordPets.json: 5 of 40 listed images are not in ")
    assert "dog_train_0.jpg, dog_train_1.jpg, dog_train_2.jpg, ...;" in text


def test_images_of_another_dataset_are_shown_beside_a_listed_one(pets, capsys):
    for file in (pets / "images").iterdir():
        file.unlink()
    put(pets / "images" / "n02085620-Chihuahua" / "n02085620_7.jpg")
    text = only(findings(capsys, pets), "missing")
    assert text.startswith("split_zhou_OxfordPets.json: 40 of 40 listed images are not in ")
    assert "cat_train_2.jpg, ...; found there: n02085620-Chihuahua; unpack" in text


def test_an_empty_images_folder_is_said_to_hold_nothing(pets, capsys):
    for file in (pets / "images").iterdir():
        file.unlink()
    assert "found there: nothing" in only(findings(capsys, pets), "missing")


def test_an_empty_file_is_wrong(pets, capsys):
    (pets / "images" / "dog_val_0.jpg").write_bytes(b"")
    found = check(capsys, pets.parent, "OxfordPets", "--no-images")
    assert "1 empty file (0 bytes): dog_val_0.jpg" in only(found, "wrong")


def test_a_folder_in_place_of_an_image_is_missing(pets, capsys):
    (pets / "images" / "dog_val_0.jpg").unlink()
    (pets / "images" / "dog_val_0.jpg").mkdir()
    assert "1 of 40 listed images" in only(findings(capsys, pets), "missing")


def test_a_broken_split_file_does_not_hide_a_missing_images_folder(pets, capsys):
    (pets / "split_zhou_OxfordPets.json").write_text("{")
    (pets / "images").rename(pets / "Images")
    found = findings(capsys, pets)
    assert "cannot be read as JSON" in found.of("wrong")[0]
    (missing,) = found.of("missing")
    assert f"no images folder {pets}/images; unpack the images there: " in missing
