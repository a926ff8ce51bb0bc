"""What lies in a dataset's folder: whether a path is filled, and how one is put there."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dassl.utils.files import atomic_write
from datasets.parts.items import SPLITS
from datasets.parts.reader import ListedDataset
from datasets.preparing.catalogue import Part


def is_filled(path: Path) -> bool:
    """Whether there is a file with content, or a folder with visible entries."""
    if path.is_dir():
        with os.scandir(path) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    return path.is_file() and path.stat().st_size > 0


def linking(path: Path, aim: str) -> Callable[[], None]:
    """A call that makes a symbolic link, unless another process was faster."""

    def link() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.symlink_to(aim)

    return link


def writing(path: Path, content: str) -> Callable[[], None]:
    """A call that writes a file."""
    return lambda: atomic_write(path, content)


def half_filled(reader: Any, root: Path, parts: Sequence[Part]) -> list[tuple[Part, Path]]:
    """Folders of images, with their parts, that have some of the listed images and not all.

    Raises:
        UserError: the lists cannot be read.
    """
    if not issubclass(reader, ListedDataset):
        return []
    found = reader.at(str(root))
    lists = found.read_lists()
    paths = [os.path.join(found.image_dir, item.path) for part in SPLITS for item in lists[part]]
    is_there = {path: os.path.isfile(path) for path in paths}
    places = [(part, Path(found.dataset_dir) / target) for part in parts for target in part.takes]
    return [
        (part, place)
        for part, place in places
        if {is_there[path] for path in paths if path.startswith(f"{place}{os.sep}")}
        == {True, False}
    ]
