"""Where kept draws lie, and their bytes."""

import os
import posixpath
from pathlib import Path

from dassl.utils.errors import BadFileError
from datasets.parts.folders import why_no_file

CACHES, TASK_CACHES = "split_fewshot", "split_fewshot_mt"
REMEDY = "delete it to draw again"
_MAX_BYTES = 1 << 28  # of a cache; ImageNet's, 16 shots, has 3 MB


def cache_path(dataset_dir: str, shots: int, seed: int, folder: str = CACHES) -> str:
    """Where published dataset files keep a draw."""
    return os.path.join(dataset_dir, folder, f"shot_{shots}-seed_{seed}.pkl")


def json_cache_path(folder: str, shots: int, seed: int) -> str:
    """Where we keep a draw below a dataset's folder, or below an output folder."""
    return os.path.join(folder, CACHES, f"shot_{shots}-seed_{seed}.json")


def images_in_caches(dataset_dir: str, images: str) -> str:
    """What stands before each path in a published cache: dataset folder and images folder, as
    "oxford_pets/images".
    """
    return posixpath.normpath(f"{os.path.basename(dataset_dir)}/{images}")


def is_kept(path: str) -> bool:
    """Whether there is a cache; a link to nothing counts, and is told when it is read.

    Raises:
        BadFileError: that cannot be told, or its folder is a link to nothing: other images than
            those of a cache that is meant to be used would change numbers in silence.
    """
    folder = os.path.dirname(path)
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(folder) and not os.path.exists(folder):
            raise BadFileError(f"{folder} is a broken link; {REMEDY}") from None
        return os.path.islink(path)
    except OSError as error:  # closed to this user, or a loop of links
        closed = isinstance(error, PermissionError)
        remedy = f"make {folder} readable" if closed else REMEDY
        raise BadFileError(f"{path} cannot be looked up ({error.strerror}); {remedy}") from error
    return True


def read_bytes(path: str) -> bytes:
    """The content of a cache.

    Raises:
        BadFileError: it is no file, cannot be read, or is far too large for a cache.
    """
    wrong = why_no_file(path)
    if wrong:
        raise BadFileError(f"{path} {wrong}; {REMEDY}")
    try:
        size = os.path.getsize(path)
        if size > _MAX_BYTES:
            raise BadFileError(
                f"{path} has {size:,} bytes, too many for a few-shot cache; {REMEDY}"
            )
        return Path(path).read_bytes()
    except BadFileError:
        raise
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from error
