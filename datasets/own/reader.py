"""What the readers of a person's own pictures share: where they lie, how they are cut, what is
checked.
"""

import logging
import os
import posixpath
import random
from collections.abc import Sequence
from typing import Any, ClassVar

from dassl.utils.errors import BadFileError, MissingFileError
from datasets.parts.folders import below_root, is_folder
from datasets.parts.items import Item, by_label
from datasets.parts.new_splits import cut_classes
from datasets.parts.reader import ListedDataset, Lists, TaskPlace
from datasets.parts.wording import first_few

logger = logging.getLogger(__name__)

CUT_SEED = 1
_MIN_CUT = 4  # the smallest class that leaves images for train, val and test


class OwnDataset(ListedDataset):
    """Pictures in DATASET.ROOT, or in the folder DATASET.FOLDER below it. A validation part is
    optional.

    A reader gives `read_parts`.

    Raises:
        BadFileError: DATASET.SUBSAMPLE_CLASSES leaves no test image.

    Class attributes of a reader:
        list_file: name of a file in the folder that lists the images, where it is there.

    Attributes:
        split_note: how the images were cut where nothing says it, or what the split file says of
            who made it; "" else.
    """

    dataset_dir = ""
    images = "."
    list_file: ClassVar[str]
    split_note: str = ""

    @property
    def source(self) -> str:
        """The file that lists the images, or else the folder."""
        path = os.path.join(self.dataset_dir, self.list_file)
        return path if os.path.isfile(path) else self.dataset_dir

    def __init__(self, cfg: Any, *, as_task: TaskPlace | None = None) -> None:
        super().__init__(cfg, as_task=as_task)
        if not self.test:  # of these classes; `read_lists` has seen some
            raise BadFileError(
                f"{self.source}: no test image of the {cfg.DATASET.SUBSAMPLE_CLASSES} classes: "
                f"{first_few(self.classnames)}; give each class images in test"
            )
        if not self.val and cfg.TEST.FINAL_MODEL == "best_val":
            logger.warning(
                "Warning: %s: no validation images, so TEST.FINAL_MODEL best_val chooses the epoch "
                "by the test images; add a val part, or use last_step",
                type(self).__name__,
            )

    @classmethod
    def folder(cls, cfg: Any) -> str:
        """DATASET.FOLDER.

        Raises:
            BadValueError: it leaves the root.
        """
        return below_root(cfg.DATASET.get("FOLDER", ""))

    def read_parts(self) -> Lists:
        """All images by part; val may be empty, and test where val serves as test."""
        raise NotImplementedError

    def read_lists(self) -> Lists:
        """The parts, checked; validation images serve as test images where there are no others."""
        lists = self.read_parts()
        check_listed_once(lists, self.source)
        if not lists["train"] or not (lists["val"] or lists["test"]):
            missing = "test" if lists["train"] else "training"
            raise BadFileError(
                f"{self.source}: no {missing} images; give each class images in train and in test"
            )
        if not lists["test"]:
            lists = lists | {"test": lists["val"], "val": []}
            line = f"its {len(lists['test'])} validation images serve as test images"
            logger.info("Notice: %s has no test part: %s", self.source, line)
        self._warn_of_missing_classes(lists)
        return lists

    def cut(self, items: Sequence[Item], pin: str) -> Lists:
        """50 % train, 20 % val and 30 % test of each class; `pin` says what fixes the cut."""
        lists = cut_own(items, self.source)
        counts = " / ".join(str(len(part)) for part in lists.values())
        self.split_note = f"cut of {len(items)} images, seed {CUT_SEED}"
        line = f"cut with seed {CUT_SEED} into train / val / test of {counts} images; {pin}"
        logger.info("%s: %s is not split: %s", type(self).__name__, self.source, line)
        return lists

    def check_folders(self, root: str) -> None:
        check_folder(self.dataset_dir, type(self).__name__, self.holds)

    def _warn_of_missing_classes(self, lists: Lists) -> None:
        names = {item.label: item.classname for item in lists["train"]}
        for part in ("val", "test"):
            absent = sorted(names.keys() - {item.label for item in lists[part]})
            if absent and lists[part]:
                line = f"no {part} image of {len(absent)} of the {len(names)} classes: "
                line += first_few([names[label] for label in absent])
                logger.warning("Warning: %s: %s", self.source, line)


def check_folder(folder: str, reader: str, holds: str) -> None:
    """Check that a folder of pictures is there.

    Raises:
        MissingFileError: it is not, or a file or a link to nothing is in its place.
        BadFileError: it cannot be opened.
    """
    remedy = f"set --root, and DATASET.FOLDER below it, to the folder that holds {holds}"
    if not is_folder(folder, reader, remedy):
        raise MissingFileError(f"{reader}: no folder {folder}; {remedy}")


def check_listed_once(lists: Lists, where: str) -> None:
    """Check that no image is listed twice, in one part or in two.

    Raises:
        BadFileError: names the first one.
    """
    seen: dict[str, str] = {}
    for part, items in lists.items():
        for item in items:
            path = posixpath.normpath(item.path)
            if path in seen:
                places = f"twice in {part}" if seen[path] == part else f"in {seen[path]} and {part}"
                raise BadFileError(f"{where}: {item.path} is listed {places}; list it once")
            seen[path] = part


def cut_own(items: Sequence[Item], where: str, seed: int = CUT_SEED) -> Lists:
    """Cut each class into 50 % train, 20 % val and 30 % test, by a generator of its own.

    Images are taken in the order of their paths, classes in the order of their labels.

    Raises:
        BadFileError: a class has too few images.
    """
    ordered = sorted(items, key=lambda item: (item.label, item.path))
    small = [group for group in by_label(ordered).values() if len(group) < _MIN_CUT]
    if small:
        listed = first_few([f"{group[0].classname} has {len(group)}" for group in small])
        raise BadFileError(
            f"{where}: too few images to cut a class into train, val and test, which takes "
            f"{_MIN_CUT}: {listed}; add some, or say yourself which are for train and test"
        )
    return cut_classes(ordered, where, shuffle=random.Random(seed).shuffle)
