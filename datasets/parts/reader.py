"""What readers of public datasets share, whatever lists their images: few shots, half of the
classes, checks.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from dassl.data.datasets import DatasetBase, Datum
from datasets import published
from datasets.parts.classes import check_classes, check_labels, read_alike, subsample_classes
from datasets.parts.fewshot.choice import FewShots, TaskPlace
from datasets.parts.fewshot.draw import warn_of_small_classes
from datasets.parts.folders import check_dataset_folder, check_images_folder, images_remedy
from datasets.parts.items import SPLITS, Item, Lists, check_images
from datasets.parts.wording import prepare_command

logger = logging.getLogger(__name__)


class ListedDatum(Datum):
    """A Datum of a file that is known to be there: the disk is not asked again."""

    def __init__(self, impath: str, label: int, classname: str) -> None:
        self._impath = impath
        self._label = label
        self._domain = 0
        self._classname = classname


class ListedDataset(DatasetBase):
    """Images in a folder and lists of them; few shots and half of the classes on request.

    A reader gives `read_lists` and `source`. Few shots are drawn before the classes are cut,
    training images with K and then validation images with min(K, 4), from Python's global
    generator (`train.py` has just seeded it): the published images. A published draw that lies in
    `split_fewshot/` (of a task: `split_fewshot_mt/`) is taken instead, without a draw; else one of
    ours (see `fewshot`). That is written where `keeps_draws` or DATASET.SAVE_FEWSHOT says so and
    SEED is not negative: beside the published ones, or, if that folder cannot be written, in
    `<OUTPUT_DIR>/split_fewshot/`, where the same run finds it first when it resumes. A task has
    those of its single-task runs, so none where it is read from SoftCPT's split file.

    Args:
        cfg: the whole tree.
        as_task: set where the dataset is read as a task; SoftCPT has files of its own for that.

    Class attributes of a dataset:
        dataset_dir: folder below DATASET.ROOT.
        images: images folder below it; "." for the dataset's folder itself.
        image_folders: folders below the images folder that have to be there.
        images_url: where the images are published.
        template: hand-written prompt, with {} for the class name.
        task_name: what is told apart, in words, where the dataset is one task of several.
        task_description: a sentence on that, which nothing in training reads; "" for none.
        task_metric: how the task is judged there (SoftCPT's choice): overall_acc or mean_acc.
        drawn_splits: lists that few shots are drawn from, in this order; others stay whole. None:
            a test set, which DATASET.NUM_SHOTS does not concern.
        keeps_draws: whether draws are written without being asked for.
        listed_by: in words, what fixes the order of the lists.
        holds: in words, what of the folder lists the images; "" for a split file.
        has_partial_folders: whether DATASET.PARTIAL concerns it.

    Attributes:
        split_file: the file that lists the images, absolute; None where folders or several files
            do. (On the class of a dataset with a split file: its name.)
        partial: what is known of a folder that lacks classes, for a run's provenance: numbers of
            classes `present` and `missing`, and `present_sha256`, of the ids of those present, one
            a line; None of a whole one.

    Raises:
        MissingFileError: (a UserError) a folder, a list or images are missing; says which and
            where to get them.
        UserError: a folder that cannot be opened, a class without training images, a malformed list
            or few-shot cache.
    """

    images: ClassVar[str]
    image_folders: ClassVar[tuple[str, ...]] = ()
    images_url: ClassVar[str] = ""
    template: ClassVar[str] = "a photo of a {}."
    task_name: str = "generic object recognition"
    task_description: str = ""
    task_metric: ClassVar[str] = "overall_acc"
    drawn_splits: ClassVar[tuple[str, ...]] = ("train", "val")
    keeps_draws: ClassVar[bool] = False
    listed_by: ClassVar[str]
    holds: ClassVar[str] = ""
    has_partial_folders: ClassVar[bool] = False
    partial: dict[str, Any] | None = None

    def __init__(self, cfg: Any, *, as_task: TaskPlace | None = None) -> None:
        root = self.find_root(cfg)
        self.place(root, self.folder(cfg), as_task)
        self.check_folders(root)
        if cfg.DATASET.get("PARTIAL", False) and not self.has_partial_folders:  # a key of trainers
            logger.info("Notice: %s: DATASET.PARTIAL does not concern it", type(self).__name__)
        lists = self.read_lists()
        self.check_lists(lists)
        shots = cfg.DATASET.NUM_SHOTS if self.drawn_splits else -1
        if shots >= 1:
            lists = lists | FewShots(self, lists, shots, cfg).read()
        subset = cfg.DATASET.get("SUBSAMPLE_CLASSES", "all")  # a key that trainers add
        train, val, test = subsample_classes(*(lists[s] for s in SPLITS), subsample=subset)
        if shots >= 1:
            warn_of_small_classes(train, shots, type(self).__name__)
        self.check_images([*train, *val, *test])
        self.split_file = Path(self.source) if os.path.isfile(self.source) else None
        super().__init__(
            train_x=self._to_data(train), val=self._to_data(val), test=self._to_data(test)
        )

    def place(self, root: str, folder: str, as_task: TaskPlace | None) -> None:
        """Say where the dataset lies, its folder below the root; no file is looked at."""
        self.as_task = as_task
        self.dataset_dir = os.path.normpath(os.path.join(root, folder))
        self.image_dir = os.path.normpath(os.path.join(self.dataset_dir, self.images))

    @classmethod
    def at(cls, root: str, as_task: TaskPlace | None = None, *, folder: str = "") -> Self:
        """The reader at its folder, which has read nothing yet: `read_lists` and `source` can be
        asked one by one, where building it would stop at the first fault.

        Args:
            root: folder of the datasets.
            as_task: see the class.
            folder: the dataset's below the root, of a reader that fixes none.
        """
        found = object.__new__(cls)
        found.place(root, folder or cls.dataset_dir, as_task)
        return found

    def read_lists(self) -> Lists:
        """All images by "train", "val" and "test", in the order that few shots are drawn from."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """The file or folder that lists the images, for messages."""
        raise NotImplementedError

    @classmethod
    def folder(cls, cfg: Any) -> str:
        """The dataset's folder below the root."""
        return cls.dataset_dir

    @staticmethod
    def find_root(cfg: Any) -> str:
        """The folder that holds the dataset folders, absolute."""
        return os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT))

    def check_lists(self, lists: Lists) -> None:
        """Check classes and labels; warn of what makes numbers doubtful.

        Raises:
            UserError: see `check_classes` and `check_labels`.
        """
        check_classes(lists, self.source)
        check_labels(lists, self.source)
        self.warn_of_names_alike(lists, published.classnames(type(self).__name__))

    def warn_of_names_alike(self, lists: Lists, published_names: Iterable[str] | None) -> None:
        """Warn of classes whose names read alike; see `read_alike`."""
        names = {item.label: item.classname for item in lists["train"]}
        line = read_alike(names, self.source, published_names)
        if line:
            logger.warning("Warning: %s", line)

    def check_images(self, items: Iterable[Item]) -> None:
        """Check that the files of all images in use are there."""
        reader = type(self)
        check_images(items, self.image_dir, reader.__name__, images_remedy(reader))

    @property
    def prepare_command(self) -> str:
        """The command that makes the dataset's folder complete."""
        root = self.dataset_dir.removesuffix(type(self).dataset_dir).rstrip(os.sep) or os.sep
        return prepare_command(type(self).__name__, root)

    def has_single_task_caches(self) -> bool:
        """Whether draws in `split_fewshot/` are of the lists that are read."""
        return True

    def check_folders(self, root: str) -> None:
        """Check that the dataset's folder is there, and those of the images.

        Raises:
            MissingFileError, BadFileError: see `check_dataset_folder`.
        """
        reader = type(self)
        check_dataset_folder(self.dataset_dir, reader, root)
        for below in ("", *self.image_folders):
            path = os.path.normpath(os.path.join(self.image_dir, below))
            check_images_folder(path, reader, self.dataset_dir)

    def _to_data(self, items: Iterable[Item]) -> list[Datum]:
        start = os.path.join(self.image_dir, "")
        return [ListedDatum(start + item.path, item.label, item.classname) for item in items]
