"""Flowers (Kaggle): 5 kinds."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders


@DATASET_REGISTRY.register()
class KaggleFlower(ClassFolders):
    """`kaggle_flower_recognition/flowers/<class>/`, split_dk_kaggle_flower.json."""

    dataset_dir = "kaggle_flower_recognition"
    images = "flowers"
    task_split_file = "split_dk_kaggle_flower.json"
    images_url = "https://www.kaggle.com/datasets/alxmamaev/flowers-recognition"
    template = "a photo of a {}, a type of flower."
    task_name = "flower recognition"
