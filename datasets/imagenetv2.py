"""ImageNetV2: ten new test images for each of ImageNet's 1000 classes."""

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.parts.imagenet_folders import ImageNetVariant
from datasets.parts.reader import Lists


@DATASET_REGISTRY.register()
class ImageNetV2(ImageNetVariant):
    """`imagenetv2/imagenetv2-matched-frequency-format-val/{0..999}/`; 10,000 images.

    Folder i is the class of the i-th line of classnames.txt (from 0), as a number: sorted as text,
    "10" would come before "2" and the labels would be wrong.
    """

    dataset_dir = "imagenetv2"
    images = "imagenetv2-matched-frequency-format-val"
    images_url = "https://github.com/modestyachts/ImageNetV2 (imagenetv2-matched-frequency)"

    def read_lists(self) -> Lists:
        """See `ImageNetVariant`; the classes are the lines of classnames.txt, in their order.

        Raises:
            BadFileError: see there; or the lines are not in the order of the wnids.
        """
        names = self.read_names()
        if list(names) != sorted(names):
            raise BadFileError(
                f"{self.names_file}: the lines are not in the order of the wnids, which are those "
                f"of the folders; delete it and run {self.prepare_command}, which writes it"
            )
        self._wnids = list(names)
        folders = [str(line) for line in range(len(names))]
        found = self.class_folders(self.image_dir, f"unpack the archive again: {self.images_url}")
        kept = self.classes_to_read(folders, found, self.image_dir)
        self.warn_of_names(names)
        items = self.list_images("", kept, [names[self.wnid_of(folder)] for folder in kept])
        return {"train": items, "val": [], "test": items}

    def wnid_of(self, folder: str) -> str:
        """The wnid of a numbered folder: that of its line."""
        return self._wnids[int(folder)]
