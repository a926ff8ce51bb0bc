"""Oxford-IIIT Pets: 37 breeds of cats and dogs. The split tools that other dataset files import
hang on its class.
"""

import os

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets import classes, splits
from datasets.split_dataset import SplitFileDataset


@DATASET_REGISTRY.register()
class OxfordPets(SplitFileDataset):
    """`oxford_pets/images/`, split_zhou_OxfordPets.json; 2,944 / 736 / 3,669 images."""

    dataset_dir = "oxford_pets"
    images = "images"
    split_file = "split_zhou_OxfordPets.json"
    split_url = "https://drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs/view?usp=sharing"
    images_url = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"
    template = "a photo of a {}, a type of pet."
    task_name = "pet breed recognition"
    task_metric = "mean_acc"

    read_split = staticmethod(splits.read_split)
    save_split = staticmethod(splits.save_split)
    split_trainval = staticmethod(splits.split_trainval)
    subsample_classes = staticmethod(classes.subsample_classes)

    def read_data(self, split_file: str) -> list[Datum]:
        """An official list, `annotations/<split_file>`: lines of `name class species breed`,
        classes from 1.
        """
        items = []
        path = os.path.join(self.dataset_dir, "annotations", split_file)
        with open(path, encoding="utf-8") as file:
            for line in filter(str.strip, file):
                name, label = line.split()[:2]
                breed = name.rpartition("_")[0].lower()
                image = os.path.join(self.image_dir, f"{name}.jpg")
                items.append(Datum(impath=image, label=int(label) - 1, classname=breed))
        return items
