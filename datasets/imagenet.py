"""ImageNet (ILSVRC2012): 1000 classes, a folder of images each."""

import os
from collections.abc import Iterable
from typing import Any

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.listed_dataset import ListedDataset, Lists
from datasets.splits import Item, check_images
from datasets.text_lists import read_table

NAMES_URL = "https://drive.google.com/file/d/1-61f_ol79pViBFDG_IDlUQSwoLcn2XXF/view?usp=sharing"
SORTER = "https://github.com/pytorch/examples/blob/main/imagenet/extract_ILSVRC.sh"
_SHOWN = 3  # folders named in an error


@DATASET_REGISTRY.register()
class ImageNet(ListedDataset):
    """`imagenet/images/{train,val}/<wnid>/` and classnames.txt; 1,281,167 training images, the
    50,000 official validation images serve as val and as test.

    The label is the place of the folder among the sorted folders; the name is that of the line
    `<wnid> <name>` in classnames.txt. `class_ids` are the wnids in label order. Val is never drawn
    from.

    The few shots are drawn from *sorted* listings. Published readers took the file system's order,
    so their draws differ between machines and no published list exists; a few-shot cache of theirs
    is honoured. Their preprocessed.pkl is not read: the folders are listed anew, and no image is
    looked up beyond that.
    """

    dataset_dir = "imagenet"
    images = "images"
    image_folders = ("train", "val")
    images_url = f"https://image-net.org (ILSVRC2012, needs a login), unpacked as by {SORTER}"
    template = "a photo of a {}."
    drawn_splits = ("train",)
    listed_by = "the sorted listing"

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        wnids: dict[int, str] = {}
        for item in self.train_x:
            if item.label not in wnids:
                wnids[item.label] = os.path.basename(os.path.dirname(item.impath))
        self.class_ids = [wnids[label] for label in sorted(wnids)]

    @property
    def source(self) -> str:
        """The folder of train and val."""
        return self.image_dir

    def read_lists(self) -> Lists:
        """All images, classes by wnid, images of a class by file name.

        Raises:
            MissingFileError: classnames.txt is missing.
            BadFileError: images lie outside of class folders; train, val and classnames.txt differ
                in their classes; a class has no image; a folder cannot be listed.
        """
        names = read_table(
            os.path.join(self.dataset_dir, "classnames.txt"), f"get it from {NAMES_URL}"
        )
        wnids = self._wnids(names)
        train, test = (self._list_images(split, wnids, names) for split in self.image_folders)
        return {"train": train, "val": test, "test": test}

    def check_images(self, items: Iterable[Item]) -> None:
        """Nothing: the listing has just shown the images."""

    def read_cache(self, path: str, lists: Lists) -> Lists:
        """See `ListedDataset`; a cached image need not be in the listing, so it is looked up."""
        cached = super().read_cache(path, lists)
        check_images(cached["train"], self.image_dir, path)
        return cached

    def _wnids(self, names: dict[str, str]) -> list[str]:
        """The class folders, sorted, which train, val and classnames.txt have to agree on."""
        train, val = (
            _class_folders(os.path.join(self.image_dir, split)) for split in self.image_folders
        )
        if train != val:
            raise BadFileError(
                f"ImageNet: {self.image_dir} has {len(train)} class folders in train and "
                f"{len(val)} in val; {_difference('train', train, 'val', val)}; labels are places "
                "among them: unpack both again"
            )
        if set(train) != set(names):
            difference = _difference("the folders", train, "the lines", names)
            raise BadFileError(
                f"{os.path.join(self.dataset_dir, 'classnames.txt')} has {len(names)} lines for "
                f"{len(train)} class folders in {self.image_dir}/train; {difference}; "
                f"each folder needs its line: get the file from {NAMES_URL}"
            )
        return train

    def _list_images(self, split: str, wnids: list[str], names: dict[str, str]) -> list[Item]:
        items: list[Item] = []
        for label, wnid in enumerate(wnids):
            folder = os.path.join(self.image_dir, split, wnid)
            files = _visible(folder)
            if not files:
                raise BadFileError(f"ImageNet: no image in {folder}; unpack its images there")
            items += [Item(f"{split}/{wnid}/{file}", label, names[wnid]) for file in files]
        return items


def _visible(folder: str) -> list[str]:
    """What is in a folder, sorted; hidden entries are skipped."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise BadFileError(
            f"ImageNet: cannot list {folder} ({error.strerror}); make it readable"
        ) from error


def _class_folders(folder: str) -> list[str]:
    """Names of the folders in a folder, sorted; files beside them are skipped."""
    names = _visible(folder)
    wnids = [name for name in names if os.path.isdir(os.path.join(folder, name))]
    if not wnids:
        raise BadFileError(
            f"ImageNet: no class folders in {folder}, but {len(names):,} files; sort them into a "
            f"folder for each wnid, as {SORTER} does"
        )
    return wnids


def _difference(first: str, ones: Iterable[str], second: str, others: Iterable[str]) -> str:
    """What two sets do not share, in words: "only in train: n01440764"."""
    parts = []
    for name, alone in ((first, set(ones) - set(others)), (second, set(others) - set(ones))):
        if alone:
            more = ", ..." if len(alone) > _SHOWN else ""
            parts.append(f"only in {name}: {', '.join(sorted(alone)[:_SHOWN])}{more}")
    return ", ".join(parts)
