"""Your own pictures in class folders."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError, UserError
from datasets.own.folder_parts import find_parts, folders_in
from datasets.own.reader import CUT_SEED, OwnDataset, check_folder, cut_own
from datasets.parts.folders import is_image, visible
from datasets.parts.items import SPLITS, Item
from datasets.parts.new_splits import made_by, new_split_file
from datasets.parts.reader import Lists
from datasets.parts.split_files import parse_split, read_lists_file, split_note, write_split
from datasets.parts.text_lists import read_lines
from datasets.parts.wording import first_few, prepare_command

logger = logging.getLogger(__name__)

SPLIT_FILE, NAMES_FILE = "split.json", "classnames.txt"


@DATASET_REGISTRY.register()
class ImageFolder(OwnDataset):
    """A folder with, in this order: `split.json` (format of the published split files); or `train/`
    and `test/` or `val/`, each with class folders; or class folders, which are cut.

    Labels are the places of the class folders of train in sorted order. The name of a class is its
    folder's, or that of its line `<folder> <name>` in `classnames.txt`. Folders inside of a class
    folder belong to the class. Links are followed.

    Raises:
        UserError: (also MissingFileError, BadFileError) a folder or its images are missing, classes
            differ between the parts or from classnames.txt, a class has too few images for the cut.
    """

    list_file = SPLIT_FILE
    holds = "class folders"
    listed_by = "the folder's listing or its split file"

    def read_parts(self) -> Lists:
        """See `OwnDataset`."""
        if self.source != self.dataset_dir:
            content = read_lists_file(self.source)
            self.split_note = split_note(content)
            return parse_split(content, self.source)
        parts = find_parts(self.dataset_dir)
        if parts:
            return list_parts(self.dataset_dir, parts)
        items = list_classes(self.dataset_dir, class_folders(self.dataset_dir))
        command = f"{prepare_command('ImageFolder', self.dataset_dir)} --make-split"
        return self.cut(items, f"it changes with the images; `{command}` writes it to {SPLIT_FILE}")

    @classmethod
    def make_split(cls, root: Path, seed: int = CUT_SEED) -> Path:
        """Write split.json into the folder `root`: each class cut into 50 % train, 20 % val and
        30 % test; with the default seed those that are read without the file.

        Raises:
            UserError: there is a split.json, or train/ and test/; or see the class.
        """
        folder = str(root)
        check_folder(folder, cls.__name__, cls.holds)
        file = new_split_file(root, SPLIT_FILE)
        parts = find_parts(folder)
        if parts:
            raise UserError(f"{folder} has {' and '.join(parts)} folders, so nothing is to be cut")
        lists = cut_own(list_classes(folder, class_folders(folder)), folder, seed)
        write_split(lists, str(file), made_by(cls.__name__, seed))
        return file


def list_parts(folder: str, parts: Sequence[str]) -> Lists:
    """The images of the parts, labelled by the class folders of train.

    Raises:
        BadFileError: a part has a class that train has not.
    """
    classes = class_folders(os.path.join(folder, "train"), folder)
    lists: Lists = {split: [] for split in SPLITS}
    for part in parts:
        own = folders_in(os.path.join(folder, part))
        unknown = [name for name in own if name not in classes]
        if unknown:
            raise BadFileError(
                f"ImageFolder: {os.path.join(folder, part)} has the class folder "
                f"{first_few(unknown)}, which train has not; give it training images, or the name "
                "that it has there"
            )
        lists[part] = list_classes(folder, classes, part)
    return lists


def class_folders(folder: str, names_in: str = "") -> dict[str, str]:
    """Class folder -> class name, in the order of labels.

    Args:
        folder: it holds the class folders.
        names_in: the folder of classnames.txt, default `folder`.

    Raises:
        BadFileError: there is no class folder, or classnames.txt does not fit them.
    """
    found = folders_in(folder)
    if not found:
        count = sum(is_image(name) for name in visible(folder))
        raise BadFileError(
            f"ImageFolder: no class folders in {folder}, but {count} images; give each class a "
            "folder, or list the images in images.csv and use DATASET.NAME ImageCSV"
        )
    path = os.path.join(names_in or folder, NAMES_FILE)
    return _read_names(path, found) if os.path.isfile(path) else {name: name for name in found}


def list_classes(folder: str, classes: dict[str, str], part: str = "") -> list[Item]:
    """All images of class folders, images of a class in the order of their paths.

    Args:
        folder: paths are relative to it.
        classes: class folder -> class name, in the order of labels.
        part: the folder below it that holds class folders, if not all of them; "" for `folder`
            itself.

    Raises:
        BadFileError: a class folder has no image.
    """
    items: list[Item] = []
    skipped: list[str] = []
    present = folders_in(os.path.join(folder, part))
    for label, (below, name) in enumerate(classes.items()):
        if below not in present:
            continue
        start = f"{part}/{below}" if part else below
        paths = sorted(_walk(folder, start, skipped))
        if not paths:
            raise BadFileError(
                f"ImageFolder: no image in the class folder {os.path.join(folder, start)}; put "
                "some there, or remove the folder"
            )
        items += [Item(path, label, name) for path in paths]
    if skipped:
        logger.info(
            "Notice: ImageFolder: %d files in %s are no images and not used: %s",
            len(skipped),
            os.path.join(folder, part),
            first_few(skipped),
        )
    return items


def _walk(
    folder: str, below: str, skipped: list[str], above: tuple[str, ...] = ()
) -> Iterator[str]:
    """Paths of the images in `folder`/`below` and its folders, relative to `folder`; other files go
    to `skipped`."""
    real = os.path.realpath(os.path.join(folder, below))
    if real in above:  # a link to a folder that holds it
        return
    for name in visible(real):
        path = f"{below}/{name}"
        if os.path.isdir(os.path.join(folder, path)):
            yield from _walk(folder, path, skipped, (*above, real))
        elif is_image(name):
            yield path
        else:
            skipped.append(path)


def _read_names(path: str, folders: Sequence[str]) -> dict[str, str]:
    """Class folder -> name of its line; a folder's name may hold blanks.

    Raises:
        BadFileError: a line has no folder or no name, or a folder has no line or two.
    """
    remedy = "give each class folder one line '<folder> <name>'"
    names: dict[str, str] = {}
    for line in read_lines(path, remedy):
        starts = [name for name in folders if line.startswith(f"{name} ")]
        if not starts:
            raise BadFileError(f"{path}: no class folder for the line {line[:80]!r}; {remedy}")
        folder = max(starts, key=len)
        if folder in names:
            raise BadFileError(f"{path}: the folder {folder} stands there twice; {remedy}")
        names[folder] = line.removeprefix(folder).strip()
    missing = [name for name in folders if name not in names]
    if missing:
        raise BadFileError(f"{path}: no line for the class folder {first_few(missing)}; {remedy}")
    return {name: names[name] for name in folders}
