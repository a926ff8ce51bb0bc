"""PlantVillage: leaves of 14 plants, healthy or with a disease, and backgrounds; 39 classes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from datasets.parts.class_folders import ClassFolders

NEW_CNAMES = published.folder_names("PlantVillage")


@DATASET_REGISTRY.register()
class PlantVillage(ClassFolders):
    """`PlantVillage/Plant_leave_diseases_dataset_without_augmentation/<class>/`,
    split_dk_PlantVillage.json.
    """

    dataset_dir = "PlantVillage"
    images = "Plant_leave_diseases_dataset_without_augmentation"
    images_url = "https://data.mendeley.com/datasets/tywbtsjrjv/1"
    renamed = NEW_CNAMES
    template = "a photo of a plant leaf with {} disease."
    task_name = "plant leaf disease recognition"
