"""General-10: CoOp's datasets without ImageNet, as ten tasks (SoftCPT, arXiv:2208.13474)."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY
from datasets.caltech101 import Caltech101
from datasets.dtd import DescribableTextures
from datasets.eurosat import EuroSAT
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.food101 import Food101
from datasets.oxford_flowers import OxfordFlowers
from datasets.oxford_pets import OxfordPets
from datasets.parts.multitask import JointDataset
from datasets.stanford_cars import StanfordCars
from datasets.sun397 import SUN397
from datasets.ucf101 import UCF101


@DATASET_REGISTRY.register()
class General10(JointDataset):
    """Ten tasks, 1191 classes."""

    dataset_dir = "general10"
    members: ClassVar = {
        "caltech101": Caltech101,
        "dtd": DescribableTextures,
        "eurosat": EuroSAT,
        "fgvc_aircraft": FGVCAircraft,
        "food101": Food101,
        "oxford_flowers": OxfordFlowers,
        "oxford_pets": OxfordPets,
        "stanford_cars": StanfordCars,
        "sun397": SUN397,
        "ucf101": UCF101,
    }
