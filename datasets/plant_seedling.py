"""Plant Seedlings, version 1: 12 species of crops and weeds."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders


@DATASET_REGISTRY.register()
class PlantSeedlingV1(ClassFolders):
    """`PlantSeedlingV1/Nonsegmented/<class>/`, split_dk_PlantSeedlingV1.json."""

    dataset_dir = "PlantSeedlingV1"
    images = "Nonsegmented"
    images_url = "https://vision.eng.au.dk/plant-seedlings-dataset (version 1, not segmented)"
    template = "a photo of a {}, a type of seedling."
    task_name = "plant seedling recognition"
