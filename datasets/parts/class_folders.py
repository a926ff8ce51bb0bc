"""Datasets of SoftCPT's repository that are class folders, and whose split nobody publishes."""

import random
from pathlib import Path
from typing import ClassVar

from dassl.utils.errors import BadFileError
from datasets.parts.items import SPLITS
from datasets.parts.multitask import TaskInfo
from datasets.parts.new_splits import cut_classes, list_folders, made_by, new_split_file
from datasets.parts.softcpt_splits import TaskItem, write_task_split
from datasets.parts.split_file_reader import SplitFileDataset


class ClassFolders(SplitFileDataset):
    """Images in class folders; the split file is SoftCPT's, or one that `make_split` wrote.

    Class attributes of a dataset, besides those of `SplitFileDataset`:
        parts: folders below the images folder that hold class folders, all the same ones; each is
            cut by itself.
    """

    parts: ClassVar[tuple[str, ...]] = ("",)

    @property
    def remedy(self) -> str:
        """The command that makes a split file."""
        return make_it(self.prepare_command)

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
        file = new_split_file(folder, cls.task_split_name())
        images = folder / cls.images
        shuffle = random.Random(seed).shuffle
        cuts = [
            cut_classes(
                list_folders(str(images), (), cls.renamed, part), cls.__name__, shuffle=shuffle
            )
            for part in cls.parts
        ]
        classes = [{item.label: item.classname for item in cut["train"]} for cut in cuts]
        if any(names != classes[0] for names in classes):
            raise BadFileError(
                f"{cls.__name__}: the folders {', '.join(cls.parts)} of {images} do not have the "
                "same class folders; unpack the images again"
            )
        lists = {
            split: [TaskItem(item.path, item.label, 0) for cut in cuts for item in cut[split]]
            for split in SPLITS
        }
        task = TaskInfo(
            name=cls.task_name,
            classnames=list(classes[0].values()),
            description=cls.task_description or cls.task_name,
            metric=cls.task_metric,
            template=cls.template,
            dataset=cls.__name__,
        )
        write_task_split(str(file), lists, [task], made_by(cls.__name__, seed))
        return file


def make_it(command: str) -> str:
    """What to do without the split file of a dataset of which none is published."""
    return f"none is published: make one by {command} --make-split"
