"""Plant-6: six datasets of plants, as six tasks (SoftCPT, arXiv:2208.13474)."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY
from datasets.fruit_vegetable import FruitVegetable
from datasets.kaggle_flower import KaggleFlower
from datasets.kaggle_mushroom import KaggleMushroom
from datasets.kaggle_vegetable import KaggleVegetable
from datasets.parts.multitask import JointDataset
from datasets.plant_seedling import PlantSeedlingV1
from datasets.plant_village import PlantVillage


@DATASET_REGISTRY.register()
class Plant6(JointDataset):
    """Six tasks, 116 classes."""

    dataset_dir = "plant6"
    members: ClassVar = {
        "fruit_vegetable": FruitVegetable,
        "kaggle_flower": KaggleFlower,
        "kaggle_mushroom": KaggleMushroom,
        "kaggle_vegetable": KaggleVegetable,
        "plant_seedling": PlantSeedlingV1,
        "plant_village": PlantVillage,
    }
