"""Oxford Flowers: 102 kinds of flowers."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.parts.items import Item
from datasets.parts.official_lists import Official, read_mat
from datasets.parts.split_file_reader import PublishedSplit
from datasets.parts.text_lists import parse_json, read_text

LABELS_URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/imagelabels.mat"
NAMES_URL = "https://drive.google.com/file/d/1AkcxCXeK_RCGCEC_GvmWxjcjaNhu-at0/view?usp=sharing"


@DATASET_REGISTRY.register()
class OxfordFlowers(PublishedSplit):
    """`oxford_flowers/jpg/`, split_zhou_OxfordFlowers.json; 4,093 / 1,633 / 2,463 images."""

    dataset_dir = "oxford_flowers"
    images = "jpg"
    split_file = "split_zhou_OxfordFlowers.json"
    split_url = "https://drive.google.com/file/d/1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT/view?usp=sharing"
    images_url = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz"
    template = "a photo of a {}, a type of flower."
    task_name = "flower recognition"
    task_metric = "mean_acc"

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """imagelabels.mat, whose i-th label, from 1, is that of image_0000i.jpg; and
        cat_to_name.json, label -> name.
        """
        names = _read_names(folder / "cat_to_name.json")
        path = folder / "imagelabels.mat"
        items = []
        for number, label in enumerate(read_mat(path, "labels", LABELS_URL).tolist(), start=1):
            if str(label) not in names:
                raise BadFileError(
                    f"{path}: label {label} of image {number} is not in {folder}/cat_to_name.json; "
                    f"get it from {LABELS_URL}"
                )
            items.append(Item(f"image_{number:05d}.jpg", label - 1, names[str(label)]))
        return Official(items)


def _read_names(path: Path) -> dict[str, str]:
    remedy = f"get it from {NAMES_URL}"
    names = parse_json(read_text(str(path), remedy), str(path), remedy)
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise BadFileError(f"{path} is no list of label and class name; {remedy}")
    return names
