"""The reader of every dataset that comes with a split file."""

import difflib
import os
from typing import Any, ClassVar

from dassl.data.datasets import DatasetBase
from dassl.utils.errors import MissingFileError
from datasets import fewshot
from datasets.splits import (
    Item,
    check_classes,
    check_images,
    load_split,
    subsample_classes,
    to_data,
)

SECOND_SOURCE = "https://github.com/linzhiqiu/cross_modal_adaptation (folder splits)"


class SplitFileDataset(DatasetBase):
    """Images in a folder, listed by a split file; few shots and half of the classes on request.

    Few shots are drawn before the classes are cut, training images with K and then validation
    images with min(K, 4), from Python's global generator (`train.py` has just seeded it): the
    published images. A published draw that lies in `split_fewshot/` is taken instead, without a
    draw. Nothing is written.

    Class attributes of a dataset:
        dataset_dir: folder below DATASET.ROOT.
        images: images folder below it.
        split_file: name of the split file in it.
        split_url: where the split file is published.
        images_url: where the images are published.
        template: hand-written prompt, with {} for the class name.

    Raises:
        MissingFileError: (a UserError) folder, split file or images are missing; says which and
            where to get them.
        UserError: a class without training images, a malformed split file or few-shot cache.
    """

    images: ClassVar[str]
    split_file: ClassVar[str]
    split_url: ClassVar[str] = ""
    images_url: ClassVar[str] = ""
    template: ClassVar[str] = "a photo of a {}."

    def __init__(self, cfg: Any) -> None:
        root = self.find_root(cfg)
        folder = self.dataset_dir
        self.dataset_dir = os.path.join(root, folder)
        self.image_dir = os.path.join(self.dataset_dir, self.images)
        self.split_path = os.path.join(self.dataset_dir, self.split_file)
        self._check_folders(root, folder)
        lists = load_split(self.split_path)
        check_classes(lists, self.split_path)
        train, val, test = lists["train"], lists["val"], lists["test"]
        shots = cfg.DATASET.NUM_SHOTS
        if shots >= 1:
            train, val = self._few_shots(lists, shots, cfg.SEED, f"{folder}/{self.images}")
        subset = cfg.DATASET.get("SUBSAMPLE_CLASSES", "all")  # a key that trainers add
        train, val, test = subsample_classes(train, val, test, subsample=subset)
        if shots >= 1:
            fewshot.warn_of_small_classes(train, shots, type(self).__name__)
        check_images([*train, *val, *test], self.image_dir, type(self).__name__)
        super().__init__(
            train_x=to_data(train, self.image_dir),
            val=to_data(val, self.image_dir),
            test=to_data(test, self.image_dir),
        )

    @staticmethod
    def find_root(cfg: Any) -> str:
        """The folder that holds the dataset folders, absolute."""
        return os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT))

    def _check_folders(self, root: str, folder: str) -> None:
        name = type(self).__name__
        if not os.path.isdir(self.dataset_dir):
            near = difflib.get_close_matches(folder, _folders(root), n=1)
            hint = f"; {os.path.join(root, near[0])} is there: rename it" if near else ""
            raise MissingFileError(
                f"{name}: no folder {self.dataset_dir}{hint}; set --root to the folder that holds "
                f"{folder}/, images: {self.images_url}"
            )
        if not os.path.isdir(self.image_dir):
            raise MissingFileError(
                f"{name}: no images folder {self.image_dir}; unpack the images there: "
                f"{self.images_url}"
            )
        if not os.path.isfile(self.split_path):
            raise MissingFileError(
                f"{name}: no split file {self.split_path}; get it from {self.split_url} or "
                f"{SECOND_SOURCE}"
            )

    def _few_shots(
        self, lists: dict[str, list[Item]], shots: int, seed: int, images: str
    ) -> tuple[list[Item], list[Item]]:
        """Training and validation items of a published draw, if there is one, else of a new one."""
        path = fewshot.cache_path(self.dataset_dir, shots, seed)
        if os.path.exists(path):
            cached = fewshot.read_cache(path, images)
            fewshot.warn_if_not_drawn(cached, lists, shots, seed, path)
            return cached
        train = self.generate_fewshot_dataset(lists["train"], num_shots=shots)
        val = self.generate_fewshot_dataset(lists["val"], num_shots=fewshot.val_shots(shots))
        return train, val


def _folders(root: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root)) if os.path.isdir(root) else []
