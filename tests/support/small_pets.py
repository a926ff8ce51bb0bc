"""A small OxfordPets folder in the true format: pictures below images/ and the split file beside
them."""

import json

import numpy as np
from PIL import Image

CLASSES = ("abyssinian", "beagle", "great_pyrenees", "sphynx")
COUNTS = {"train": 3, "val": 2, "test": 2}


def picture(label, index):
    """Uint8 [36, 40, 3]: a colour of the class under noise."""
    noise = np.random.RandomState(100 * label + index).randint(0, 90, (36, 40, 3))
    noise[..., label % 3] += 60 + 40 * (label // 3)
    return noise.astype(np.uint8)


def write(root, classes=CLASSES, counts=None):
    """Makes `<root>/oxford_pets` and returns the root."""
    folder = root / "oxford_pets"
    images = folder / "images"
    images.mkdir(parents=True)
    split = {}
    for name, count in {**COUNTS, **(counts or {})}.items():
        split[name] = []
        for label, classname in enumerate(classes):
            for index in range(count):
                file = f"{classname}_{name}{index}.jpg"
                Image.fromarray(picture(label, 10 * len(split) + index)).save(images / file)
                split[name].append([file, label, classname])
    (folder / "split_zhou_OxfordPets.json").write_text(json.dumps(split))
    return root
