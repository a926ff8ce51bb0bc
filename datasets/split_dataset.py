"""The reader of every dataset that comes with a split file."""

import os
from typing import ClassVar

from dassl.utils.errors import MissingFileError
from datasets.listed_dataset import ListedDataset, Lists
from datasets.splits import load_split

SECOND_SOURCE = "https://github.com/linzhiqiu/cross_modal_adaptation (folder splits)"


class SplitFileDataset(ListedDataset):
    """Images in a folder, listed by a split file; see `ListedDataset` for what it does with them.

    Class attributes of a dataset, besides those of `ListedDataset`:
        split_file: name of the split file in the dataset's folder.
        split_url: where the split file is published.

    Raises:
        MissingFileError: (a UserError) folder, split file or images are missing; says which and
            where to get them.
        UserError: a class without training images, a malformed split file or few-shot cache.
    """

    split_file: ClassVar[str]
    split_url: ClassVar[str] = ""
    listed_by = "the split file"

    @property
    def source(self) -> str:
        """The split file."""
        return os.path.join(self.dataset_dir, self.split_file)

    def read_lists(self) -> Lists:
        """The lists of the split file, in its order."""
        if not os.path.isfile(self.source):
            raise MissingFileError(
                f"{type(self).__name__}: no split file {self.source}; get it from "
                f"{self.split_url} or {SECOND_SOURCE}"
            )
        return load_split(self.source)
