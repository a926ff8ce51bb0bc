"""Make a demo dataset's folder once: PNG files and a split file, checked against the repository's
digests.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dassl.utils.errors import UserError
from datasets.demo.stream import IntegerStream
from datasets.parts.items import SPLITS, Item
from datasets.parts.split_files import load_split, unmoved, write_split

IMAGES = "images"
DIGESTS = Path(__file__).with_name("digests.json")
ANOTHER = "give another folder by --root or by the variable PROMPTLAB_CACHE"

Picture = tuple[str, str, int, str, np.ndarray]  # split, path, label, class name, pixels


def drawn_pictures(
    classes: tuple[str, ...],
    draw: Callable[[str, IntegerStream], np.ndarray],
    seed: int,
    counts: dict[str, int],
) -> Iterator[Picture]:
    """Pictures of a rendered dataset; every class and split has a stream of its own."""
    for k, split in enumerate(SPLITS):
        for label, name in enumerate(classes):
            stream = IntegerStream(seed + 1000 * k + label)
            for i in range(counts[split]):
                yield split, f"{name}/{split}_{i:03d}.png", label, name, draw(name, stream)


def listed_pictures(
    classes: tuple[str, ...], lists: dict[str, list[tuple[np.ndarray, int]]]
) -> Iterator[Picture]:
    """Pictures of a dataset that exists as arrays and labels by split."""
    for split in SPLITS:
        for i, (pixels, label) in enumerate(lists[split]):
            yield split, f"{classes[label]}/{split}_{i:04d}.png", label, classes[label], pixels


def digest(folder: Path, split_file: str) -> str:
    """SHA-256 over path, class name and decoded pixels of every listed picture, in the order of
    the split file.
    """
    total = hashlib.sha256()
    for split, items in load_split(str(folder / split_file)).items():
        for item in items:
            total.update(f"{split} {item.path} {item.label} {item.classname}\n".encode())
            with Image.open(folder / IMAGES / item.path) as image:
                total.update(np.asarray(image.convert("RGB")).tobytes())
    return total.hexdigest()


def expected_digest(name: str) -> str:
    """The repository's digest of a demo dataset."""
    return json.loads(DIGESTS.read_text())[name]


def write(folder: Path, split_file: str, pictures: Iterator[Picture]) -> None:
    """Write pictures and split file into a folder."""
    lists: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for split, path, label, name, pixels in pictures:
        target = folder / IMAGES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)
        lists[split].append(Item(path, label, name))
    write_split(lists, str(folder / split_file))


def ensure(folder: Path, split_file: str, name: str, make: Callable[[], Iterator[Picture]]) -> None:
    """Make the folder unless it is there.

    It is written beside its place and renamed when it is whole, so that runs which start together
    do not disturb each other: the first to finish wins.

    Raises:
        UserError: the folder cannot be written, its pixels are not the repository's, or it has no
            split file.
    """
    if folder.is_dir():
        if not (folder / split_file).is_file():
            raise UserError(
                f"{name}: {folder} has no {split_file}; delete the folder to make it again"
            )
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as making:
            made = Path(making, folder.name)
            with unmoved():  # a library first imported here may draw
                write(made, split_file, make())
            found = digest(made, split_file)
            if found != expected_digest(name):
                raise UserError(
                    f"{name}: the pixels made for {folder} have SHA-256 {found[:16]}..., not that "
                    f"of {DIGESTS.name}; results would not be comparable. Reinstall numpy, Pillow, "
                    "sklearn"
                )
            try:
                made.rename(folder)
            except OSError:
                if not (folder / split_file).is_file():  # else another run was faster
                    raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{name}: cannot make {folder} ({reason}); {ANOTHER}") from error
