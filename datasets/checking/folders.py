"""Folders of a data folder: which should be there, what is named nearly so, what lies in them."""

import errno
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from datasets import published
from datasets.checking.findings import Report
from datasets.checking.names import yaml_stems
from datasets.folders import subfolders
from datasets.wording import counted, first_few, prepare_command

# other names of the folders, besides those that differ in letter case, blanks, dots and dashes
_OTHER_NAMES = {
    "oxford_pets": ("oxford-iiit-pet", "pets"),
    "stanford_cars": ("cars",),
    "oxford_flowers": ("flowers-102", "flowers102", "oxford-flowers-102", "flowers"),
    "fgvc_aircraft": ("fgvc-aircraft-2013b", "aircraft"),
    "imagenet": ("ilsvrc2012", "imagenet-1k"),
    "imagenet-sketch": ("sketch",),
    "imagenet-adversarial": ("imagenet-a",),
    "imagenet-rendition": ("imagenet-r",),
}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def near_folder(root: str, reader: type) -> str | None:
    """The name of a folder below `root` that looks like a dataset's under another name: EuroSAT for
    eurosat, caltech101 for caltech-101, StanfordCars for stanford_cars; None without one.
    """
    folder: str = reader.dataset_dir  # type: ignore[attr-defined]
    names = (folder, reader.__name__, yaml_stems().get(reader.__name__, ""))
    wanted = {_plain(name) for name in (*names, *_OTHER_NAMES.get(folder, ())) if name}
    near = [name for name in subfolders(root) if _plain(name) in wanted]
    return near[0] if near else None


def images_url(reader: Any) -> str:
    """Where the images of a dataset are published, for messages."""
    return getattr(reader, "images_url", "") or "not published"


def check_folder(report: Report, root: str, reader: Any) -> bool:
    """Whether the dataset's folder is there and can be listed; else a finding says what to do."""
    folder, below = report.folder, reader.dataset_dir
    source = f"images: {images_url(reader)}"
    if getattr(reader, "split_url", ""):
        source += f"; split file: {reader.split_url}"
    if os.path.isdir(folder):
        return _can_list(report, folder)
    if os.path.lexists(folder):
        kind = "a link to nothing" if os.path.islink(folder) else "a file, not a folder"
        report.wrong(f"{folder} is {kind}; put the dataset's folder there; {source}")
        return False
    near = near_folder(root, reader)
    if near is not None:
        hint = f"; {os.path.join(root, near)} is there: rename it to {below}"
    elif os.path.basename(root) == below:
        hint = f"; --root is the dataset's own folder: give {os.path.dirname(root)}"
    else:
        hint = ""
        if published.sizes(report.name):
            source += f"; or run {prepare_command(report.name, root)}, which fetches what it can"
    report.missing(f"no folder {folder}{hint}; {source}")
    return False


def check_image_folders(report: Report, reader: Any, image_dir: str) -> bool:
    """Whether the folders of images are there and can be listed; a finding for each that is not."""
    good = True
    for below in getattr(reader, "image_folders", ()) or ("",):
        path = os.path.normpath(os.path.join(image_dir, below))
        if os.path.isdir(path):
            good = _can_list(report, path) and good
            continue
        good = False
        if os.path.lexists(path):
            kind = "a link to nothing" if os.path.islink(path) else "a file, not a folder"
            report.wrong(f"{path} is {kind}; unpack the images there: {images_url(reader)}")
            continue
        hint = _misplaced(report.folder, os.path.relpath(path, report.folder))
        report.missing(f"no images folder {path}{hint}; unpack there: {images_url(reader)}")
    return good


def _misplaced(folder: str, images: str) -> str:
    """A hint at images that lie a folder too deep, or whose folder has another name."""
    if images == ".":
        return ""
    for name in subfolders(folder):
        if os.path.isdir(os.path.join(folder, name, images)):
            return f"; {os.path.join(folder, name, images)} is there: move it"
    parent, last = os.path.split(os.path.join(folder, images))
    for name in subfolders(parent):
        if _plain(name) == _plain(last):
            return f"; {os.path.join(parent, name)} is there: rename it"
    return ""


def _can_list(report: Report, folder: str) -> bool:
    try:
        with os.scandir(folder):
            return True
    except OSError as error:
        report.wrong(f"{folder} cannot be listed ({error.strerror}); make it readable")
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
        report.wrong(f"{folder} cannot be listed ({reason}); make it readable")
    if missing:
        line = f"{len(missing):,} of {len(every):,} images of {listed_in} are not in "
        line += f"{tree.image_dir}: {first_few(missing)}"
        if len(missing) == len(every):
            line = f"0 of {len(every):,} images of {listed_in} exist in {tree.image_dir}; listed "
            line += f"is {missing[0]}, there is {tree.any_file() or 'nothing'}"
        report.missing(f"{line}; unpack the published images again", missing)
    elif every:
        report.ok(f"all {len(every):,} images of {listed_in} are in {tree.image_dir}")
    report_empty(report, empty)


def report_empty(report: Report, empty: list[str]) -> None:
    """A finding on files of size 0, if there are any."""
    if empty:
        line = f"{counted(len(empty), 'empty file')} (0 bytes): {first_few(empty)}"
        report.wrong(f"{line}; unpack the published images again", empty)
