"""Caltech-101: 100 kinds of objects (without the background and one of the two face folders)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.split_file_reader import PublishedSplit

IGNORED = ["BACKGROUND_Google", "Faces_easy"]
NEW_CNAMES = {
    "airplanes": "airplane",
    "Faces": "face",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
}


@DATASET_REGISTRY.register()
class Caltech101(PublishedSplit):
    """`caltech-101/101_ObjectCategories/<class>/`, split_zhou_Caltech101.json; 4,128 / 1,649 /
    2,465 images.
    """

    dataset_dir = "caltech-101"
    images = "101_ObjectCategories"
    split_file = "split_zhou_Caltech101.json"
    split_url = "https://drive.google.com/file/d/1hyarUivQE36mY6jSomru6Fjd-JzwcCzN/view?usp=sharing"
    images_url = "https://data.caltech.edu/records/mzrjq-6wc02"
    ignored = tuple(IGNORED)
    renamed = NEW_CNAMES
    task_name = "generic object recognition"
    task_metric = "mean_acc"
