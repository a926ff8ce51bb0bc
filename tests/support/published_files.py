"""Small files in the forms in which datasets are published, and the catalogue that fits them."""

import copy
import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets import published
from datasets.parts.items import SPLITS
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from downloads import ALGORITHMS
from tests.support import dataset_tree
from tests.support.archives import tar_bytes, zip_bytes

Files = dict[str, bytes]
NOWHERE = "http://127.0.0.1:9"  # nobody answers there
IMAGE = b"an image"
WNIDS = published.wnids("ImageNet") or []
SPLIT_IMAGES = {  # images of a dataset with a split file, below its images folder
    "Caltech101": "Faces/image_{:04}.jpg",
    "OxfordPets": "Abyssinian_{}.jpg",
    "OxfordFlowers": "image_{:05}.jpg",
    "Food101": "apple_pie/{}.jpg",
    "SUN397": "a/apartment_building/outdoor/sun_{}.jpg",
    "DescribableTextures": "banded/banded_{:04}.jpg",
    "EuroSAT": "AnnualCrop/AnnualCrop_{}.jpg",
    "UCF101": "Apply_Eye_Makeup/v_ApplyEyeMakeup_g{:02}_c01.jpg",
}


def image_paths(name: str) -> list[str]:
    """The images of a small dataset with a split file: two of each list, one class."""
    if name == "StanfordCars":
        return [f"cars_train/{i:05}.jpg" for i in range(4)] + ["cars_test/1.jpg", "cars_test/2.jpg"]
    return [SPLIT_IMAGES[name].format(i) for i in range(1, 7)]


def split_file(name: str) -> Files:
    """Its split file."""
    items = [[path, 0, "thing"] for path in image_paths(name)]
    lists = {"train": items[:2], "val": items[2:4], "test": items[4:]}
    return {f"split_zhou_{name}.json": json.dumps(lists).encode()}


def _in(folder: str, name: str) -> Files:
    return {f"{folder}/{path}": IMAGE for path in image_paths(name)}


def _cars(part: str) -> bytes:
    return tar_bytes({path: IMAGE for path in image_paths("StanfordCars") if part in path})


def _aircraft() -> bytes:
    data = "fgvc-aircraft-2013b/data"
    lists = {f"{data}/images_variant_{s}.txt": f"{i}1 707-320\n" for i, s in enumerate(SPLITS)}
    files = {path: text.encode() for path, text in lists.items()}
    files |= {f"{data}/variants.txt": b"707-320\n", f"{data}/families.txt": b"707\n"}
    return tar_bytes(files | {f"{data}/images/{i}1.jpg": IMAGE for i in range(3)}, mode="w:gz")


def _wnid_images(folder: str, name: str) -> Files:
    return {f"{folder}/{wnid}/1.jpg": IMAGE for wnid in published.wnids(name) or WNIDS}


def files_of(name: str) -> Files:
    """Archives and split file of a small dataset: file name -> bytes."""
    makers = {
        "Caltech101": lambda: {
            "caltech-101.zip": zip_bytes(
                {
                    "caltech-101/101_ObjectCategories.tar.gz": tar_bytes(
                        _in("101_ObjectCategories", name), mode="w:gz"
                    ),
                    "caltech-101/Annotations.tar": b"",
                    "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz": b"",
                }
            )
        },
        "OxfordPets": lambda: {"images.tar.gz": tar_bytes(_in("images", name), mode="w:gz")},
        "StanfordCars": lambda: {f"{p}.tgz": _cars(p) for p in ("cars_train", "cars_test")},
        "OxfordFlowers": lambda: {"102flowers.tgz": tar_bytes(_in("jpg", name), mode="w:gz")},
        "Food101": lambda: {
            "food-101.tar.gz": tar_bytes(
                _in("food-101/images", name) | {"food-101/meta/classes.txt": b""}, mode="w:gz"
            )
        },
        "FGVCAircraft": lambda: {"fgvc-aircraft-2013b.tar.gz": _aircraft()},
        "SUN397": lambda: {"SUN397.tar.gz": tar_bytes(_in("SUN397", name), mode="w:gz")},
        "DescribableTextures": lambda: {
            "dtd-r1.0.1.tar.gz": tar_bytes(
                _in("dtd/images", name) | {"dtd/labels/train1.txt": b""}, mode="w:gz"
            )
        },
        "EuroSAT": lambda: {"EuroSAT.zip": zip_bytes(_in("2750", name))},
        "UCF101": lambda: {"UCF-101-midframes.zip": zip_bytes(_in("UCF-101-midframes", name))},
        "ImageNetV2": lambda: {
            "imagenetv2-matched-frequency.tar.gz": tar_bytes(
                {
                    f"imagenetv2-matched-frequency-format-val/{i}/1.jpeg": IMAGE
                    for i in range(len(WNIDS))
                },
                mode="w:gz",
            )
        },
        "ImageNetSketch": lambda: {"ImageNet-Sketch.zip": zip_bytes(_wnid_images("sketch", name))},
        "ImageNetA": lambda: {"imagenet-a.tar": tar_bytes(_wnid_images("imagenet-a", name))},
        "ImageNetR": lambda: {"imagenet-r.tar": tar_bytes(_wnid_images("imagenet-r", name))},
    }
    split = split_file(name) if name in (*SPLIT_IMAGES, "StanfordCars") else {}
    return makers[name]() | split


def val_name(number: int) -> str:
    """The file name of a validation image, from 1."""
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def val_class(number: int, wnids: Sequence[str]) -> str:
    """The wnid of a validation image here: the classes backwards."""
    return wnids[-number]


def imagenet_files(wnids: Sequence[str]) -> Files:
    """ImageNet with one image of each class to train on and one to validate."""
    return {
        "ILSVRC2012_img_train.tar": tar_bytes(
            {f"{wnid}.tar": tar_bytes({f"{wnid}_1.JPEG": IMAGE}) for wnid in wnids}
        ),
        "ILSVRC2012_img_val.tar": tar_bytes(
            {val_name(number): b"%d" % number for number in range(1, len(wnids) + 1)}
        ),
        "ILSVRC2012_devkit_t12.tar.gz": devkit_bytes(wnids),
    }


def devkit_bytes(wnids: Sequence[str]) -> bytes:
    """The development kit: meta.mat numbers the classes in an order of its own, with inner nodes
    of the tree after them; the ground truth is a number for each image.
    """
    ids = {wnid: place for place, wnid in enumerate(sorted(wnids, key=lambda w: w[::-1]), 1)}
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"]
    rows = [(number, wnid, "words, more", "a gloss", 0, []) for wnid, number in ids.items()]
    rows.append((len(ids) + 1, "n00001740", "entity", "", 2, [1, 2]))
    synsets = np.zeros((len(rows), 1), dtype=[(field, object) for field in fields])
    for place, row in enumerate(rows):
        for field, value in zip(fields, row, strict=True):
            synsets[place, 0][field] = value
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = [f"{ids[val_class(number, wnids)]}\n" for number in range(1, len(wnids) + 1)]
    data = "ILSVRC2012_devkit_t12/data"
    files = {"ILSVRC2012_devkit_t12/readme.txt": b"", f"{data}/meta.mat": meta.getvalue()}
    files[f"{data}/ILSVRC2012_validation_ground_truth.txt"] = "".join(truth).encode()
    return tar_bytes(files, mode="w:gz")


def catalogue_of(
    files: Mapping[str, bytes], url: str, monkeypatch: pytest.MonkeyPatch
) -> Catalogue:
    """The published catalogue, but with the checksums of small files and links to `url`."""
    table: dict[str, Any] = copy.deepcopy(dict(Catalogue.published().table))
    for entry in (entry for parts in table.values() for entry in parts):
        for file in [*entry["files"], *([entry["sorted_by"]] if "sorted_by" in entry else [])]:
            if "url" in file:
                file["url"] = f"{url}/{file['file']}"
            for algorithm in ALGORITHMS.keys() & file.keys():
                if file["file"] in files:
                    file[algorithm] = hashlib.new(algorithm, files[file["file"]]).hexdigest()
    of_published = published.sizes

    def sizes(name: str):
        found = of_published(name)
        content = files.get(f"split_zhou_{name}.json")
        if found is None or content is None or not found.split_sha256:
            return found
        return dataclasses.replace(found, split_sha256=hashlib.sha256(content).hexdigest())

    monkeypatch.setattr(published, "sizes", sizes)
    return Catalogue(table, f"{url}/splits")


def write_files(folder, files: Mapping[str, bytes]):
    """Files as the user has fetched them; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def served(files: Mapping[str, bytes]) -> Files:
    """Content of a server: split files lie in a folder of their own."""
    return {f"/splits/{n}" if n.startswith("split_") else f"/{n}": b for n, b in files.items()}


def tree(folder: Path) -> Files:
    """Every file below a folder, but locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read(root: Path, name: str):
    """The dataset as its reader reads it."""
    return dataset_tree.read(root, DATASET_REGISTRY.get(name))


def problems_of(*words) -> list[str]:
    """The lines with which `prepare` fails."""
    with pytest.raises(UserError) as caught:
        prepare(*words)
    return caught.value.problems
