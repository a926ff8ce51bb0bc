"""What keeps a split file from being made: one line, and nothing is written."""

import json
from pathlib import Path

import pytest

from dassl.utils.errors import UserError
from datasets.dtd import DescribableTextures
from datasets.oxford_flowers import OxfordFlowers
from datasets.oxford_pets import OxfordPets
from datasets.stanford_cars import StanfordCars
from datasets.sun397 import SUN397
from datasets.ucf101 import UCF101
from tests.support import official_tree
from tests.support.class_tree import write_classes


@pytest.mark.parametrize("reader", official_tree.WRITERS, ids=lambda reader: reader.__name__)
def test_a_missing_image_leaves_nothing_behind(tree, reader):
    root = tree(reader)
    file = reader.make_split(root)
    path = json.loads(file.read_text())["test"][0][0]
    file.unlink()
    image = root / reader.dataset_dir / reader.images / path
    for other in image.parent.iterdir():  # of a class folder, all images
        other.unlink()
    with pytest.raises(UserError, match=r"images|too few"):
        reader.make_split(root)
    assert not file.exists()


MISSING = [
    (OxfordPets, "annotations/trainval.txt", "pets/data/annotations.tar.gz"),
    (OxfordPets, "annotations/test.txt", "pets/data/annotations.tar.gz"),
    (OxfordFlowers, "imagelabels.mat", "flowers/102/imagelabels.mat"),
    (OxfordFlowers, "cat_to_name.json", "1AkcxCXeK_RCGCEC_GvmWxjcjaNhu-at0"),
    (StanfordCars, "devkit/cars_meta.mat", "pytorch/vision/issues/7545"),
    (StanfordCars, "devkit/cars_train_annos.mat", "pytorch/vision/issues/7545"),
    (StanfordCars, "cars_test_annos_withlabels.mat", "pytorch/vision/issues/7545"),
    (SUN397, "ClassName.txt", "SUN/download/Partitions.zip"),
    (SUN397, "Training_01.txt", "SUN/download/Partitions.zip"),
    (SUN397, "Testing_01.txt", "SUN/download/Partitions.zip"),
    (UCF101, "ucfTrainTestlist/classInd.txt", "UCF101TrainTestSplits-RecognitionTask.zip"),
    (UCF101, "ucfTrainTestlist/trainlist01.txt", "UCF101TrainTestSplits-RecognitionTask.zip"),
    (UCF101, "ucfTrainTestlist/testlist01.txt", "UCF101TrainTestSplits-RecognitionTask.zip"),
]


@pytest.mark.parametrize("damaged", [False, True], ids=["missing", "damaged"])
@pytest.mark.parametrize(
    ("reader", "name", "link"), MISSING, ids=[Path(name).name for _, name, _ in MISSING]
)
def test_an_official_list_that_is_missing_or_damaged_is_one_line(tree, reader, name, link, damaged):
    root = tree(reader)
    path = root / reader.dataset_dir / name
    if damaged:
        path.write_text("what is this")
    else:
        path.unlink()
    with pytest.raises(UserError) as error:
        reader.make_split(root)
    (line,) = error.value.problems
    assert "\n" not in line and link in line
    if (reader, name) != (SUN397, "ClassName.txt") or not damaged:  # its lines are free text
        assert str(path) in line
    assert not (root / reader.dataset_dir / reader.split_file).exists()


@pytest.mark.parametrize(
    ("reader", "name", "line"),
    [
        (OxfordPets, "annotations/test.txt", "Sphynx_1 cat 1 1"),
        (OxfordPets, "annotations/test.txt", "../../Sphynx_1 1 1 1"),
        (SUN397, "Testing_01.txt", "/a/zoo/sun_a.jpg"),
        (UCF101, "ucfTrainTestlist/testlist01.txt", "v_YoYo_g04_c01.avi"),
        (UCF101, "ucfTrainTestlist/testlist01.txt", "Sleeping/v_Sleeping_g04_c01.avi"),
    ],
)
def test_a_malformed_line_is_shown(tree, reader, name, line):
    root = tree(reader)
    path = root / reader.dataset_dir / name
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError) as error:
        reader.make_split(root)
    assert str(error.value).startswith(f"{path}: {line!r} ")


def test_a_label_without_a_name_is_an_error(tree):
    root = tree(OxfordFlowers)
    (root / "oxford_flowers" / "cat_to_name.json").write_text('{"1": "pink primrose"}')
    with pytest.raises(UserError, match=r"label 3 of image 1 is not in .*cat_to_name\.json"):
        OxfordFlowers.make_split(root)


def test_a_car_of_an_unknown_model_is_an_error(tree):
    root = tree(StanfordCars)
    path = root / "stanford_cars" / "cars_test_annos_withlabels.mat"
    official_tree.write_annotations(path, [1, 4])
    with pytest.raises(UserError, match=r"entry 1 has no fname and class 1 \.\.\. 3"):
        StanfordCars.make_split(root)


def test_of_one_car_the_vector_is_still_one(tree):
    root = tree(StanfordCars)
    path = root / "stanford_cars" / "cars_test_annos_withlabels.mat"
    official_tree.write_annotations(path, [2])
    assert json.loads(StanfordCars.make_split(root).read_text())["test"] == [
        ["cars_test/00001.jpg", 1, "2012 Ram C/V Cargo Van Minivan"]
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_images_for_three_lists_are_one_line(tmp_path, count):
    write_classes(tmp_path / "dtd" / "images", ["banded"], 4)
    write_classes(tmp_path / "dtd" / "images", ["dotted"], count)
    with pytest.raises(UserError) as error:
        DescribableTextures.make_split(tmp_path)
    assert str(error.value) == (
        f"DescribableTextures: the class dotted has {count} images, too few for train, val and "
        "test; unpack the images again"
    )


def test_too_few_images_beside_test_are_one_line(tmp_path):
    lines = "".join(f"Persian_{i} 1 1 1\n" for i in range(4))
    official_tree.write_pets(tmp_path, lines + "pug_1 2 1 1\npug_2 2 1 1\n", "pug_3 2 1 1\n")
    with pytest.raises(UserError, match="the class pug has 2 images besides test, too few"):
        OxfordPets.make_split(tmp_path)


def test_a_folder_without_class_folders_is_an_error(tmp_path):
    (tmp_path / "dtd" / "images").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no class folders in .*dtd/images; unpack"):
        DescribableTextures.make_split(tmp_path)


def test_without_the_dataset_s_folder_the_root_is_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"no folder .*/dtd; give the folder above it by --root"):
        DescribableTextures.make_split(tmp_path)
