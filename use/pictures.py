"""Finding pictures in files, folders and globs, and reading what is not always a plain RGB file."""

import glob
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from dassl.utils.errors import BadFileError, MissingFileError, UserError
from dassl.utils.files import MAX_PIXELS, open_image, read_image

logger = logging.getLogger(__name__)

DEEP_MODES = ("I", "F")  # Pillow's single channels of more than 8 bits begin so
LARGEST = 2**27  # pixels of a picture whose shorter side was brought to the input's
SMALL = 16  # a picture is enlarged more than so many times: worth a word


def find_pictures(words: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The pictures that the words name, each once: files as they are, of a folder and those below
    it every file with a picture's ending, and of a glob (`**` goes down) what it matches.

    Raises:
        MissingFileError: (a UserError) with a line for each word that names nothing.
    """
    found: dict[str, None] = {}
    problems = []
    for word in words:
        names, problem = _named_by(os.fspath(word))
        found.update(dict.fromkeys(names))
        if problem:
            problems.append(problem)
    if problems:
        raise MissingFileError(problems)
    if not found:
        raise MissingFileError("no picture is named; give files, folders or globs")
    return list(found)


def _named_by(word: str) -> tuple[list[str], str]:
    """The pictures that a word names, and what is wrong with it."""
    if os.path.isfile(word):
        return [word], ""
    if os.path.isdir(word):
        inside = [str(path) for path in sorted(Path(word).rglob("*")) if path.is_file()]
        pictures = [path for path in inside if _has_picture_ending(path)]
        there = f"holds {len(inside)} files, none of them" if inside else "is empty: it has not"
        return pictures, "" if pictures else f"{word}: the folder {there} a picture"
    matches = sorted(glob.glob(word, recursive=True))
    pictures = [path for path in matches if os.path.isfile(path)]
    if pictures or not glob.has_magic(word):
        return pictures, "" if pictures else f"{word}: no such file or folder"
    return [], f"{word}: no file matches"


def _has_picture_ending(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in Image.registered_extensions()


def read_picture(path: str, size: Sequence[int], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture as RGB, read as training and tests read it. What is lost by that is logged as a
    notice of one line.

    Args:
        size: (height, width) that the model's transform makes of it.
        max_pixels: INPUT.MAX_PIXELS, the largest that is read.

    Raises:
        UserError: it cannot be read, is too large, has more than 8 bits a channel, or is so much
            longer than wide that it does not fit into memory once its shorter side has the input's
            size.
    """
    try:
        with open_image(path, max_pixels) as image:
            _refuse(path, image, max(size))
            notices = _losses(image, max(size))
    except UserError:
        raise
    except Exception:
        notices = []  # read_image names what is wrong with the file
    picture = read_image(path, max_pixels)
    for notice in notices:
        logger.warning("Notice: %s: %s", path, notice)
    return picture


def _refuse(path: str, image: Image.Image, size: int) -> None:
    if image.mode.startswith(DEEP_MODES):
        raise BadFileError(
            f"{path}: more than 8 bits a channel (Pillow's mode {image.mode}), which training "
            f"never saw; save it with 8 bits"
        )
    shorter, longer = sorted(image.size)
    if longer * size**2 > LARGEST * shorter:
        raise BadFileError(
            f"{path}: {image.width} x {image.height} pixels are too long for a crop of {size} "
            f"x {size} from the middle; cut out what is to be judged"
        )


def _losses(image: Image.Image, size: int) -> list[str]:
    """What of a picture the model does not see."""
    notices = []
    if image.mode == "CMYK":
        notices.append("CMYK is turned into RGB without its colour profile")
    if "A" in image.getbands() or "transparency" in image.info:
        notices.append("the transparency is dropped")
    if getattr(image, "is_animated", False):
        notices.append("of several frames the first one is taken")
    if min(image.size) * SMALL < size:
        notices.append(f"{image.width} x {image.height} pixels are enlarged to {size} x {size}")
    return notices
