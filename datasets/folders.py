"""Whether the folder of a dataset is there and can be used, and what to do if not."""

import difflib
import os
import stat
from pathlib import Path

from dassl.utils.errors import BadFileError, MissingFileError

LEGIBLE = "make it readable"


def is_folder(path: str, dataset: str, remedy: str) -> bool:
    """Whether there is a folder; False where nothing is.

    Args:
        path: where it should be.
        dataset: for errors.
        remedy: what to do if something else is there.

    Raises:
        MissingFileError: a file or a link to nothing is in its place.
        BadFileError: it, or one above it, is closed to this user.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise _closed(path, dataset) from error
    except (OSError, ValueError):  # a loop of links, a null byte in the name
        if os.path.islink(path):
            raise MissingFileError(f"{dataset}: {path} is a broken link; {remedy}") from None
        return False
    if not stat.S_ISDIR(mode):
        raise MissingFileError(f"{dataset}: {path} is a file; {remedy}")
    if not os.access(path, os.X_OK):
        raise _closed(path, dataset)
    return True


def _closed(path: str, dataset: str) -> BadFileError:
    above = [str(folder) for folder in reversed(Path(path).parents)]
    first = next((folder for folder in above if not os.access(folder, os.X_OK)), path)
    return BadFileError(f"{dataset}: {first} cannot be opened (Permission denied); {LEGIBLE}")


def check_dataset_folder(folder: str, dataset: str, root: str, source: str) -> None:
    """Check that the folder of a dataset is there.

    Args:
        folder: its path, below `root`.
        dataset: for errors.
        root: DATASET.ROOT.
        source: where to get what it holds, for errors.

    Raises:
        MissingFileError, BadFileError: it is not, see `is_folder`; a folder that looks as if it
            were meant is named.
    """
    name = os.path.basename(folder)
    if os.path.isfile(root):
        raise MissingFileError(
            f"{dataset}: DATASET.ROOT {root} is a file; set --root to the folder that holds {name}/"
        )
    if not is_folder(folder, dataset, f"put the dataset's folder there; {source}"):
        raise MissingFileError(
            f"{dataset}: no folder {folder}{_hint(root, folder)}; set --root to the folder that "
            f"holds {name}/, {source}"
        )


def _hint(root: str, folder: str) -> str:
    below = os.sep + os.path.relpath(folder, root)
    if root.endswith(below):
        above = root.removesuffix(below) or os.sep
        return f"; --root is the dataset's own folder: give {above}"
    near = difflib.get_close_matches(os.path.basename(folder), subfolders(root), n=1)
    return f"; {os.path.join(root, near[0])} is there: rename it" if near else ""


def visible(folder: str) -> list[str]:
    """Names of what is in a folder, sorted, without hidden entries.

    Raises:
        BadFileError: it cannot be listed.
    """
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise _unlisted(folder, error) from error


def sorted_entries(folder: str) -> list[os.DirEntry[str]]:
    """All that is in a folder, sorted by name.

    Raises:
        BadFileError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unlisted(folder, error) from error


def _unlisted(folder: str, error: OSError) -> BadFileError:
    return BadFileError(f"cannot list {folder} ({error.strerror}); {LEGIBLE}")


def subfolders(folder: str) -> list[str]:
    """Names of the folders in a folder, sorted; none where it cannot be listed."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [name for name in names if os.path.isdir(os.path.join(folder, name))]
