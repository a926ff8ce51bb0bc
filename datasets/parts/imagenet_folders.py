"""What readers of ImageNet and of its variants share: a folder of images for each class, and
classnames.txt with the name of each.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dassl.utils.errors import BadFileError
from datasets import published
from datasets.parts.classes import check_classes
from datasets.parts.folders import subfolders, visible
from datasets.parts.items import Item
from datasets.parts.reader import ListedDataset, Lists
from datasets.parts.text_lists import read_table
from datasets.parts.wording import counted, first_few

logger = logging.getLogger(__name__)

PARTIAL = "DATASET.PARTIAL True"


class WnidFolders(ListedDataset):
    """Class folders, whose place in the sorted listing is the label; the name of a class is that of
    its line `<wnid> <name>` in classnames.txt.

    `class_ids` are the wnids in label order: names repeat (ImageNet has two "missile"), ids do not,
    so that a head which was trained on all of ImageNet serves the classes of a variant.

    With DATASET.PARTIAL a folder may lack classes that classnames.txt has, as ImageNet-100 does:
    labels count those that are there, and `partial` tells of it.
    """

    holds = "class folders, classnames.txt"
    has_partial_folders = True
    reads_part = False

    def __init__(self, cfg: Any) -> None:
        self.reads_part = cfg.DATASET.get("PARTIAL", False)  # a key that trainers add
        super().__init__(cfg)
        paths = {item.label: item.impath for item in self.train_x}
        folders = [os.path.basename(os.path.dirname(paths[label])) for label in sorted(paths)]
        self.class_ids = [self.wnid_of(folder) for folder in folders]

    @property
    def source(self) -> str:
        """The images folder."""
        return self.image_dir

    @property
    def names_file(self) -> str:
        """The path of classnames.txt."""
        return os.path.join(self.dataset_dir, "classnames.txt")

    def wnid_of(self, folder: str) -> str:
        """The wnid of a class folder: its own name."""
        return folder

    def check_lists(self, lists: Lists) -> None:
        """Check the classes; a listing shows no image twice."""
        check_classes(lists, self.source)
        self.warn_of_names_alike(lists, published.classnames("ImageNet"))

    def check_images(self, items: Iterable[Item]) -> None:
        """Nothing: the listing has just shown the images."""

    def read_names(self) -> dict[str, str]:
        """Wnid -> name, in the order of classnames.txt.

        Raises:
            MissingFileError, BadFileError: see `text_lists.read_table`.
        """
        first = "delete it and " if os.path.lexists(self.names_file) else ""
        return read_table(self.names_file, f"{first}run {self.prepare_command}, which writes it")

    def class_folders(self, folder: str, remedy: str) -> list[str]:
        """Names of the folders in a folder, sorted; files beside them are skipped.

        Raises:
            BadFileError: there is none; `remedy` says what to do then.
        """
        found = subfolders(folder)
        if not found:
            raise BadFileError(
                f"{type(self).__name__}: no class folders in {folder}, but "
                f"{len(visible(folder)):,} files; {remedy}"
            )
        return found

    def classes_to_read(self, lines: Sequence[str], found: Sequence[str], folder: str) -> list[str]:
        """The class folders to read, in the order of their labels.

        Args:
            lines: those that classnames.txt tells of, in that order.
            found: those that are there.
            folder: where that is.

        Raises:
            BadFileError: a folder has no line; or a line has no folder, without DATASET.PARTIAL.
        """
        there = set(found)
        present = [name for name in lines if name in there]
        missing = [name for name in lines if name not in there]
        if len(present) < len(found) or (missing and not (self.reads_part and present)):
            write = f"delete this one and run {self.prepare_command}"
            remedy = f"move folders that are no classes away; for the published file {write}"
            if len(present) == len(found):
                remedy = (
                    f"unpack the images of each class there: {self.images_url}; or, for the "
                    f"published classnames.txt, {write}; or read the classes that are there: "
                    f"{PARTIAL}"
                )
            raise BadFileError(
                f"{self.names_file} has {len(lines)} lines for {len(found)} class folders in "
                f"{folder}; {difference('the folders', found, 'the lines', lines)}; {remedy}"
            )
        if missing:
            self.mark_partial(present, missing)
            line = f"{len(present)} classes of {len(lines)} are read, and accuracy is among them"
            line += f"; {folder} lacks {len(missing)}: {first_few(missing)}"
            logger.info("Notice: %s: DATASET.PARTIAL: %s", type(self).__name__, line)
        return present

    def mark_partial(self, present: Sequence[str], missing: Sequence[str]) -> None:
        """Let `partial` say which class folders are there and how many are not."""
        ids = "".join(f"{self.wnid_of(name)}\n" for name in present)
        digest = hashlib.sha256(ids.encode()).hexdigest()
        self.partial = {"present": len(present), "missing": len(missing), "present_sha256": digest}

    def warn_of_names(self, names: Mapping[str, str]) -> None:
        """Warn where a name is not the published one of its wnid; other ids have none."""
        words = renamed(names)
        if words:
            line = f"{self.names_file}: prompts are not the published ones: {words}; for the "
            line += f"published file delete this one and run {self.prepare_command}"
            logger.warning("Warning: %s", line)

    def list_images(self, below: str, folders: Sequence[str], names: Sequence[str]) -> list[Item]:
        """All images of class folders, which count the labels; images of a class by file name.

        Args:
            below: the part of the images folder that holds them; "" for the images folder itself.
            folders: C class folders.
            names: C classnames.

        Raises:
            BadFileError: a folder is empty or cannot be listed.
        """
        items: list[Item] = []
        for label, (folder, name) in enumerate(zip(folders, names, strict=True)):
            path = os.path.join(self.image_dir, below, folder)
            files = visible(path)
            if not files:
                raise BadFileError(
                    f"{type(self).__name__}: no image in {path}; unpack its images there"
                )
            start = f"{below}/{folder}" if below else folder
            items += [Item(f"{start}/{file}", label, name) for file in files]
        return items


class ImageNetVariant(WnidFolders):
    """A test set of ImageNet's classes or of some of them. No image is for training: train and test
    are the same list and nothing is drawn from it, whatever DATASET.NUM_SHOTS says; no val.

    Base and new classes are the halves of the set's own classes. (Among the published readers,
    DePT's cut them so; CoOp's ignore DATASET.SUBSAMPLE_CLASSES here.)

    Class attributes of a variant:
        complete: whether the set has every class of classnames.txt.

    `all_class_ids` are the wnids of all of ImageNet, in ImageNet's label order: a head without
    class list, of a published checkpoint, has its rows so.
    """

    complete = False
    drawn_splits = ()
    listed_by = "the sorted listing"

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.all_class_ids = sorted(self.read_names())

    def read_lists(self) -> Lists:
        """All images, as train and as test.

        Raises:
            MissingFileError: classnames.txt is missing.
            BadFileError: there are no class folders; or one has no line in classnames.txt or no
                image, or is none of the set's.
        """
        names = self.read_names()
        found = self.class_folders(self.image_dir, f"unpack the archive again: {self.images_url}")
        lines = names if self.complete else set(found).intersection(names)
        wnids = self.classes_to_read(sorted(lines), found, self.image_dir)
        if not self.complete:
            self._check_wnids(wnids)
        self.warn_of_names(names)
        items = self.list_images("", wnids, [names[wnid] for wnid in wnids])
        return {"train": items, "val": [], "test": items}

    def _check_wnids(self, wnids: Sequence[str]) -> None:
        """Check that no class folder is foreign to a set of some classes; warn where some lack.

        Accuracy is among the folders: with all 1000 of ImageNet it would be that of a harder test.

        Raises:
            BadFileError: counts the foreign ones and names the first.
        """
        name = type(self).__name__
        known = published.wnids(name) or []
        foreign = sorted(set(wnids) - set(known))
        missing = sorted(set(known) - set(wnids))
        if foreign:
            raise BadFileError(
                f"{name}: {len(foreign):,} of the {counted(len(wnids), 'class folder')} in "
                f"{self.image_dir} are none of the set's {len(known)} classes: "
                f"{first_few(foreign)}; remove them, or unpack the archive again: {self.images_url}"
            )
        if missing:
            self.mark_partial(wnids, missing)
            line = f"accuracy is among {len(wnids)} of {len(known)} classes, so it is not "
            line += f"comparable: {self.image_dir} has no folder of {first_few(missing)}"
            logger.warning("Warning: %s: %s", name, line)


def published_names() -> dict[str, str]:
    """Wnid -> name of ImageNet's classes, in label order."""
    wnids, names = published.wnids("ImageNet") or [], published.classnames("ImageNet") or []
    return dict(zip(wnids, names, strict=True))


def renamed(names: Mapping[str, str]) -> str:
    """The words on wnids whose name is not the published one; "" without any."""
    known = published_names()
    other = [wnid for wnid, name in names.items() if known.get(wnid, name) != name]
    if not other:
        return ""
    wnid = other[0]
    line = f"{counted(len(other), 'name')} not as published, as {wnid}, which is "
    return line + f"{names[wnid]!r} and not {known[wnid]!r}"


def difference(first: str, ones: Iterable[str], second: str, others: Iterable[str]) -> str:
    """What two sets do not share, in words: "only in train: n01440764"."""
    parts = []
    for name, alone in ((first, set(ones) - set(others)), (second, set(others) - set(ones))):
        if alone:
            parts.append(f"only in {name}: {first_few(sorted(alone))}")
    return ", ".join(parts)
