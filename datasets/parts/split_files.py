"""Split files, and the lists that are made of them.

A split file is JSON: `train`, `val` and `test`, each a list of `[path, label, class name]`; the
path is relative to the images folder, with forward slashes, the label counts from 0 (format of
CoOp's split_zhou_*.json). One that was made here holds the text `made_by` besides.
"""

import json
import logging
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError
from dassl.utils.files import atomic_write
from datasets.parts.items import SPLITS, Item, check_images, is_relative, to_data
from datasets.parts.text_lists import parse_json, read_text

logger = logging.getLogger(__name__)


def parse_item(entry: Any, where: str, remedy: str = "get the split file again") -> Item:
    """An image of a list.

    Args:
        entry: as JSON gives it.
        where: file and place, for the error.
        remedy: what to do if the entry is malformed.

    Raises:
        BadFileError: it is no [relative path, label from 0, class name].
    """
    if not (
        isinstance(entry, list)
        and [type(value) for value in entry] == [str, int, str]
        and entry[1] >= 0
        and is_relative(entry[0])
    ):
        raise BadFileError(
            f"{where}: {json.dumps(entry)[:80]} is no [relative path, label from 0, class name]; "
            f"{remedy}"
        )
    return Item(*entry)


def read_lists_file(path: str) -> dict[str, Any]:
    """The JSON object of a split file; it holds the lists train, val and test.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it cannot be opened, is no JSON, or lacks a list.
    """
    text = read_text(path, "put the split file there", "split file")
    content = parse_json(text, path, "get it again")
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
        name: [parse_item(entry, f"{path}: {name}[{i}]") for i, entry in enumerate(content[name])]
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

    def path(item: Datum) -> str:
        return os.path.relpath(item.impath, path_prefix).replace(os.sep, "/")

    data = zip(SPLITS, (train, val, test), strict=True)
    lists = {split: [Item(path(d), d.label, d.classname) for d in items] for split, items in data}
    write_split(lists, filepath)


@contextmanager
def unmoved() -> Iterator[None]:
    """Whatever draws from Python's global generator inside, it goes on outside as if nothing
    had."""
    before = random.getstate()
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def reseeded(seed: int) -> Iterator[None]:
    """Python's global generator newly seeded inside, and untouched outside; a negative seed changes
    nothing."""
    if seed < 0:
        yield
        return
    with unmoved():
        random.seed(seed)
        yield
