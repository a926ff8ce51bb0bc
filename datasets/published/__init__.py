"""What is published of the datasets' contents: class names, numbers of images, few-shot draws.

Sources: sizes.csv from the CoOp paper's table and the published split files, as its last column
says; suite_classes.json, numbers of classes, from SoftCPT (arXiv:2208.13474); classnames.json from
the split files, FGVC's variants.txt and the class names of the public CLIP repository's notebook;
folder_names.json, class folder -> class name, from the dataset files of CoOp (EuroSAT) and SoftCPT
(PlantVillage); fewshot_digests.json from the published readers' draws, compared with the index
files of github.com/linzhiqiu/cross_modal_adaptation; archives.json, links and checksums of the
archives, from torchvision 0.29 (MD5) and from the checksum lists of TensorFlow Datasets 4.9.10
(SHA-256).
"""

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sizes:
    """Published numbers of a dataset; None where none is published.

    Attributes:
        classes, train, val, test: classes, and images of each list.
        split_sha256: of the published split file; "" where it is not known or there is none.
    """

    classes: int
    train: int | None
    val: int | None
    test: int | None
    split_sha256: str


@dataclass(frozen=True)
class Draw:
    """A published few-shot draw, all classes: how many images, and the SHA-256 of their paths.

    The paths are relative to the images folder, in the order of the draw, joined by line feeds.
    """

    train: int
    train_sha256: str
    val: int
    val_sha256: str


def sizes(name: str) -> Sizes | None:
    """The published numbers of a dataset, by DATASET.NAME; None for a dataset without any."""
    row = _sizes().get(name)
    if row is None:
        return None
    numbers = {key: int(row[key]) if row[key] else None for key in ("train", "val", "test")}
    return Sizes(int(row["classes"]), **numbers, split_sha256=row["split_sha256"])


def classnames(name: str) -> list[str] | None:
    """The class names of a dataset in label order; None where they are not published."""
    return _content("classnames.json").get(name)


def folder_names(name: str) -> dict[str, str]:
    """Class folder -> class name, of a dataset whose folders are named otherwise."""
    return _content("folder_names.json")[name]


def other_folders(folder: str) -> list[str]:
    """Names that a dataset's folder has elsewhere, besides those that differ in letter case or
    punctuation.
    """
    return _content("other_folders.json").get(folder, [])


def suite_classes(name: str) -> int | None:
    """The number of classes of a SoftCPT dataset, of whose images no number is published."""
    return _content("suite_classes.json").get(name)


def wnids(name: str) -> list[str] | None:
    """The wnids of ImageNet, ImageNetA or ImageNetR in label order; None for other datasets."""
    return _content("classnames.json").get(f"{name} wnids")


def fewshot_draw(name: str, shots: int, seed: int) -> Draw | None:
    """The published draw of (dataset, shots, seed); None where none is known."""
    draws = _content("fewshot_digests.json")["datasets"].get(name, {}).get("draws", {})
    found = draws.get(f"{shots}-{seed}")
    return Draw(*found) if found else None


@cache
def _content(file: str) -> dict[str, Any]:
    return json.loads((_FOLDER / file).read_text(encoding="utf-8"))


@cache
def _sizes() -> dict[str, dict[str, str]]:
    with open(_FOLDER / "sizes.csv", encoding="utf-8", newline="") as file:
        return {row["dataset"]: row for row in csv.DictReader(file)}


NAMES = tuple(_sizes())  # as papers list them
