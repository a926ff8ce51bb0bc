"""`check` on FGVC-Aircraft, members of suites, Fashion-20 and a person's own pictures."""

import json

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.fashion20 import Fashion20
from datasets.kaggle_mushroom import KaggleMushroom
from datasets.parts.items import Item
from datasets.parts.reader import ListedDataset
from tests.support import class_tree
from tests.support.checked_folders import PICTURE, check, only, publish, put, write_aircraft
from tests.support.dataset_tree import dataset_cfg


@pytest.fixture
def aircraft(tmp_path, monkeypatch):
    publish(monkeypatch)
    return write_aircraft(tmp_path)


def findings(capsys, folder, name="FGVCAircraft"):
    return check(capsys, folder.parent, name)


def test_a_whole_aircraft_folder_is_complete(aircraft, capsys):
    found = findings(capsys, aircraft)
    assert (found.code, found.bad) == (0, [])
    assert found.of("ok")[0].startswith(f"{aircraft} has the published 3 classes, 6 / 6 / 6")


def test_each_missing_list_is_named(aircraft, capsys):
    (aircraft / "variants.txt").unlink()
    (aircraft / "images_variant_val.txt").unlink()
    found = findings(capsys, aircraft)
    assert found.code == 2
    one, other = found.of("missing")
    assert f"no list {aircraft}/variants.txt; get it from https://www.robots.ox" in one
    assert f"no list {aircraft}/images_variant_val.txt" in other


def test_a_list_of_other_variants_is_wrong(aircraft, capsys):
    (aircraft / "variants.txt").write_text("707-320\nA 380\n")
    assert "do not have the same variants: Yak-42" in only(findings(capsys, aircraft), "wrong")


def test_a_list_of_another_length_is_wrong(aircraft, capsys):
    file = aircraft / "images_variant_test.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert "5 test images, published are 6" in only(findings(capsys, aircraft), "wrong")


def test_variants_in_another_order_are_wrong(aircraft, capsys):
    (aircraft / "variants.txt").write_text("A 380\n707-320\nYak-42\n")
    text = only(findings(capsys, aircraft), "wrong")
    assert "2 class names are not the published ones: label 0 is A 380" in text


def test_a_list_that_is_no_text_is_wrong(aircraft, capsys):
    (aircraft / "images_variant_train.txt").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in only(findings(capsys, aircraft), "wrong")


def test_a_missing_aircraft_image_is_named(aircraft, capsys):
    (aircraft / "images" / "0000003.jpg").unlink()
    text = only(findings(capsys, aircraft), "missing")
    assert "1 of 18 listed images are not in" in text
    assert "0000003.jpg" in text


def test_the_folder_data_of_the_archive_is_pointed_at(aircraft, capsys):
    (aircraft / "data").mkdir()
    (aircraft / "images").rename(aircraft / "data" / "images")
    text = only(findings(capsys, aircraft), "missing")
    assert f"no images folder {aircraft}/images; {aircraft}/data/images is there: move it" in text


def write_mushrooms(root):
    """Nine classes, as published, with a split file of our own; returns the folder."""
    images = root / "kaggle_mushroom" / KaggleMushroom.images
    class_tree.write_classes(images, [f"kind{k}" for k in range(9)])
    for file in images.glob("*/*.jpg"):
        file.write_bytes(PICTURE)
    KaggleMushroom.make_split(root)
    return root / "kaggle_mushroom"


def test_a_member_of_a_suite_with_an_own_split_is_a_warning(tmp_path, capsys):
    folder = write_mushrooms(tmp_path)
    text = only(findings(capsys, folder, "KaggleMushroom"), "warning")
    assert "split_dk_KaggleMushroom.json: own split, made by" in text
    assert "9 classes, 45 / 18 / 27 images" in text


def test_a_member_without_a_split_is_told_how_to_make_one(tmp_path, capsys):
    folder = write_mushrooms(tmp_path)
    (folder / "split_dk_KaggleMushroom.json").unlink()
    text = only(findings(capsys, folder, "KaggleMushroom"), "missing")
    assert f"no split file {folder}/split_dk_KaggleMushroom.json; none is published" in text


def test_a_member_with_other_classes_than_published_is_a_warning(tmp_path, capsys):
    folder = write_mushrooms(tmp_path)
    file = folder / "split_dk_KaggleMushroom.json"
    content = json.loads(file.read_text())
    for split in ("train", "val", "test"):
        content[split] = [row for row in content[split] if row[1] != [8]]
    content["meta"]["taskid2cname"][0].pop()
    file.write_text(json.dumps(content))
    text = only(findings(capsys, folder, "KaggleMushroom"), "warning")
    assert "8 classes, published are 9" in text


def test_a_class_name_without_training_images_is_wrong(tmp_path, capsys):
    folder = write_mushrooms(tmp_path)
    file = folder / "split_dk_KaggleMushroom.json"
    content = json.loads(file.read_text())
    content["meta"]["taskid2cname"][0].append("morel")
    file.write_text(json.dumps(content))
    expected = f"{file}: no training image for class morel (label 9); add one or drop the class"
    assert only(findings(capsys, folder, "KaggleMushroom"), "wrong") == expected
    with pytest.raises(UserError) as error:
        KaggleMushroom(dataset_cfg(tmp_path))
    assert error.value.problems == [expected]


def test_a_task_name_of_two_lines_is_wrong(tmp_path, capsys):
    folder = write_mushrooms(tmp_path)
    (folder / "task_name.txt").write_text("a\nb\n")
    found = findings(capsys, folder, "KaggleMushroom")
    assert found.code == 2
    assert found.of("wrong") == [
        f"{folder}/task_name.txt has 2 lines; write one line, or delete it"
    ]


def test_a_suite_stands_for_its_members(tmp_path, capsys):
    write_mushrooms(tmp_path)
    found = check(capsys, tmp_path, "plant6", "--no-images")
    assert found.code == 2
    assert len(found.of("missing")) == 5
    assert found.lines[-1].startswith("1 of 6 datasets are complete; missing: FruitVegetable, ")


@pytest.fixture
def fashion(tmp_path):
    class_tree.write_fashion20(tmp_path)
    for file in (tmp_path / "fashion20" / "images").glob("*/*/*.jpg"):
        file.write_bytes(PICTURE)
    Fashion20.make_split(tmp_path)
    return tmp_path / "fashion20"


def test_fashion20_is_checked_task_by_task(fashion, capsys):
    found = findings(capsys, fashion, "fashion20")
    assert found.code == 0
    assert "own split, made by" in found.of("warning")[-1]
    assert "20 tasks, 50 classes, 250 / 100 / 150 images" in found.of("warning")[-1]


def test_fashion20_with_other_tasks_than_its_table_is_wrong(fashion, capsys):
    file = fashion / "task_info.csv"
    file.write_text(file.read_text().replace("kind 0 0, kind 0 1", "kind 0 0"))
    text = only(findings(capsys, fashion, "fashion20"), "wrong")
    assert "delete the split file and make it again" in text


def test_fashion20_without_its_files_names_each(fashion, capsys):
    (fashion / "task_info.csv").unlink()
    (fashion / "split_dk_Fashion20.json").unlink()
    found = findings(capsys, fashion, "fashion20")
    assert found.code == 2
    table, split = found.of("missing")
    assert f"no list {fashion}/task_info.csv" in table
    assert f"no split file {fashion}/split_dk_Fashion20.json; none is published" in split


def test_a_missing_image_of_fashion20_is_named(fashion, capsys):
    (fashion / "images" / "3" / "1" / "04.jpg").unlink()
    (text,) = findings(capsys, fashion, "fashion20").of("missing")
    assert "split_dk_Fashion20.json: 1 of 500 listed images are not in" in text
    assert "3/1/04.jpg" in text


def test_a_demo_dataset_that_is_not_there_is_well(tmp_path, capsys):
    found = check(capsys, tmp_path, "demo_shapes")
    assert found.code == 0
    assert "it is made on first use" in found.of("ok")[0]


def test_an_own_folder_is_read_and_its_images_decoded(tmp_path, capsys):
    for name in ("cat", "dog"):
        for k in range(10):
            put(tmp_path / "pictures" / name / f"{k}.jpg")
    words = ("imagefolder", "--folder", "pictures")
    found = check(capsys, tmp_path, *words)
    assert found.code == 0
    cut, counts = found.of("ok")[:2]
    assert "is not split: cut with seed 1" in cut
    assert "2 classes, 10 / 4 / 6 images (train / val / test)" in counts
    put(tmp_path / "pictures" / "cat" / "3.jpg", PICTURE[:-100])
    assert "1 of 20 images cannot be decoded" in only(check(capsys, tmp_path, *words), "wrong")
    text = only(check(capsys, tmp_path, "imagefolder", "--folder", "nope"), "missing")
    assert f"no folder {tmp_path}/nope" in text


class Letters(ListedDataset):
    """A reader of its own kind."""

    dataset_dir = "my/letters"
    images = "pictures"
    listed_by = "the listing"
    source = "the listing"

    def read_lists(self):
        items = [Item("a.jpg", 0, "a"), Item("b.jpg", 1, "b")]
        return {"train": items, "val": [], "test": items}


def test_a_reader_of_its_own_kind_is_asked_for_its_lists(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(DATASET_REGISTRY._objects, "Letters", Letters)
    put(tmp_path / "my" / "letters" / "pictures" / "a.jpg")
    text = only(check(capsys, tmp_path, "letters"), "missing")
    assert "the listing: 1 of 2 listed images are not in" in text
    assert "b.jpg" in text
