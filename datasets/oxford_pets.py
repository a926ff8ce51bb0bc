"""Oxford-IIIT Pets: 37 breeds of cats and dogs. The split tools that other dataset files import
hang on its class.
"""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.parts import classes, new_splits, split_files
from datasets.parts.items import Item, to_data
from datasets.parts.official_lists import Official, read_official
from datasets.parts.split_file_reader import PublishedSplit

LISTS_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz"


@DATASET_REGISTRY.register()
class OxfordPets(PublishedSplit):
    """`oxford_pets/images/`, split_zhou_OxfordPets.json; 2,944 / 736 / 3,669 images."""

    dataset_dir = "oxford_pets"
    images = "images"
    split_file = "split_zhou_OxfordPets.json"
    split_url = "https://drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs/view?usp=sharing"
    images_url = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"
    template = "a photo of a {}, a type of pet."
    task_name = "pet breed recognition"
    task_metric = "mean_acc"

    read_split = staticmethod(split_files.read_split)
    save_split = staticmethod(split_files.save_split)
    split_trainval = staticmethod(new_splits.split_trainval)
    subsample_classes = staticmethod(classes.subsample_classes)

    def read_data(self, split_file: str) -> list[Datum]:
        """An official list, `annotations/<split_file>`."""
        return to_data(_read_list(Path(self.dataset_dir), split_file), self.image_dir)

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """annotations/trainval.txt and test.txt."""
        trainval, test = (_read_list(folder, name) for name in ("trainval.txt", "test.txt"))
        return Official(trainval, test)


def _read_list(folder: Path, name: str) -> list[Item]:
    return read_official(folder / "annotations" / name, LISTS_URL, _parse)


def _parse(line: str) -> Item:
    """`name class species breed`, where the class counts from 1 and the name begins with its."""
    name, label, *_ = line.split()
    return Item(f"{name}.jpg", int(label) - 1, name.rpartition("_")[0].lower())
