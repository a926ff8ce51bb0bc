"""How a part of a dataset comes to its place: made from the published file, or by a link."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from datasets.preparing.catalogue import Part, PublishedFile
from datasets.preparing.imagenet import sort_val, unpack_train
from datasets.preparing.unpack import unpack


def make(
    part: Part, file: PublishedFile, path: Path, staged: Path, val_classes: Callable[[], list[str]]
) -> None:
    """Make what `part.takes` names in a folder.

    Args:
        part: what is made.
        file: one of `part.files`.
        path: where that lies; it is only read.
        staged: a folder of our own.
        val_classes: gives the wnids of ImageNet's validation images.

    Raises:
        UserError: the file is damaged, dangerous or something else.
    """
    first = staged / next(iter(part.takes))
    if part.kind == "file":
        shutil.copyfile(path, first)
    elif part.kind == "imagenet train":
        unpack_train(path, first)
    elif part.kind == "imagenet val":
        classes = val_classes()
        unpack(path, {".flat": [""]}, staged)
        sort_val(staged / ".flat", first, classes, os.rename)
    elif file.inner:
        inner = Path(file.inner).name
        unpack(path, {inner: [file.inner]}, staged)
        unpack(staged / inner, part.takes, staged)
    else:
        unpack(path, part.takes, staged)


def is_filled(path: Path) -> bool:
    """Whether there is a file with content, or a folder with visible entries."""
    if path.is_dir():
        with os.scandir(path) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    return path.is_file() and path.stat().st_size > 0


def link(path: Path, aim: str) -> None:
    """Make a symbolic link, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.symlink_to(aim)
