"""Images as a list names them: path, label and class name."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from dassl.data.datasets import Datum
from dassl.utils.errors import MissingFileError
from datasets.parts.wording import first_few

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Item:
    """An image of a split file; unlike the engine's Datum it touches no file.

    Attributes:
        path: relative to the images folder, forward slashes.
        label: class, from 0.
        classname: name of the class.
    """

    path: str
    label: int
    classname: str


L = TypeVar("L", Item, Datum)
Lists = dict[str, list[Item]]  # items by "train", "val", "test"


def is_relative(path: str) -> bool:
    """Whether a path with forward slashes stays below the folder it is relative to."""
    parts = PurePosixPath(path)
    return bool(parts.parts) and not parts.is_absolute() and ".." not in parts.parts


def by_label(items: Iterable[L]) -> dict[int, list[L]]:
    """Label -> items; labels in order of first occurrence."""
    groups: dict[int, list[L]] = defaultdict(list)
    for item in items:
        groups[item.label].append(item)
    return groups


def to_data(items: Iterable[Item], image_dir: str) -> list[Datum]:
    """The engine's Datum of each item; the files must exist (see `check_images`)."""
    return [
        Datum(impath=os.path.join(image_dir, item.path), label=item.label, classname=item.classname)
        for item in items
    ]


def check_images(
    items: Iterable[Item],
    image_dir: str,
    where: str,
    remedy: str = "unpack the published images again",
) -> None:
    """Check that the images are there.

    Raises:
        MissingFileError: their number, the first three, and, if all are missing, a file that is
            there instead.
    """
    paths = list(dict.fromkeys(item.path for item in items))
    missing = [path for path in paths if not os.path.isfile(os.path.join(image_dir, path))]
    if missing:
        raise MissingFileError(f"{missing_images(missing, len(paths), image_dir, where)}; {remedy}")


def missing_images(missing: Sequence[str], listed: int, image_dir: str, where: str) -> str:
    """The words on listed images that are not there."""
    line = f"{where}: {len(missing):,} of {listed:,} listed images are not in {image_dir}: "
    line += first_few(missing)
    if len(missing) == listed:
        line += f"; found there: {_first_entry(image_dir)}"
    return line


def _first_entry(folder: str) -> str:
    try:
        return min(os.listdir(folder), default="nothing")
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"
