"""Small data folders in the true layouts, with empty image files, and a config to read them."""

import json
import random
from pathlib import Path

from dassl.config import get_cfg_default

Lists = dict[str, list[list]]  # train, val, test: [path, label, class name]


def small_lists(classes=("cat", "dog", "emu", "fox"), train=5, val=3, test=2) -> Lists:
    """A split file's content with the same number of images for each class."""
    return {
        split: [
            [f"{name}_{split}_{i}.jpg", label, name]
            for label, name in enumerate(classes)
            for i in range(count)
        ]
        for split, count in (("train", train), ("val", val), ("test", test))
    }


def write_tree(root: Path, dataset: type, lists: Lists) -> Path:
    """Write the split file and an empty file for each image; returns the dataset's folder."""
    folder = root / dataset.dataset_dir
    for items in lists.values():
        for path, _, _ in items:
            target = folder / dataset.images / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    (folder / dataset.split_file).write_text(json.dumps(lists))
    return folder


def dataset_cfg(root: Path, *, shots: int = -1, seed: int = 1, subsample: str = "all"):
    """A configuration with what dataset classes read."""
    cfg = get_cfg_default()
    cfg.DATASET.ROOT = str(root)
    cfg.DATASET.NUM_SHOTS = shots
    cfg.DATASET.SUBSAMPLE_CLASSES = subsample
    cfg.SEED = seed
    return cfg


def read(root: Path, dataset: type, tasks: str = "all", **options):
    """The dataset as train.py reads it, which has just seeded Python's generator."""
    cfg = dataset_cfg(root, **options)
    cfg.DATASET.SUBSAMPLE_TASKS = tasks
    random.seed(cfg.SEED)
    return dataset(cfg)


def as_rows(data, image_dir: str) -> list[list]:
    """Datum list -> [path relative to the images folder, label, class name]."""
    return [[str(Path(d.impath).relative_to(image_dir)), d.label, d.classname] for d in data]
