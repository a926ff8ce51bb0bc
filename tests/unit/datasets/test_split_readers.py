"""The other readers with a split file, on paths in the form of the published lists."""

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.food101 import Food101
from datasets.oxford_flowers import OxfordFlowers
from datasets.stanford_cars import StanfordCars
from datasets.sun397 import SUN397
from datasets.ucf101 import UCF101
from tests.support.dataset_tree import as_rows, dataset_cfg, write_tree
from tests.support.foreign_cache import write_foreign_cache

# train images of three classes, and val and test images, by reader: names of classnames.json
TRAIN = {
    StanfordCars: [
        ["cars_train/06227.jpg", 0, "2000 AM General Hummer SUV"],
        ["cars_train/00012.jpg", 1, "2012 Acura RL Sedan"],
        ["cars_train/00013.jpg", 2, "2012 Acura TL Sedan"],
    ],
    OxfordFlowers: [
        ["image_06734.jpg", 0, "pink primrose"],
        ["image_06620.jpg", 1, "hard-leaved pocket orchid"],
        ["image_06621.jpg", 2, "canterbury bells"],
    ],
    Food101: [
        ["apple_pie/1005649.jpg", 0, "apple_pie"],
        ["baby_back_ribs/1005293.jpg", 1, "baby_back_ribs"],
        ["baklava/1006121.jpg", 2, "baklava"],
    ],
    SUN397: [
        ["a/abbey/sun_aaalbzqrimafwbiv.jpg", 0, "abbey"],
        ["a/airplane_cabin/sun_aadqdkqaslqqoblu.jpg", 1, "airplane_cabin"],
        ["a/apartment_building/outdoor/sun_aaar.jpg", 2, "outdoor apartment_building"],
    ],
    UCF101: [
        ["Apply_Eye_Makeup/v_ApplyEyeMakeup_g08_c01.jpg", 0, "Apply_Eye_Makeup"],
        ["Handstand_Pushups/v_HandStandPushups_g08_c01.jpg", 1, "Handstand_Pushups"],
        ["Yo_Yo/v_YoYo_g08_c01.jpg", 2, "Yo_Yo"],
    ],
}
FOLDER = {
    StanfordCars: "stanford_cars",
    OxfordFlowers: "oxford_flowers/jpg",
    Food101: "food-101/images",
    SUN397: "sun397/SUN397",
    UCF101: "ucf101/UCF-101-midframes",
}
READERS = pytest.mark.parametrize("reader", TRAIN, ids=lambda reader: reader.__name__)


def full_lists(reader):
    def renamed(mark):
        return [
            [path.replace("cars_train", "cars_test").replace(".jpg", f"{mark}.jpg"), label, name]
            for path, label, name in TRAIN[reader]
        ]

    return {"train": TRAIN[reader], "val": renamed("1"), "test": renamed("2")}


@READERS
def test_images_are_found_in_the_published_layout(tmp_path, reader):
    lists = full_lists(reader)
    write_tree(tmp_path, reader, lists)
    found = DATASET_REGISTRY.get(reader.__name__)(dataset_cfg(tmp_path))
    for split, data in (("train", found.train_x), ("val", found.val), ("test", found.test)):
        assert as_rows(data, str(tmp_path / FOLDER[reader])) == lists[split]


@READERS
def test_base_is_the_larger_half(tmp_path, reader):
    write_tree(tmp_path, reader, full_lists(reader))
    names = [name for _, _, name in TRAIN[reader]]
    for subsample, expected in (("base", names[:2]), ("new", names[2:])):
        found = reader(dataset_cfg(tmp_path, shots=1, subsample=subsample))
        assert found.classnames == expected
        assert [item.label for item in found.test] == list(range(len(expected)))


@READERS
def test_a_missing_split_file_is_named_with_its_link(tmp_path, reader):
    folder = write_tree(tmp_path, reader, full_lists(reader))
    path = folder / f"split_zhou_{reader.__name__}.json"
    path.unlink()
    with pytest.raises(UserError) as error:
        reader(dataset_cfg(tmp_path))
    assert f"no split file {path}" in str(error.value)
    assert reader.split_url.startswith("https://drive.google.com/file/d/")
    assert reader.split_url in str(error.value)
    command = f"python -m datasets prepare {reader.__name__} --root {tmp_path} (with --make-split "
    assert command in str(error.value)


@READERS
def test_missing_images_are_named_with_their_link(tmp_path, reader):
    (tmp_path / reader.dataset_dir).mkdir()
    with pytest.raises(UserError) as error:
        reader(dataset_cfg(tmp_path))
    assert f"no images folder {tmp_path / FOLDER[reader]}" in str(error.value)
    assert reader.images_url.startswith("http")
    assert reader.images_url in str(error.value)


@pytest.mark.parametrize(
    ("reader", "prompt"),
    [
        (StanfordCars, "a photo of a cat."),
        (OxfordFlowers, "a photo of a cat, a type of flower."),
        (Food101, "a photo of cat, a type of food."),
        (SUN397, "a photo of a cat."),
        (UCF101, "a photo of a person doing cat."),
    ],
)
def test_templates_are_the_published_ones(reader, prompt):
    assert reader.template.format("cat") == prompt


def test_cars_need_both_folders(tmp_path):
    folder = write_tree(tmp_path, StanfordCars, full_lists(StanfordCars))
    for image in (folder / "cars_test").iterdir():
        image.unlink()
    (folder / "cars_test").rmdir()
    with pytest.raises(UserError) as error:
        StanfordCars(dataset_cfg(tmp_path))
    assert f"no images folder {folder / 'cars_test'};" in str(error.value)


def test_a_cache_of_cars_is_read_from_the_present_folder(tmp_path):
    folder = write_tree(tmp_path, StanfordCars, full_lists(StanfordCars))
    lists = {"train": TRAIN[StanfordCars], "val": []}
    write_foreign_cache(folder, lists, "/home/someone/DATA/stanford_cars", shots=1)
    found = StanfordCars(dataset_cfg(tmp_path, shots=1))
    assert as_rows(found.train_x, str(folder)) == TRAIN[StanfordCars]
    assert found.val == []
