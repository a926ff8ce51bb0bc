"""Few-shot draws kept as JSON: a reader that writes them, and what is in them."""

import json
import random
from pathlib import Path

import pytest

from dassl.utils.errors import UserError
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import as_rows, dataset_cfg

SHOTS, SEED = 2, 1
NAME = f"split_fewshot/shot_{SHOTS}-seed_{SEED}.json"  # below a dataset's folder or an output one


def kept_cfg(root, output="", *, save=True, seed=SEED, subsample="all"):
    """A config of a few-shot run; `save` is DATASET.SAVE_FEWSHOT."""
    cfg = dataset_cfg(root, shots=SHOTS, seed=seed, subsample=subsample)
    cfg.DATASET.SAVE_FEWSHOT = save
    cfg.OUTPUT_DIR = str(output)
    return cfg


def read(folder: Path, output="", *, dataset=OxfordPets, **options):
    """The dataset as train.py reads it, which has just seeded Python's generator."""
    cfg = kept_cfg(folder.parent, output, **options)
    random.seed(cfg.SEED)
    return dataset(cfg)


def message_of(folder, output="") -> str:
    """The one-line error of reading the dataset."""
    with pytest.raises(UserError) as error:
        read(folder, output)
    (line,) = error.value.problems
    return line


def rows_of(found) -> dict[str, list[list]]:
    """The rows of train and val as a cache holds them."""
    return {
        "train": as_rows(found.train_x, found.image_dir),
        "val": as_rows(found.val, found.image_dir),
    }


def change(path: Path, **entries) -> None:
    """Write a cache anew with other entries."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def block(folder: Path) -> None:
    """A file where the folder of caches has to be made stops whoever runs the test, root too."""
    (folder / "split_fewshot").touch()
