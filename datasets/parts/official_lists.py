"""Lists that the publishers of a dataset give out, of which a split file is made."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dassl.utils.errors import BadFileError, MissingFileError
from datasets.parts.items import Item, is_relative
from datasets.parts.text_lists import read_lines


@dataclass(frozen=True)
class Official:
    """What the publishers of a dataset list.

    Attributes:
        images: all images; where `test` is given, those of train and val.
        test: the test images; None if the publishers do not set any aside.
    """

    images: list[Item]
    test: list[Item] | None = None


def read_official(path: Path, url: str, parse: Callable[[str], Item]) -> list[Item]:
    """An official text list, in its order.

    Args:
        path: the file.
        url: where it is published.
        parse: makes the image of a line; raises ValueError or KeyError on a malformed one.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no text, or a line is malformed (the first is named).
    """
    remedy = f"get it from {url}"
    items = []
    for line in read_lines(str(path), remedy):
        item = None
        with suppress(ValueError, KeyError):
            item = parse(line)
        if item is None or not is_relative(item.path):
            raise BadFileError(f"{path}: {line[:80]!r} is no line of such a list; {remedy}")
        items.append(item)
    return items


def read_mat(path: Path, key: str, url: str) -> np.ndarray:
    """A variable of a MATLAB file as a vector.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no MATLAB file, or has no such variable.
    """
    if not path.is_file():
        raise MissingFileError(f"no list {path}; get it from {url}")
    from scipy.io import loadmat  # slow to import, and seldom needed

    try:
        return np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=[key])[key])
    except Exception as error:  # scipy raises ValueError, TypeError, KeyError, zlib.error ...
        raise BadFileError(
            f"{path} is no MATLAB file with the variable {key}; get it from {url}"
        ) from error
