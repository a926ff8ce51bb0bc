"""Small data folders in the true layouts with pictures that can be decoded, what would be published
of them, and the command that checks them.
"""

import hashlib
import io
import json

import numpy as np
from PIL import Image

from datasets import published
from datasets.__main__ import run
from datasets.published import Draw, Sizes
from tests.support.dataset_tree import small_lists

CLASSES = ("cat", "dog", "emu", "fox")
WNIDS = [f"n{k:08d}" for k in range(12)]
NAMES = [f"fish {k}" for k in range(12)]
PART = [WNIDS[1], WNIDS[3], WNIDS[10]]  # of ImageNet-A and -R
VARIANTS = ["707-320", "A 380", "Yak-42"]


def picture(size=(8, 8), kind="JPEG", **options):
    """The bytes of a picture of noise, the same for the same arguments."""
    file = io.BytesIO()
    grey = np.random.default_rng(0).normal(128, 60, size[::-1]).clip(0, 255).astype(np.uint8)
    Image.fromarray(grey).convert("RGB").save(file, kind, **options)
    return file.getvalue()


PICTURE = picture()


def put(path, content=PICTURE):
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_split(root, reader, lists=None):
    """A dataset with a split file; returns its folder."""
    folder = root / reader.dataset_dir
    lists = lists or small_lists(CLASSES)
    for items in lists.values():
        for path, _, _ in items:
            put(folder / reader.images / path)
    (folder / reader.split_file).write_text(json.dumps(lists))
    return folder


def write_names(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{wnid} {name}\n" for wnid, name in zip(WNIDS, NAMES, strict=True)]
    (folder / "classnames.txt").write_text("".join(lines))


def write_classes(folder, names, count):
    """A folder of pictures for each name."""
    for name in names:
        for k in range(count):
            put(folder / name / f"{name}_{k}.jpg")


def write_imagenet(root):
    """Two training and fifty validation images of each of twelve classes; returns the folder."""
    folder = root / "imagenet"
    write_names(folder)
    write_classes(folder / "images" / "train", WNIDS, 2)
    write_classes(folder / "images" / "val", WNIDS, 50)
    return folder


def write_variant(root, reader):
    """ImageNetV2 (ten images a class), or another variant (two); returns its images folder."""
    folder = root / reader.dataset_dir
    write_names(folder)
    names, count = WNIDS, 2
    if reader.__name__ == "ImageNetV2":
        names, count = [str(k) for k in range(len(WNIDS))], 10
    elif reader.__name__ in ("ImageNetA", "ImageNetR"):
        names = PART
    write_classes(folder / reader.images, names, count)
    return folder / reader.images


def write_aircraft(root):
    """FGVC-Aircraft with two images of each variant in each list; returns its folder."""
    folder = root / "fgvc_aircraft"
    folder.mkdir(parents=True)
    (folder / "variants.txt").write_text("".join(f"{name}\n" for name in VARIANTS))
    for start, split in enumerate(("train", "val", "test")):
        images = [f"{100 * start + k:07d}" for k in range(6)]
        lines = [f"{image} {VARIANTS[k % 3]}\n" for k, image in enumerate(images)]
        (folder / f"images_variant_{split}.txt").write_text("".join(lines))
        for image in images:
            put(folder / "images" / f"{image}.jpg")
    return folder


def publish(monkeypatch, folder=None):
    """Let the small folders be the published ones; of OxfordPets the split file in `folder`."""
    digest = ""
    if folder is not None:
        digest = hashlib.sha256((folder / "split_zhou_OxfordPets.json").read_bytes()).hexdigest()
    sizes = {
        "OxfordPets": Sizes(4, 20, 12, 8, digest),
        "FGVCAircraft": Sizes(3, 6, 6, 6, ""),
        "ImageNet": Sizes(12, 24, 600, 600, ""),
        "ImageNetV2": Sizes(12, None, None, 120, ""),
        "ImageNetSketch": Sizes(12, None, None, 24, ""),
        "ImageNetA": Sizes(3, None, None, 6, ""),
        "ImageNetR": Sizes(3, None, None, 6, ""),
    }
    names = {"OxfordPets": list(CLASSES), "FGVCAircraft": VARIANTS, "ImageNet": NAMES}
    wnids = {"ImageNet": WNIDS, "ImageNetA": PART, "ImageNetR": PART}
    monkeypatch.setattr(published, "sizes", sizes.get)
    monkeypatch.setattr(published, "classnames", names.get)
    monkeypatch.setattr(published, "wnids", wnids.get)
    monkeypatch.setattr(published, "fewshot_draw", no_draw)


def no_draw(name, shots, seed) -> Draw | None:
    """No draw is published."""
    return None


class Checked:
    """What `python -m datasets check` says: `code`, `lines` and `of(level)`."""

    def __init__(self, code, text):
        self.code = code
        self.lines = text.splitlines()

    def of(self, level):
        """The findings of a level."""
        words = [line.split(None, 2) for line in self.lines[:-1]]
        return [text for _, found, text in words if found == level]

    @property
    def bad(self):
        """All findings but ok, as (level, text)."""
        words = [line.split(None, 2) for line in self.lines[:-1]]
        return [(level, text) for _, level, text in words if level != "ok"]


def check(capsys, root, *words):
    """Run the command; images are decoded where the words do not say otherwise."""
    capsys.readouterr()
    code = run(["check", "--root", str(root), *words])
    return Checked(code, capsys.readouterr().out)


def only(found, level):
    """The text of the one finding that is not ok, which has to be of this level."""
    assert found.code == (0 if level == "warning" else 2)
    ((given, text),) = found.bad
    assert given == level
    return text
