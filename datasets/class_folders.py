"""Datasets of SoftCPT's repository that are class folders, and whose split nobody publishes."""

import os
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError, MissingFileError, UserError
from datasets.split_dataset import SplitFileDataset
from datasets.splits import SPLITS, reseeded, split_folders
from datasets.task_splits import TaskItem, write_task_split

MAKER = "python -m datasets make-split"


class ClassFolders(SplitFileDataset):
    """Images in class folders; the split file is SoftCPT's, or one that `make_split` wrote.

    Class attributes of a dataset, besides those of `SplitFileDataset`:
        parts: folders below the images folder that hold class folders, all the same ones; each is
            cut by itself.
    """

    parts: ClassVar[tuple[str, ...]] = ("",)

    @property
    def remedy(self) -> str:
        root = os.path.dirname(self.dataset_dir)
        return f"none is published: make one by {MAKER} {type(self).__name__} --root {root}"

    @classmethod
    def make_split(cls, root: Path, seed: int = 1) -> Path:
        """Cut each class folder into 50 % train, 20 % val, 30 % test, and write the split file.

        Images are taken in sorted order and shuffled by a generator with `seed` (the published code
        took the file system's order and the run's generator, so its splits cannot be made again).

        Raises:
            UserError: folders are missing or differ in their classes, a class has too few images,
                or there is a split file.
        """
        folder = root / cls.dataset_dir
        file = new_split_file(folder, cls.task_split_file or f"split_dk_{cls.__name__}.json")
        images = folder / cls.images
        with reseeded(seed):
            cuts = [cls._cut(images / part) for part in cls.parts]
        classes = [{item.label: item.classname for item in cut["train"]} for cut in cuts]
        if any(names != classes[0] for names in classes):
            raise BadFileError(
                f"{cls.__name__}: the folders {', '.join(cls.parts)} of {images} do not have the "
                "same class folders; unpack the images again"
            )
        lists = {
            split: [
                TaskItem(Path(item.impath).relative_to(images).as_posix(), item.label, 0)
                for cut in cuts
                for item in cut[split]
            ]
            for split in SPLITS
        }
        write_task_split(
            str(file),
            lists,
            [list(classes[0].values())],
            taskid2tname=[cls.task_name],
            taskid2desc=[cls.task_description or cls.task_name],
            taskid2type=["sl"],
            taskid2metric=[cls.task_metric],
            made_by=made_by(seed),
        )
        return file

    @classmethod
    def _cut(cls, folder: Path) -> dict[str, list[Datum]]:
        """The images of a folder of class folders, by split."""
        if not folder.is_dir():
            raise MissingFileError(f"{cls.__name__}: no images folder {folder}")
        return dict(
            zip(SPLITS, split_folders(str(folder), new_cnames=dict(cls.renamed)), strict=True)
        )


def new_split_file(folder: Path, name: str) -> Path:
    """The path of a split file that is to be made.

    Raises:
        UserError: there is no such folder, or the file is there already.
    """
    if not folder.is_dir():
        raise MissingFileError(f"no folder {folder}; give the folder above it by --root")
    if (folder / name).exists():
        raise UserError(f"{folder / name} is there: delete it to make another one")
    return folder / name


def made_by(seed: int) -> str:
    """What a made split file says of itself."""
    return f"{MAKER}, seed {seed}; not the split of any published number"
