"""ImageNet's own forms: a tar of 1000 tars to train on, and validation images without classes.

torchvision.datasets.imagenet parses the same archives and is not used: it unpacks into the folders
that readers look at, so that a killed call leaves what looks whole; it writes its notes beside the
archives, which are the user's; and it sorts by the place of a file in a listing instead of by the
number in its name, so that one missing image gives all later ones a wrong class.
"""

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from tqdm import tqdm

from dassl.utils.errors import BadFileError
from datasets import published
from datasets.preparing.unpack import ArchiveError, check_space, opened, remove, unpack, unpack_tar

_CLASS_TAR = re.compile(r"(n\d{8})\.tar")
_VAL_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
_META = "ILSVRC2012_devkit_t12/data/meta.mat"
_CLASSES = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def unpack_train(archive: Path, folder: Path) -> None:
    """Unpack the tar of class tars into a folder for each wnid.

    A class folder that is there already is whole and is kept, so that a killed call goes on.

    Raises:
        ArchiveError: the archive is damaged, or holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = 1 - len(list(folder.iterdir())) / len(_known_wnids())
    check_space(archive, round(archive.stat().st_size * missing), folder)
    with opened(archive, folder) as file, tarfile.open(fileobj=file, mode="r:") as outer:
        for member in outer:
            name = _CLASS_TAR.fullmatch(Path(member.name).name)
            inner = outer.extractfile(member) if member.isreg() else None
            if name is None or inner is None:
                raise ArchiveError(f"{archive} holds {member.name!r}, no class; get it again")
            if not (folder / name[1]).is_dir():
                unpack_class(inner, archive, folder / name[1])
    lacking = sorted(_known_wnids() - {path.name for path in folder.iterdir()})
    if lacking:
        raise ArchiveError(
            f"{archive} lacks {len(lacking)} of {len(_known_wnids())} classes, the first "
            f"{lacking[0]}; get it again"
        )


def unpack_class(inner: IO[bytes], archive: Path, target: Path) -> None:
    """Unpack the tar of one class into its folder, which is there only when it is whole.

    Raises:
        ArchiveError: the tar is dangerous; `archive`, which holds it, is named.
    """
    partial = target.with_name(f".{target.name}")
    remove(partial)
    partial.mkdir()
    unpack_tar(inner, archive, {"": [""]}, partial)
    partial.rename(target)


def _known_wnids() -> set[str]:
    return set(published.wnids("ImageNet") or ())


def read_devkit(archive: Path) -> list[str]:
    """The wnids of the validation images by their numbers, from the official development kit.

    Raises:
        ArchiveError: the archive is damaged or holds something else.
    """
    from scipy.io import loadmat  # slow to import, and seldom needed

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        unpack(archive, {"meta.mat": [_META], "classes.txt": [_CLASSES]}, folder)
        try:
            synsets = loadmat(folder / "meta.mat", squeeze_me=True)["synsets"]
            by_number = {
                int(number): str(wnid)
                for number, wnid in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
            }
            numbers = (folder / "classes.txt").read_text().split()
            return [by_number[int(number)] for number in numbers]
        except Exception as error:  # scipy raises ValueError, TypeError, KeyError, IndexError ...
            raise ArchiveError(
                f"{archive}: {_META} and {_CLASSES} do not fit ({error}); get it again"
            ) from error


def is_flat(folder: Path) -> bool:
    """Whether validation images lie in a folder beside class folders, or without any."""
    with os.scandir(folder) as entries:
        return any(_VAL_IMAGE.fullmatch(entry.name) for entry in entries)


def sort_val(
    flat: Path, folder: Path, classes: Sequence[str], put: Callable[[Path, Path], object]
) -> None:
    """Put the validation images, of which some may be in class folders, into class folders.

    Args:
        flat: where they lie.
        folder: where the class folders are made.
        classes: wnid of each image by its number.
        put: called with the path of an image and that of its copy.

    Raises:
        BadFileError: an image is missing, or a file is none of them.
    """
    images = [path for path in (*flat.glob("*"), *flat.glob("n*/*")) if not path.is_dir()]
    found = {number: path for path in images if (number := _number(path, len(classes)))}
    lacking = [number for number in range(1, len(classes) + 1) if number not in found]
    if lacking:
        raise BadFileError(
            f"{flat} lacks {len(lacking):,} of {len(classes):,} validation images, the first "
            f"ILSVRC2012_val_{lacking[0]:08d}.JPEG; unpack ILSVRC2012_img_val.tar again"
        )
    for number in tqdm(sorted(found), desc="sorting images", unit="", delay=1):
        target = folder / classes[number - 1] / found[number].name
        target.parent.mkdir(parents=True, exist_ok=True)
        put(found[number], target)


def _number(path: Path, count: int) -> int:
    """The number of a validation image, from 1; 0 for a hidden file."""
    match = _VAL_IMAGE.fullmatch(path.name)
    if match and 1 <= int(match[1]) <= count:
        return int(match[1])
    if path.name.startswith("."):
        return 0
    raise BadFileError(f"{path} is no ImageNet validation image; move it elsewhere")


def sort_in_place(flat: Path, staged: Path, classes: Sequence[str]) -> None:
    """Replace a folder of validation images by one of class folders with the same images.

    The images get second names (hard links) in `staged`, which then takes the place of the folder;
    so it is unsorted or sorted, nothing between. Behind a symbolic link the images stay as they
    are.

    Raises:
        BadFileError: see `sort_val`. The folder is as it was then.
    """
    sort_val(flat, staged, classes, _link_or_copy)
    unsorted = flat.with_name(f".unsorted-{flat.name}")
    flat.rename(unsorted)
    try:
        staged.rename(flat)
    except BaseException:
        unsorted.rename(flat)
        raise
    remove(unsorted)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another disk behind a link, or a file system without hard links
        shutil.copyfile(source, target)
