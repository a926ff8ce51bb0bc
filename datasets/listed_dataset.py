"""What readers of public datasets share, whatever lists their images: few shots, half of the
classes, checks.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from dassl.data.datasets import DatasetBase, Datum
from datasets import fewshot, published
from datasets.cache_fit import check_fit
from datasets.classes import check_classes, check_labels, read_alike, subsample_classes
from datasets.folders import check_dataset_folder, check_images_folder, images_remedy
from datasets.kept_draws import FewShots
from datasets.splits import SPLITS, Item, check_images

logger = logging.getLogger(__name__)

Lists = dict[str, list[Item]]  # items by "train", "val", "test"


@dataclass(frozen=True)
class TaskPlace:
    """Where a dataset stands in a multi-task one.

    Attributes:
        task: its number there.
        folder: the multi-task dataset's own folder, which may hold few-shot caches of all tasks; ""
            if it has none.
    """

    task: int
    folder: str = ""


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
    ours (see `json_caches`), which is written where `keeps_draws` or DATASET.SAVE_FEWSHOT says so
    and SEED is not negative: beside the published ones, or, if that folder cannot be written, in
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

    def __init__(self, cfg: Any, *, as_task: TaskPlace | None = None) -> None:
        root = self.find_root(cfg)
        self.place(root, self.folder(cfg), as_task)
        self.check_folders(root)
        lists = self.read_lists()
        self.check_lists(lists)
        shots = cfg.DATASET.NUM_SHOTS if self.drawn_splits else -1
        if shots >= 1:
            lists = lists | FewShots(self, lists, shots, cfg).read()
        subset = cfg.DATASET.get("SUBSAMPLE_CLASSES", "all")  # a key that trainers add
        train, val, test = subsample_classes(*(lists[s] for s in SPLITS), subsample=subset)
        if shots >= 1:
            fewshot.warn_of_small_classes(train, shots, type(self).__name__)
        self.check_images([*train, *val, *test])
        super().__init__(
            train_x=self._to_data(train), val=self._to_data(val), test=self._to_data(test)
        )

    def place(self, root: str, folder: str, as_task: TaskPlace | None) -> None:
        """Say where the dataset lies, its folder below the root; no file is looked at."""
        self.as_task = as_task
        self.dataset_dir = os.path.normpath(os.path.join(root, folder))
        self.image_dir = os.path.normpath(os.path.join(self.dataset_dir, self.images))

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

    def read_cache(self, path: str, lists: Lists) -> Lists:
        """The drawn lists of a published few-shot cache, checked against the lists of now."""
        cached = fewshot.read_cache(path, self._images_in_caches(), self.drawn_splits)
        check_fit(cached, lists, self.image_dir, path)
        return cached

    def read_task_cache(self, path: str, lists: Lists, task: int) -> Lists:
        """The same from a cache that tells tasks apart; `task` is the dataset's number in it."""
        names = {item.label: item.classname for item in lists["train"]}
        images = self._images_in_caches()
        cached = fewshot.read_task_cache(path, images, self.drawn_splits, names, task)
        check_fit(cached, lists, self.image_dir, path)
        return cached

    def has_single_task_caches(self) -> bool:
        """Whether draws in `split_fewshot/` are of the lists that are read."""
        return True

    def _images_in_caches(self) -> str:
        return fewshot.images_in_caches(self.dataset_dir, self.images)

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
