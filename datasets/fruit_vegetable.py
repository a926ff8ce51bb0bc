"""Fruits and vegetables (Kaggle): 36 kinds."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders


@DATASET_REGISTRY.register()
class FruitVegetable(ClassFolders):
    """`fruit_vegetable/images/{train,test,validation}/<class>/`, split_dk_FruitVegetable.json,
    which mixes the three folders.
    """

    dataset_dir = "fruit_vegetable"
    images = "images"
    parts = image_folders = ("train", "test", "validation")
    images_url = "https://www.kaggle.com/datasets/kritikseth/fruit-and-vegetable-image-recognition"
    template = "a photo of a {}, a type of fruit or vegetable."
    task_name = "fruit and vegetable recognition"
