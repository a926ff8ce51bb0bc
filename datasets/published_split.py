"""The reader of every dataset that CoOp publishes a split file of."""

from pathlib import Path
from typing import ClassVar

from datasets.split_dataset import SplitFileDataset
from datasets.split_making import (
    Official,
    check_lists,
    list_folders,
    made_by,
    make_lists,
    new_split_file,
)
from datasets.splits import write_split
from datasets.wording import prepare_command

SECOND_SOURCE = "https://github.com/linzhiqiu/cross_modal_adaptation (folder splits)"


class PublishedSplit(SplitFileDataset):
    """A dataset with a published split file; one of our own is made on request alone.

    Class attributes of a dataset, besides those of `SplitFileDataset`:
        split_url: where the split file is published.
        ignored: class folders that are no classes.
    """

    split_url: ClassVar[str]
    ignored: ClassVar[tuple[str, ...]] = ()

    @property
    def remedy(self) -> str:
        """Where the split file is published, and what makes another one."""
        command = prepare_command(type(self).__name__, self.root)
        return (
            f"get it from {self.split_url} or {SECOND_SOURCE}, or by {command} (with --make-split "
            "that makes one of your own, whose numbers are not comparable)"
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

        Images are shuffled by a generator with `seed`; see `datasets.split_making` for the rule.

        Raises:
            UserError: a list, folder or image is missing, a class has too few images, or there is
                a split file. Nothing is written then.
        """
        folder = root / cls.dataset_dir
        file = new_split_file(folder, cls.split_file)
        lists = make_lists(cls.official_lists(folder), cls.__name__, seed)
        check_lists(lists, folder, folder / cls.images, cls.__name__)
        write_split(lists, str(file), made_by(cls.__name__, seed))
        return file
