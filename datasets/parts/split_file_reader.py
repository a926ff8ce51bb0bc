"""The reader of every dataset whose images are listed by a split file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dassl.utils.errors import MissingFileError
from datasets.parts.classes import check_classes
from datasets.parts.items import check_images
from datasets.parts.new_splits import list_folders, made_by, make_lists, new_split_file
from datasets.parts.official_lists import Official
from datasets.parts.reader import ListedDataset, Lists
from datasets.parts.softcpt_splits import load_task_split, only_task
from datasets.parts.split_files import (
    parse_split,
    read_lists_file,
    split_note,
    warn_of_own_split,
    write_split,
)


class SplitFileDataset(ListedDataset):
    """Images in a folder, listed by a split file; see `ListedDataset` for what it does with them.

    As a task of a multi-task dataset it is read from SoftCPT's split file, if that lies in the
    folder too; else from its own, so that it has the images of its single-task runs.

    Class attributes of a dataset, besides those of `ListedDataset`:
        split_file: name of the split file in the dataset's folder; "" if there is only SoftCPT's.
        split_url: where the split file is published; "" if nowhere.
        task_split_file: name of SoftCPT's split file; "" for split_dk_<class name>.json.
        renamed: class names in SoftCPT's split file, which are those of folders -> names to use.

    Attributes:
        split_note: what the split file says of who made it; "" of a published one.

    Raises:
        MissingFileError: (a UserError) folder, split file or images are missing; says which and
            where to get them.
        UserError: a class without training images, a malformed split file or few-shot cache.
    """

    split_file = ""
    split_url: ClassVar[str] = ""
    task_split_file: ClassVar[str] = ""
    renamed: ClassVar[Mapping[str, str]] = {}
    listed_by = "the split file"
    split_note: str = ""

    @classmethod
    def task_split_name(cls) -> str:
        """The name of SoftCPT's split file."""
        return cls.task_split_file or f"split_dk_{cls.__name__}.json"

    @property
    def task_source(self) -> str:
        """SoftCPT's split file, which need not be there."""
        return os.path.join(self.dataset_dir, self.task_split_name())

    @property
    def source(self) -> str:
        """The split file that is read."""
        name = type(self).split_file
        if not name or (self.as_task and os.path.lexists(self.task_source)):
            return self.task_source
        return os.path.join(self.dataset_dir, name)

    def read_lists(self) -> Lists:
        """The lists of the split file, in its order."""
        source = self.source
        if not os.path.lexists(source):
            raise MissingFileError(f"{type(self).__name__}: no split file {source}; {self.remedy}")
        if source == self.task_source:
            return self._read_task(source)
        content = read_lists_file(source)
        self.split_note = split_note(content)
        warn_of_own_split(source, self.split_note)
        return parse_split(content, source)

    def _read_task(self, source: str) -> Lists:
        split = load_task_split(source)
        lists = only_task(split, source, self.renamed)
        self.split_note = split.note
        warn_of_own_split(source, split.note)
        self.task_name = split.names[0] or self.task_name
        self.task_description = split.descriptions[0]
        return lists

    def has_single_task_caches(self) -> bool:
        """Not of SoftCPT's split file: a draw from the other one may hold its test images."""
        return self.source != self.task_source

    @property
    def remedy(self) -> str:
        """What to do without a split file."""
        return f"get it from {self.split_url}" if self.split_url else "put it there"


SECOND_SOURCE = "https://github.com/linzhiqiu/cross_modal_adaptation (folder splits)"


class PublishedSplit(SplitFileDataset):
    """A dataset with a published split file; one of our own is made on request alone.

    Class attributes of a dataset, besides those of `SplitFileDataset`:
        ignored: class folders that are no classes.
    """

    ignored: ClassVar[tuple[str, ...]] = ()

    @property
    def remedy(self) -> str:
        """Where the split file is published, and what makes another one."""
        return (
            f"get it from {self.split_url} or {SECOND_SOURCE}, or by {self.prepare_command} (with "
            "--make-split that makes one of your own, whose numbers are not comparable)"
        )

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """What the publishers list in the dataset's folder: here its class folders.

        Raises:
            UserError: a list or folder is missing or malformed.
        """
        return Official(list_folders(str(folder / cls.images), cls.ignored, cls.renamed))

    @classmethod
    def make_split(cls, root: Path, seed: int = 1) -> Path:
        """Write a split file that is not the published one, and says so, from the official lists.

        Images are shuffled by a generator with `seed`; see `new_splits` for the rule.

        Raises:
            UserError: a list, folder or image is missing, a class has too few images, or there is
                a split file. Nothing is written then.
        """
        folder = root / cls.dataset_dir
        file = new_split_file(folder, cls.split_file)
        lists = make_lists(cls.official_lists(folder), cls.__name__, seed)
        check_classes(lists, f"the official lists in {folder}")
        every = (item for items in lists.values() for item in items)
        check_images(every, str(folder / cls.images), cls.__name__)
        write_split(lists, str(file), made_by(cls.__name__, seed))
        return file
