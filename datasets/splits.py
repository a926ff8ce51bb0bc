"""Split files, and the lists that are made of them.

A split file is JSON: `train`, `val` and `test`, each a list of `[path, label, class name]`; the
path is relative to the images folder, with forward slashes, the label counts from 0 (format of
CoOp's split_zhou_*.json). One that was made here holds the text `made_by` besides.
"""

import json
import logging
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError, MissingFileError
from dassl.utils.files import atomic_write
from datasets.folders import LEGIBLE, why_no_file
from datasets.wording import first_few

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")


class Labelled(Protocol):
    """What has a label and a class name: `Item` or the engine's Datum."""

    @property
    def label(self) -> int: ...
    @property
    def classname(self) -> str: ...


L = TypeVar("L", bound=Labelled)


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
        BadFileError: it cannot be opened, is no JSON, or lacks a list.
    """
    wrong = why_no_file(path)
    if wrong:
        raise BadFileError(f"{path} {wrong}, no split file; put the split file there")
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except FileNotFoundError as error:
        raise MissingFileError(f"no split file {path}") from error
    except PermissionError as error:
        raise BadFileError(f"{path} cannot be opened (Permission denied); {LEGIBLE}") from error
    # a deeply nested file ends in RecursionError
    except (OSError, ValueError, RecursionError) as error:
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
    return parse_split(read_lists_file(path), path)


def parse_split(content: Mapping[str, Any], path: str) -> dict[str, list[Item]]:
    """The lists of a split file's content; see `load_split`."""
    return {
        name: [_parse_item(entry, f"{path}: {name}[{i}]") for i, entry in enumerate(content[name])]
        for name in SPLITS
    }


def split_note(content: Mapping[str, Any]) -> str:
    """What a split file's content says of who made it; "" of a published one."""
    return str(content.get("made_by") or "")


def warn_of_own_split(path: str, note: str) -> None:
    """Say that accuracies on a split that was made here are not comparable; `note` is its mark, ""
    of a published split, of which nothing is said."""
    if note:
        logger.warning(
            "Warning: %s is not the published split: accuracies are not comparable (made by %s)",
            path,
            note,
        )


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
    if not missing:
        return
    line = f"{where}: {len(missing):,} of {len(paths):,} listed images are not in {image_dir}: "
    line += first_few(missing)
    if len(missing) == len(paths):
        line += f"; found there: {_first_entry(image_dir)}"
    raise MissingFileError(f"{line}; {remedy}")


def _first_entry(folder: str) -> str:
    try:
        return min(os.listdir(folder), default="nothing")
    except FileNotFoundError:
        return "nothing"
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"


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


def write_split(lists: Mapping[str, Sequence[Item]], filepath: str, made_by: str = "") -> None:
    """Write a split file, whole or not at all; `made_by` marks it as none of the published."""
    content: dict[str, Any] = {"made_by": made_by} if made_by else {}
    for name in SPLITS:
        content[name] = [[item.path, item.label, item.classname] for item in lists[name]]
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
