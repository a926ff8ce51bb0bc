"""Vegetables (Kaggle): 15 kinds."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders


@DATASET_REGISTRY.register()
class KaggleVegetable(ClassFolders):
    """`kaggle_vegetable/images/{train,test,validation}/<class>/`, split_dk_KaggleVegetable.json,
    which mixes the three folders.
    """

    dataset_dir = "kaggle_vegetable"
    images = "images"
    parts = image_folders = ("train", "test", "validation")
    images_url = "https://www.kaggle.com/datasets/misrakahmed/vegetable-image-dataset"
    template = "a photo of a {}, a type of vegetable."
    task_name = "vegetable recognition"
