"""Small folders of the datasets that CoOp publishes split files of, as their own publishers give
them out: empty images, official lists in the true formats, no split file.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.io import savemat

from datasets.caltech101 import Caltech101
from datasets.dtd import DescribableTextures
from datasets.eurosat import EuroSAT
from datasets.food101 import Food101
from datasets.oxford_flowers import OxfordFlowers
from datasets.oxford_pets import OxfordPets
from datasets.stanford_cars import StanfordCars
from datasets.sun397 import SUN397
from datasets.ucf101 import UCF101
from tests.support.class_tree import write_classes

ACTIONS = ("ApplyEyeMakeup", "HandstandPushups", "YoYo", "TaiChi", "BalanceBeam")
SCENES = ("/a/abbey", "/a/airplane_cabin", "/a/apartment_building/outdoor")
CARS = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012", "smart fortwo 2012")
FLOWERS = {"1": "pink primrose", "2": "hard-leaved pocket orchid", "3": "canterbury bells"}
# as in imagelabels.mat: classes in blocks that are not in the order of their labels
FLOWER_LABELS = [3] * 5 + [1] * 10 + [2] * 7


def touch(folder: Path, names: Iterable[str]) -> None:
    """Make empty files, and their folders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def class_folders(reader, *classes, count=10):
    def write(root: Path) -> None:
        write_classes(root / reader.dataset_dir / reader.images, classes, count)

    return write


def caltech101(root: Path) -> None:
    class_folders(Caltech101, "BACKGROUND_Google", "Faces", "Faces_easy", "airplanes", "ant")(root)


def oxford_pets(root: Path) -> None:
    breeds = ["american_bulldog 2 2 1", "Abyssinian 1 1 1", "Maine_Coon 3 1 2"]
    rows = [(breed.split(" ", 1), i) for i in range(1, 7) for breed in breeds]
    lines = [f"{name}_{i} {rest}\n" for (name, rest), i in rows]
    write_pets(root, "".join(lines[:-3]), "".join(lines[-3:]))


def write_pets(root: Path, trainval: str, test: str) -> None:
    """Both official lists, given as text, and their images."""
    folder = root / "oxford_pets"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "trainval.txt").write_text(trainval)
    (folder / "annotations" / "test.txt").write_text(test)
    lines = (trainval + test).splitlines()
    touch(folder / "images", [f"{line.split()[0]}.jpg" for line in lines])


def oxford_flowers(root: Path) -> None:
    folder = root / "oxford_flowers"
    numbers = range(1, len(FLOWER_LABELS) + 1)
    touch(folder / "jpg", [f"image_{number:05d}.jpg" for number in numbers])
    savemat(folder / "imagelabels.mat", {"labels": np.array([FLOWER_LABELS], dtype=np.uint8)})
    (folder / "cat_to_name.json").write_text(json.dumps(dict(reversed(FLOWERS.items()))))


def stanford_cars(root: Path) -> None:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    names = np.empty((1, len(CARS)), dtype=object)
    names[0] = CARS
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})
    classes = [3, 1, 2] * 5
    write_annotations(folder / "devkit" / "cars_train_annos.mat", classes)
    write_annotations(folder / "cars_test_annos_withlabels.mat", classes[:6])
    touch(folder / "cars_train", [f"{i:05d}.jpg" for i in range(1, len(classes) + 1)])
    touch(folder / "cars_test", [f"{i:05d}.jpg" for i in range(1, 7)])


def write_annotations(path: Path, classes: Iterable[int]) -> None:
    """A 1 x N struct array of boxes, labels from 1 and file names."""
    fields = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    rows = [(39, 116, 569, 375, label, f"{i:05d}.jpg") for i, label in enumerate(classes, start=1)]
    struct = np.array([rows], dtype=[(name, object) for name in fields])
    savemat(path, {"annotations": struct})


def sun397(root: Path) -> None:
    folder = root / "sun397"
    folder.mkdir(parents=True)
    (folder / "ClassName.txt").write_text("".join(f"{scene}\n" for scene in SCENES))
    for name, letters in (("Training_01.txt", "abcde"), ("Testing_01.txt", "xyz")):
        images = [f"{scene}/sun_{letter}.jpg" for letter in letters for scene in SCENES]
        (folder / name).write_text("".join(f"{image}\n" for image in images))
        touch(folder / "SUN397", [image[1:] for image in images])


def ucf101(root: Path) -> None:
    folder = root / "ucf101"
    lists = folder / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    index = [f"{number} {action}\r\n" for number, action in enumerate(ACTIONS, start=1)]
    (lists / "classInd.txt").write_text("".join(index), newline="")
    for name, groups, labelled in (("trainlist01", (8, 9, 10), True), ("testlist01", (4,), False)):
        lines = []
        for label, action in enumerate(ACTIONS, start=1):
            shown = action.replace("stand", "Stand")  # the publishers' own spelling of the videos
            for group in groups:
                video = f"{action}/v_{shown}_g{group:02d}_c01.avi"
                lines.append(f"{video} {label}\n" if labelled else f"{video}\n")
        (lists / f"{name}.txt").write_text("".join(lines))
    videos = [f"v_{action.replace('stand', 'Stand')}" for action in ACTIONS]
    folders = ("Apply_Eye_Makeup", "Handstand_Pushups", "Yo_Yo", "Tai_Chi", "Balance_Beam")
    for name, video in zip(folders, videos, strict=True):
        touch(
            folder / "UCF-101-midframes" / name,
            [f"{video}_g{group:02d}_c01.jpg" for group in (4, 8, 9, 10)],
        )


WRITERS = {
    Caltech101: caltech101,
    OxfordPets: oxford_pets,
    StanfordCars: stanford_cars,
    OxfordFlowers: oxford_flowers,
    Food101: class_folders(Food101, "apple_pie", "baklava"),
    SUN397: sun397,
    DescribableTextures: class_folders(DescribableTextures, "banded", "zigzagged", count=7),
    EuroSAT: class_folders(EuroSAT, "AnnualCrop", "River", "SeaLake"),
    UCF101: ucf101,
}
