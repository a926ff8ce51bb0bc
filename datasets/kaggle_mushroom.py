"""Mushrooms (Kaggle): 9 common genera."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders


@DATASET_REGISTRY.register()
class KaggleMushroom(ClassFolders):
    """`kaggle_mushroom/Mushrooms/<class>/`, split_dk_KaggleMushroom.json."""

    dataset_dir = "kaggle_mushroom"
    images = "Mushrooms"
    images_url = (
        "https://www.kaggle.com/datasets/maysee/mushrooms-classification-common-genuss-images"
    )
    template = "a photo of a {}, a type of mushroom."
    task_name = "mushroom recognition"
