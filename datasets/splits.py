"""Split files, and the lists that are made of them.

A split file is JSON: `train`, `val` and `test`, each a list of `[path, label, class name]`; the
path is relative to the images folder, with forward slashes, the label counts from 0 (format of
CoOp's split_zhou_*.json).
"""

import json
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError, BadValueError, MissingFileError
from dassl.utils.files import atomic_write

SPLITS = ("train", "val", "test")
_SHOWN = 3  # missing files named in an error


class Labelled(Protocol):
    """What has a label and a class name: `Item` or the engine's Datum."""

    @property
    def label(self) -> int: ...
    @property
    def classname(self) -> str: ...


L = TypeVar("L", bound=Labelled)
T = TypeVar("T")


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


def is_relative(path: str) -> bool:
    """Whether a path with forward slashes stays below the folder it is relative to."""
    parts = PurePosixPath(path)
    return bool(parts.parts) and not parts.is_absolute() and ".." not in parts.parts


def _parse_item(entry: Any, where: str) -> Item:
    if not (
        isinstance(entry, list)
        and [type(value) for value in entry] == [str, int, str]
        and entry[1] >= 0
        and is_relative(entry[0])
    ):
        raise BadFileError(
            f"{where}: {json.dumps(entry)[:80]} is no [relative path, label from 0, class name]; "
            "get the split file again"
        )
    return Item(*entry)


def read_lists_file(path: str) -> dict[str, Any]:
    """The JSON object of a split file; it holds the lists train, val and test.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no JSON, or lacks a list.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError as error:
        raise MissingFileError(f"no split file {path}") from error
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path} cannot be read as JSON ({error}); get it again") from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in SPLITS
    ):
        raise BadFileError(f"{path} is no split file: it needs the lists train, val and test")
    return content


def load_split(path: str) -> dict[str, list[Item]]:
    """Read a split file.

    Returns:
        lists of items by "train", "val", "test", in the order of the file.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no JSON, lacks a list, or an entry is malformed (the first is named).
    """
    content = read_lists_file(path)
    return {
        name: [_parse_item(entry, f"{path}: {name}[{i}]") for i, entry in enumerate(content[name])]
        for name in SPLITS
    }


def to_data(items: Iterable[Item], image_dir: str) -> list[Datum]:
    """The engine's Datum of each item; the files must exist (see `check_images`)."""
    return [
        Datum(impath=os.path.join(image_dir, item.path), label=item.label, classname=item.classname)
        for item in items
    ]


def check_images(items: Iterable[Item], image_dir: str, where: str) -> None:
    """Check that the images are there.

    Raises:
        MissingFileError: their number, the first three, and, if all are missing, a file that is
            there instead.
    """
    paths = list(dict.fromkeys(item.path for item in items))
    missing = [path for path in paths if not os.path.isfile(os.path.join(image_dir, path))]
    if not missing:
        return
    first = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    line = (
        f"{where}: {len(missing):,} of {len(paths):,} listed images are not in {image_dir}: {first}"
    )
    if len(missing) == len(paths):
        present = sorted(os.listdir(image_dir))[:1] if os.path.isdir(image_dir) else []
        line += f"; found there: {present[0] if present else 'nothing'}"
    raise MissingFileError(line + "; unpack the published images again")


def read_split(filepath: str, path_prefix: str) -> tuple[list[Datum], list[Datum], list[Datum]]:
    """Train, val and test of a split file as Datum lists, as published dataset files expect them.

    Raises:
        MissingFileError: the split file or an image is missing.
        BadFileError: see `load_split`.
    """
    lists = load_split(filepath)
    check_images((item for items in lists.values() for item in items), path_prefix, filepath)
    train, val, test = (to_data(lists[name], path_prefix) for name in SPLITS)
    return train, val, test


def write_split(lists: dict[str, list[Item]], filepath: str) -> None:
    """Write a split file, whole or not at all."""
    content = {name: [[i.path, i.label, i.classname] for i in lists[name]] for name in SPLITS}
    atomic_write(filepath, json.dumps(content, indent=4))


def save_split(
    train: Sequence[Datum],
    val: Sequence[Datum],
    test: Sequence[Datum],
    filepath: str,
    path_prefix: str,
) -> None:
    """Write Datum lists as a split file; `path_prefix` is cut from the paths."""

    def relative(data: Sequence[Datum]) -> list[Item]:
        return [
            Item(os.path.relpath(d.impath, path_prefix).replace(os.sep, "/"), d.label, d.classname)
            for d in data
        ]

    lists = dict(zip(SPLITS, map(relative, (train, val, test)), strict=True))
    write_split(lists, filepath)


def by_label(items: Iterable[L]) -> dict[int, list[L]]:
    """Label -> items; labels in order of first occurrence."""
    groups: dict[int, list[L]] = defaultdict(list)
    for item in items:
        groups[item.label].append(item)
    return groups


@contextmanager
def reseeded(seed: int) -> Iterator[None]:
    """Python's global generator newly seeded inside, and untouched outside; a negative seed changes
    nothing."""
    if seed < 0:
        yield
        return
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


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
        raise BadValueError(f"{where} has {len(items)} images, too few for train, val and test")
    return parts


def split_trainval(trainval: Sequence[L], p_val: float = 0.2) -> tuple[list[L], list[L]]:
    """Cut round(p_val n) images of each class off as validation images, after a shuffle.

    Draws from Python's global random generator, as the published procedure does.
    """
    train: list[L] = []
    val: list[L] = []
    for items in by_label(trainval).values():
        random.shuffle(items)
        count = round(len(items) * p_val)
        if count < 1:
            raise BadValueError(
                f"class {items[0].classname} has {len(items)} images, too few for p_val {p_val}"
            )
        val.extend(items[:count])
        train.extend(items[count:])
    return train, val


def split_folders(
    image_dir: str,
    p_trn: float = 0.5,
    p_val: float = 0.2,
    ignored: Sequence[str] = (),
    new_cnames: dict[str, str] | None = None,
) -> tuple[list[Datum], list[Datum], list[Datum]]:
    """Split a folder of class folders: round(p_trn n) train, round(p_val n) val, the rest test.

    Class folders are sorted by code point, hidden ones skipped. Images of a class are taken in
    sorted order (the published procedure takes the file system's, which differs between machines),
    then shuffled with Python's global generator.

    Raises:
        BadValueError: a class has too few images for one of the three lists.
    """
    names = sorted(
        name for name in os.listdir(image_dir) if not name.startswith(".") and name not in ignored
    )
    lists: dict[str, list[Datum]] = {name: [] for name in SPLITS}
    for label, name in enumerate(names):
        folder = os.path.join(image_dir, name)
        files = sorted(file for file in os.listdir(folder) if not file.startswith("."))
        random.shuffle(files)
        parts = cut(files, folder, p_trn, p_val)
        shown = (new_cnames or {}).get(name, name)
        for split, part in zip(SPLITS, parts, strict=True):
            lists[split] += [Datum(os.path.join(folder, file), label, 0, shown) for file in part]
    return lists["train"], lists["val"], lists["test"]
