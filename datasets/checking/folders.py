"""Folders of a data folder: which should be there, what is named nearly so, what lies in them."""

import errno
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from datasets.checking.findings import Report
from datasets.parts.folders import LEGIBLE, check_dataset_folder, check_images_folder, images_remedy
from datasets.parts.wording import counted, first_few


def check_folder(report: Report, root: str, reader: Any) -> bool:
    """Whether the dataset's folder is there and can be listed; else a finding says what to do."""
    with report.catching(report.folder):
        check_dataset_folder(report.folder, reader, root)
        return _can_list(report, report.folder)
    return False


def check_image_folders(report: Report, reader: Any, image_dir: str) -> bool:
    """Whether the folders of images are there and can be listed; a finding for each that is not."""
    good = []
    for below in getattr(reader, "image_folders", ()) or ("",):
        path = os.path.normpath(os.path.join(image_dir, below))
        with report.catching(path):
            check_images_folder(path, reader, report.folder)
            good.append(_can_list(report, path))
            continue
        good.append(False)
    return all(good)


def _can_list(report: Report, folder: str) -> bool:
    try:
        with os.scandir(folder):
            return True
    except OSError as error:
        report.wrong(f"{folder} cannot be listed ({error.strerror}); {LEGIBLE}")
        return False


@dataclass(frozen=True)
class Content:
    """What lies in a folder, hidden entries aside.

    Attributes:
        files: name -> bytes.
        folders: names, sorted.
    """

    files: dict[str, int]
    folders: list[str]


class Tree:
    """The files below an images folder, each folder listed once and when it is asked for.

    A listing takes one call for a folder, and one for the size of a file.
    """

    def __init__(self, image_dir: str) -> None:
        self.image_dir = image_dir
        self.unreadable: dict[str, str] = {}  # folder -> why it could not be listed
        self._seen: dict[str, Content] = {}

    def content(self, below: str) -> Content:
        """What lies in a folder below the images folder; nothing if it is not there."""
        below = posixpath.normpath(below or ".")
        if below not in self._seen:
            self._seen[below] = self._list(below)
        return self._seen[below]

    def _list(self, below: str) -> Content:
        files: dict[str, int] = {}
        folders = []
        try:
            with os.scandir(os.path.join(self.image_dir, below)) as entries:
                for entry in entries:
                    size = _size(entry)
                    if size is not None:
                        files[entry.name] = size
                    elif _is_folder(entry) and not entry.name.startswith("."):
                        folders.append(entry.name)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.unreadable[below] = error.strerror or str(error)
        except ValueError:  # a null byte in a split file's path
            pass
        return Content(files, sorted(folders))

    def size(self, path: str) -> int | None:
        """Bytes of a file, by its path with forward slashes; None if it is not there."""
        below, name = posixpath.split(posixpath.normpath(path))
        return self.content(below).files.get(name)

    def any_file(self) -> str | None:
        """Path of some file, the first in sorted order of the topmost folder with files."""
        level = ["."]
        while level:
            for below in level:
                visible = [name for name in self.content(below).files if name[0] != "."]
                if visible:
                    return posixpath.normpath(posixpath.join(below, min(visible)))
            level = [
                posixpath.join(below, name)
                for below in level[:1]  # one branch is enough to show how files are named
                for name in self.content(below).folders
            ]
        return None

    def absolute(self, path: str) -> str:
        """The path of a file on this machine."""
        return os.path.join(self.image_dir, path)


def _size(entry: os.DirEntry[str]) -> int | None:
    """Bytes of a regular file; None for anything else."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:  # a loop of links, or it has just gone
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def check_files(report: Report, tree: Tree, paths: Iterable[str], listed_in: str) -> None:
    """Findings on files that a list names: they are there, and not empty. Those that are good are
    added to the images to decode.
    """
    every = list(dict.fromkeys(paths))
    sizes = {path: tree.size(path) for path in every}
    missing = [path for path in every if sizes[path] is None]
    empty = [path for path in every if sizes[path] == 0]
    report.images += [tree.absolute(path) for path in every if sizes[path]]
    for below, reason in tree.unreadable.items():
        folder = os.path.normpath(tree.absolute(below))
        report.wrong(f"{folder} cannot be listed ({reason}); {LEGIBLE}")
    if missing:
        line = f"{len(missing):,} of {len(every):,} images of {listed_in} are not in "
        line += f"{tree.image_dir}: {first_few(missing)}"
        if len(missing) == len(every):
            line = f"0 of {len(every):,} images of {listed_in} exist in {tree.image_dir}; listed "
            line += f"is {missing[0]}, there is {tree.any_file() or 'nothing'}"
        report.missing(f"{line}; {images_remedy(report.reader)}", missing)
    elif every:
        report.ok(f"all {len(every):,} images of {listed_in} are in {tree.image_dir}")
    report_empty(report, empty)


def report_empty(report: Report, empty: list[str]) -> None:
    """A finding on files of size 0, if there are any."""
    if empty:
        line = f"{counted(len(empty), 'empty file')} (0 bytes): {first_few(empty)}"
        report.wrong(f"{line}; {images_remedy(report.reader, missing=False)}", empty)
