"""All 15 published layouts: what a reader returns, for every subset, number of shots and seed,
against an oracle of a few lines.
"""

import itertools
import json
import random

import pytest

import datasets  # noqa: F401 (registers the readers)
from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from tests.support import dataset_tree
from tests.support.dataset_tree import as_rows
from tests.support.foreign_cache import write_foreign_cache

# folder, images folder below it, split file
SPLIT_FILES = {
    "Caltech101": ("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json"),
    "OxfordPets": ("oxford_pets", "images", "split_zhou_OxfordPets.json"),
    "StanfordCars": ("stanford_cars", "", "split_zhou_StanfordCars.json"),
    "OxfordFlowers": ("oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json"),
    "Food101": ("food-101", "images", "split_zhou_Food101.json"),
    "SUN397": ("sun397", "SUN397", "split_zhou_SUN397.json"),
    "DescribableTextures": ("dtd", "images", "split_zhou_DescribableTextures.json"),
    "EuroSAT": ("eurosat", "2750", "split_zhou_EuroSAT.json"),
    "UCF101": ("ucf101", "UCF-101-midframes", "split_zhou_UCF101.json"),
}
VARIANTS = {
    "ImageNetV2": ("imagenetv2", "imagenetv2-matched-frequency-format-val"),
    "ImageNetSketch": ("imagenet-sketch", "images"),
    "ImageNetA": ("imagenet-adversarial", "imagenet-a"),
    "ImageNetR": ("imagenet-rendition", "imagenet-r"),
}
DRAWN = {name: ("train", "val") for name in (*SPLIT_FILES, "FGVCAircraft")} | {
    "ImageNet": ("train",)
}
DRAWN |= dict.fromkeys(VARIANTS, ())
SUBSETS, SHOTS, SEEDS = ("all", "base", "new"), (-1, 1, 2, 4, 8, 16), (1, 2, 3)

CLASSES = ("Yo_Yo", "éclair au café", "2012 Acura TL Sedan", "cat", "a b/c")
LABELS = (2, 0, 4, 3, 1)  # in order of first occurrence
COUNTS = {"train": (5, 1, 18, 3, 9), "val": (4, 1, 6, 2, 3), "test": (2, 1, 3, 1, 2)}  # by label
WNIDS = [f"n{k:08d}" for k in range(12)]  # 12: "10" sorts before "2"
PART = WNIDS[3::2]  # of ImageNet-A and -R


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def split_rows(name_image):
    """Lists grouped by class, but for the last image of the class that comes first."""
    lists = {}
    for split, counts in COUNTS.items():
        rows = [
            [name_image(split, label, i), label, CLASSES[label]]
            for label in LABELS
            for i in range(counts[label])
        ]
        lists[split] = [*rows[: counts[2] - 1], *rows[counts[2] :], rows[counts[2] - 1]]
    return lists


def write_split_dataset(root, name):
    folder, images, split_file = SPLIT_FILES[name]
    cars = name == "StanfordCars"

    def image(split, label, i):
        below = f"cars_{'test' if split == 'test' else 'train'}" if cars else f"é {label}_x/deep"
        return f"{below}/{split}_{label} {i}.jpg"

    lists = split_rows(image)
    for path, _, _ in itertools.chain(*lists.values()):
        touch(root / folder / images / path)
    (root / folder / split_file).write_text(json.dumps(lists, indent=4))
    return root / folder / images, lists


def write_aircraft(root, name):
    folder = root / "fgvc_aircraft"
    lists = split_rows(lambda split, label, i: f"{split}{label}{i:05d}.jpg")
    for split, rows in lists.items():
        for image, _, _ in rows:
            touch(folder / "images" / image)
        lines = [f"{image.removesuffix('.jpg')} {variant}\n" for image, _, variant in rows]
        (folder / f"images_variant_{split}.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "variants.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return folder / "images", lists


def class_name(wnid):
    """Of two classes the same one, as ImageNet has two missiles."""
    return CLASSES[WNIDS.index(wnid) % len(CLASSES)]


def write_class_folders(images, folders):
    """Uneven class folders, from the last to the first; [folder/file] sorted by class."""
    paths = [f"{name}/é {i}.JPEG" for k, name in enumerate(folders) for i in range(1 + k * 7 % 5)]
    for path in reversed(paths):
        touch(images / path)
    return paths


def write_names(folder, wnids):
    lines = [f"{wnid} {class_name(wnid)}\n" for wnid in wnids]
    (folder / "classnames.txt").write_text("".join(lines), encoding="utf-8")


def write_imagenet(root, name):
    folder = root / "imagenet"
    lists = {}
    for split in ("train", "val"):
        lists[split] = [
            [f"{split}/{path}", WNIDS.index(path[:9]), class_name(path[:9])]
            for path in write_class_folders(folder / "images" / split, WNIDS)
        ]
    write_names(folder, reversed(WNIDS))
    return folder / "images", lists | {"test": lists["val"]}


def write_variant(root, name):
    folder, images = VARIANTS[name]
    wnids = PART if name in ("ImageNetA", "ImageNetR") else WNIDS
    folders = [str(k) for k in range(len(WNIDS))] if name == "ImageNetV2" else wnids
    rows = []
    for path in write_class_folders(root / folder / images, folders):
        label = folders.index(path.split("/")[0])
        rows.append([path, label, class_name(wnids[label])])
    write_names(root / folder, WNIDS)
    if name in ("ImageNetA", "ImageNetR"):
        touch(root / folder / images / "README.txt")
    return root / folder / images, {"train": rows, "val": [], "test": rows}


WRITERS = dict.fromkeys(SPLIT_FILES, write_split_dataset) | dict.fromkeys(VARIANTS, write_variant)
WRITERS |= {"FGVCAircraft": write_aircraft, "ImageNet": write_imagenet}


def draw(lists, splits, shots, seed):
    """Train first, then val with at most 4; classes in order of first occurrence."""
    generator = random.Random(seed)
    chosen = dict(lists)
    for split in splits:
        count = min(shots, 4) if split == "val" else shots
        chosen[split] = []
        for label in dict.fromkeys(label for _, label, _ in lists[split]):
            group = [row for row in lists[split] if row[1] == label]
            chosen[split] += group if len(group) < count else generator.sample(group, count)
    return chosen


def cut(lists, subset):
    """The first ceil(C / 2) labels, or the rest, counted from 0."""
    count = 1 + max(label for _, label, _ in lists["train"])
    half = (count + 1) // 2
    first, end = {"all": (0, count), "base": (0, half), "new": (half, count)}[subset]
    return {
        split: [[path, label - first, name] for path, label, name in rows if first <= label < end]
        for split, rows in lists.items()
    }


def read(root, name, images, case):
    subset, shots, seed = case
    dataset = DATASET_REGISTRY.get(name)
    found = dataset_tree.read(root, dataset, shots=shots, seed=seed, subsample=subset)
    data = {"train": found.train_x, "val": found.val or [], "test": found.test}
    lists = {split: as_rows(items, str(images)) for split, items in data.items()}
    return lists | {"classnames": found.classnames, "num_classes": found.num_classes}


def with_names(lists):
    names = {label: name for _, label, name in lists["train"]}
    ordered = [names[label] for label in sorted(names)]
    return lists | {"classnames": ordered, "num_classes": len(ordered)}


@pytest.mark.parametrize("name", WRITERS)
def test_images_labels_and_names_are_the_published_ones(tmp_path, name, monkeypatch):
    monkeypatch.setattr(published, "wnids", {"ImageNetA": PART, "ImageNetR": PART}.get)
    monkeypatch.setattr(published, "classnames", lambda name: None)
    images, lists = WRITERS[name](tmp_path, name)
    for case in itertools.product(SUBSETS, SHOTS, SEEDS):
        subset, shots, seed = case
        drawn = draw(lists, DRAWN[name], shots, seed) if shots > 0 else lists
        assert read(tmp_path, name, images, case) == with_names(cut(drawn, subset)), case


@pytest.mark.parametrize("name", [name for name, splits in DRAWN.items() if splits])
def test_a_published_draw_of_another_place_is_cut_like_ones_own(tmp_path, name):
    images, lists = WRITERS[name](tmp_path, name)
    folder = images.relative_to(tmp_path)
    for shots, seed in itertools.product((1, 4, 16), SEEDS):
        drawn = draw(lists, DRAWN[name], shots, seed + 100)  # not what the seed gives here
        cached = {split: drawn[split] for split in DRAWN[name]}
        write_foreign_cache(
            tmp_path / folder.parts[0], cached, f"/mnt/{folder}/x/{folder}", shots=shots, seed=seed
        )
        for subset in SUBSETS:
            found = read(tmp_path, name, images, (subset, shots, seed))
            assert found == with_names(cut(drawn, subset)), (subset, shots, seed)
