"""ImageNet (ILSVRC2012): 1000 classes, a folder of images each."""

import os

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.parts.imagenet_folders import PARTIAL, WnidFolders, difference
from datasets.parts.reader import Lists

SORTER = "https://github.com/pytorch/examples/blob/main/imagenet/extract_ILSVRC.sh"


@DATASET_REGISTRY.register()
class ImageNet(WnidFolders):
    """`imagenet/images/{train,val}/<wnid>/` and classnames.txt; 1,281,167 training images, the
    50,000 official validation images serve as val and as test. Val is never drawn from.

    The few shots are drawn from *sorted* listings. Published readers took the file system's order,
    so their draws differ between machines and no published list exists; a few-shot cache of theirs
    is honoured. Ours is written, since the draw depends on what is listed. Their preprocessed.pkl
    is not read: the folders are listed anew, and no image is looked up beyond that.
    """

    dataset_dir = "imagenet"
    images = "images"
    image_folders = ("train", "val")
    images_url = f"https://image-net.org (ILSVRC2012, needs a login), unpacked as by {SORTER}"
    drawn_splits = ("train",)
    keeps_draws = True
    listed_by = "the sorted listing"

    def read_lists(self) -> Lists:
        """All images, classes by wnid, images of a class by file name.

        Raises:
            MissingFileError: classnames.txt is missing.
            BadFileError: images lie outside of class folders; train, val and classnames.txt differ
                in their classes; a class has no image; a folder cannot be listed.
        """
        names = self.read_names()
        folder = os.path.join(self.image_dir, "train")
        wnids = self.classes_to_read(sorted(names), self._wnids(), folder)
        self.warn_of_names(names)
        train, test = (
            self.list_images(split, wnids, [names[wnid] for wnid in wnids])
            for split in self.image_folders
        )
        return {"train": train, "val": test, "test": test}

    def _wnids(self) -> list[str]:
        """The class folders, sorted, which train and val have to agree on; with DATASET.PARTIAL
        those that both have.
        """
        remedies = {
            "train": f"sort them into a folder for each wnid, as {SORTER} does",
            "val": f"run {self.prepare_command}, which sorts them into a folder for each wnid",
        }
        train, val = (
            self.class_folders(os.path.join(self.image_dir, split), remedies[split])
            for split in self.image_folders
        )
        common = [wnid for wnid in train if wnid in set(val)]
        if self.reads_part and common:
            return common
        if train != val:
            raise BadFileError(
                f"ImageNet: {self.image_dir} has {len(train)} class folders in train and "
                f"{len(val)} in val; {difference('train', train, 'val', val)}; labels are places "
                "among them: move what is no class away, unpack both again, or read those that "
                f"both have: {PARTIAL}"
            )
        return train
