"""FGVC-Aircraft: 100 variants of aeroplanes, listed by the official files."""

import os

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError, UserError
from datasets.parts.items import SPLITS, Item
from datasets.parts.reader import ListedDataset, Lists
from datasets.parts.text_lists import read_lines, read_table

LISTS = ("variants.txt", *(f"images_variant_{split}.txt" for split in SPLITS))


@DATASET_REGISTRY.register()
class FGVCAircraft(ListedDataset):
    """`fgvc_aircraft/images/`, which is the folder `data` of the archive under another name;
    3,334 / 3,333 / 3,333 images.

    Lists beside the images folder: variants.txt (label = line, from 0) and
    images_variant_{train,val,test}.txt (`1025794 707-320`: image 1025794.jpg, all after the first
    blank is the variant).
    """

    dataset_dir = "fgvc_aircraft"
    images = "images"
    images_url = (
        "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz "
        "(its folder data is fgvc_aircraft)"
    )
    template = "a photo of a {}, a type of aircraft."
    task_name = "aircraft model recognition"
    task_metric = "mean_acc"
    holds = "variants.txt, images_variant_*.txt"
    listed_by = "the official list"

    @property
    def source(self) -> str:
        """The folder of the official lists."""
        return self.dataset_dir

    def read_lists(self) -> Lists:
        """The official lists, in their order.

        Raises:
            MissingFileError: a list is missing.
            BadFileError: a list is malformed, names a variant twice or an unknown one, or lacks
                one.
        """
        remedy = f"get it from {self.images_url}"
        variants, *paths = (os.path.join(self.dataset_dir, name) for name in LISTS)
        errors: list[UserError] = []
        for path in (variants, *paths):  # of all four, so that each one that is missing is told
            try:
                read_lines(path, remedy)
            except UserError as error:
                errors.append(error)
        if errors:
            raise type(errors[0])([line for error in errors for line in error.problems])
        names = read_lines(variants, remedy)
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice:
            raise BadFileError(f"{variants}: the line {twice[0]!r} stands there twice; {remedy}")
        labels = {variant: label for label, variant in enumerate(names)}
        lists: Lists = {}
        for split, path in zip(SPLITS, paths, strict=True):
            table = read_table(path, remedy)
            differing = sorted(set(labels) ^ set(table.values()))
            if differing:
                raise BadFileError(
                    f"{path} and {variants} do not have the same variants: {differing[0]} is in "
                    f"one of them only; {remedy}"
                )
            lists[split] = [
                Item(f"{image}.jpg", labels[name], name) for image, name in table.items()
            ]
        return lists
