"""How a split is made where none is there: on request only, and never the published one.

The two published procedures, on listings in sorted order, so that the shuffles alone decide:

- images of a class are cut into round(0.5 n) train, round(0.2 n) val and the rest test (Caltech101,
  DTD, EuroSAT, Food101, OxfordFlowers);
- where a test list is given, round(0.2 n) of the other images of a class are val (OxfordPets,
  StanfordCars, SUN397, UCF101).

Source: the dataset files of KaiyangZhou/CoOp. Rounding is half to even.
"""

import os
import posixpath
import random
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError, BadValueError, MissingFileError, UserError
from datasets.parts.folders import subfolders, visible
from datasets.parts.items import SPLITS, Item, L, by_label, to_data
from datasets.parts.official_lists import Official

T = TypeVar("T")
Shuffle = Callable[[MutableSequence[Any]], None]
_REMEDY = "unpack the images again"


def make_lists(official: Official, dataset: str, seed: int) -> dict[str, list[Item]]:
    """Train, val and test, shuffled by a generator of their own.

    Raises:
        BadValueError: a class has too few images.
    """
    shuffle = random.Random(seed).shuffle
    if official.test is None:
        return cut_classes(official.images, dataset, shuffle=shuffle)
    train, val = split_trainval(official.images, shuffle=shuffle)
    return {"train": train, "val": val, "test": official.test}


def cut(
    items: Sequence[T], where: str, p_trn: float = 0.5, p_val: float = 0.2
) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """The first round(p_trn n) of n items, the next round(p_val n), and the rest.

    Raises:
        BadValueError: one of the three is empty; `where` says whose items they are.
    """
    first = round(len(items) * p_trn)
    second = first + round(len(items) * p_val)
    parts = (items[:first], items[first:second], items[second:])
    if not all(parts):
        raise BadValueError(
            f"{where} has {len(items)} images, too few for train, val and test; {_REMEDY}"
        )
    return parts


def cut_classes(
    items: Sequence[Item],
    where: str,
    p_trn: float = 0.5,
    p_val: float = 0.2,
    shuffle: Shuffle = random.shuffle,
) -> dict[str, list[Item]]:
    """Shuffle and `cut` the images of each class, classes in order of first occurrence."""
    lists: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for group in by_label(items).values():
        shuffle(group)
        parts = cut(group, f"{where}: the class {group[0].classname}", p_trn, p_val)
        for split, part in zip(SPLITS, parts, strict=True):
            lists[split] += part
    return lists


def split_trainval(
    trainval: Sequence[L], p_val: float = 0.2, shuffle: Shuffle = random.shuffle
) -> tuple[list[L], list[L]]:
    """Cut round(p_val n) images of each class off as validation images, after a shuffle: by
    default with Python's global generator, as the published procedure does.

    Raises:
        BadValueError: a class has too few images.
    """
    train: list[L] = []
    val: list[L] = []
    for items in by_label(trainval).values():
        shuffle(items)
        count = round(len(items) * p_val)
        if not 0 < count < len(items):
            raise BadValueError(
                f"the class {items[0].classname} has {len(items)} images besides test, too few "
                f"for train and val ({p_val:.0%}); {_REMEDY}"
            )
        val.extend(items[:count])
        train.extend(items[count:])
    return train, val


def list_folders(
    image_dir: str,
    ignored: Sequence[str] = (),
    new_cnames: Mapping[str, str] | None = None,
    below: str = "",
) -> list[Item]:
    """The images of class folders.

    Class folders are sorted by code point, and images by name (the published procedure takes the
    file system's order, which differs between machines); hidden ones are skipped. Labels count the
    folders from 0.

    Args:
        image_dir: what paths are relative to.
        ignored: class folders to leave out.
        new_cnames: class folder -> class name; others are named as their folders.
        below: folder of the class folders, relative to image_dir.

    Raises:
        MissingFileError: there is no such folder, or no class folder in it.
        BadFileError: a class folder is empty.
    """
    parent = os.path.join(image_dir, below) if below else image_dir
    if not os.path.isdir(parent):
        raise MissingFileError(f"no images folder {parent}; {_REMEDY}")
    names = [name for name in subfolders(parent) if name not in ignored]
    if not names:
        raise MissingFileError(f"no class folders in {parent}; {_REMEDY}")
    items = []
    for label, name in enumerate(names):
        place = os.path.join(parent, name)
        files = [file for file in visible(place) if os.path.isfile(os.path.join(place, file))]
        if not files:
            raise BadFileError(f"no images in {place}; {_REMEDY}")
        shown = (new_cnames or {}).get(name, name)
        items += [Item(posixpath.join(below, name, file), label, shown) for file in files]
    return items


def split_folders(
    image_dir: str,
    p_trn: float = 0.5,
    p_val: float = 0.2,
    ignored: Sequence[str] = (),
    new_cnames: Mapping[str, str] | None = None,
) -> tuple[list[Datum], list[Datum], list[Datum]]:
    """`cut_classes` of class folders with Python's global generator, as published dataset files
    expect it.

    Raises:
        UserError: see `list_folders`; or a class has too few images for one of the three lists.
    """
    lists = cut_classes(list_folders(image_dir, ignored, new_cnames), image_dir, p_trn, p_val)
    train, val, test = (to_data(lists[split], image_dir) for split in SPLITS)
    return train, val, test


def new_split_file(folder: Path, name: str) -> Path:
    """The path of a split file that is to be made.

    Raises:
        UserError: there is no such folder, or the file is there already.
    """
    if not folder.is_dir():
        raise MissingFileError(f"no folder {folder}; give the folder above it by --root")
    if os.path.lexists(folder / name):
        raise UserError(f"{folder / name} is there: delete it to make another one")
    return folder / name


def made_by(dataset: str, seed: int) -> str:
    """What a made split file says of itself."""
    return (
        f"PromptLab, python -m datasets prepare {dataset} --make-split --seed {seed}; "
        "not the split of any published number"
    )
