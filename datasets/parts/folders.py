"""Whether the folder of a dataset is there and can be used, and what to do if not."""

import os
import stat
from pathlib import Path
from typing import Any

from dassl.utils.errors import BadFileError, BadValueError, MissingFileError
from datasets import published
from datasets.parts.items import is_relative
from datasets.parts.wording import prepare_command

LEGIBLE = "make it readable"
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".pbm", ".pgm", ".ppm"),
)


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
        kind = _kind(path)
    except PermissionError as error:
        raise _closed(path, dataset) from error
    if not kind:
        return False
    if kind != "a folder":
        raise MissingFileError(f"{dataset}: {path} is {kind}; {remedy}")
    if not os.access(path, os.X_OK):
        raise _closed(path, dataset)
    return True


def _kind(path: str) -> str:
    """What a path leads to, in words; "" where nothing is.

    Raises:
        PermissionError: a folder above it is closed to this user.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise
    except (OSError, ValueError):  # a loop of links, a null byte in the name
        return "a broken link" if os.path.islink(path) else ""
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "no regular file"


def _closed(path: str, dataset: str) -> BadFileError:
    above = [str(folder) for folder in reversed(Path(path).parents)]
    first = next((folder for folder in above if not os.access(folder, os.X_OK)), path)
    return BadFileError(f"{dataset}: {first} cannot be opened (Permission denied); {LEGIBLE}")


def check_dataset_folder(folder: str, reader: Any, root: str) -> None:
    """Check that the folder of a dataset is there.

    Args:
        folder: its path, below `root`.
        reader: the dataset's class.
        root: DATASET.ROOT.

    Raises:
        MissingFileError, BadFileError: it is not, see `is_folder`; the error says where to get it,
            and names a folder that looks as if it were meant.
    """
    name, below = reader.__name__, os.path.relpath(folder, root)
    source = f"images: {images_url(reader)}"
    if getattr(reader, "split_url", ""):
        source += f"; split file: {reader.split_url}"
    if is_folder(folder, name, f"put the dataset's folder there; {source}"):
        return
    hint = _hint(root, reader, below)
    if not hint:
        source += f"; or set --root to the folder that holds {below}/"
        if published.sizes(name):
            source += f"; or run {prepare_command(name, root)}, which fetches what it can"
    raise MissingFileError(f"{name}: no folder {folder}{hint}; {source}")


def check_images_folder(path: str, reader: Any, folder: str) -> None:
    """Check that a folder of images is there.

    Args:
        path: where it should be.
        reader: the dataset's class.
        folder: the dataset's own.

    Raises:
        MissingFileError, BadFileError: as `check_dataset_folder`.
    """
    name, remedy = reader.__name__, f"unpack the images there: {images_url(reader)}"
    if not is_folder(path, name, remedy):
        below = os.path.relpath(path, folder)
        deeper = [os.path.join(folder, inner, below) for inner in subfolders(folder)]
        found = [place for place in deeper if os.path.isdir(place)]
        hint = f"; {found[0]} is there: move it" if found else ""
        raise MissingFileError(f"{name}: no images folder {path}{hint}; {remedy}")


def images_url(reader: Any) -> str:
    """Where the images of a dataset are published, for messages."""
    return getattr(reader, "images_url", "") or "not published"


def images_remedy(reader: Any, *, missing: bool = True) -> str:
    """What to do with images that are missing, or else are there and cannot be used."""
    given = getattr(reader, "images_remedy", "")
    if not given and getattr(reader, "images_url", ""):
        given = "unpack the published images again"
    own = "put them there, or correct the list" if missing else "replace or remove them"
    return given or own


def near_folder(root: str, reader: Any) -> str | None:
    """The name of a folder below `root` that is known as another name of a dataset's: EuroSAT for
    eurosat, caltech101 for caltech-101, StanfordCars for stanford_cars; None without one.
    """
    folder: str = reader.dataset_dir
    names = (folder, reader.__name__, *published.other_folders(folder))
    wanted = {_plain(name) for name in names if name}
    near = [name for name in subfolders(root) if _plain(name) in wanted]
    return near[0] if near else None


def _hint(root: str, reader: Any, below: str) -> str:
    near = near_folder(root, reader)
    if near:
        return f"; {os.path.join(root, near)} is there: rename it to {below}"
    if root.endswith(os.sep + below):
        above = root.removesuffix(os.sep + below) or os.sep
        return f"; --root is the dataset's own folder: give {above}"
    return ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def why_no_file(path: str) -> str:
    """What is in the place of a file that is to be read, as "is a folder"; "" for a file, also one
    that is closed, and where nothing is. A pipe would be waited for without end.
    """
    try:
        kind = _kind(path)
    except PermissionError:
        return ""
    return "" if kind in ("", "a file") else f"is {kind}"


def visible(folder: str) -> list[str]:
    """Names of what is in a folder, sorted, without hidden entries.

    Raises:
        BadFileError: it cannot be listed.
    """
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise BadFileError(f"cannot list {folder} ({error.strerror}); {LEGIBLE}") from error


def subfolders(folder: str) -> list[str]:
    """Names of the visible folders in a folder, sorted; none where it is not there."""
    names = visible(folder) if os.path.isdir(folder) else []
    return [name for name in names if os.path.isdir(os.path.join(folder, name))]


def is_image(name: str) -> bool:
    """Whether a file name is an image's: by its extension, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def below_root(folder: str) -> str:
    """The folder, which is DATASET.FOLDER.

    Raises:
        BadValueError: it leaves the root.
    """
    if folder and not is_relative(folder):
        raise BadValueError(
            f"DATASET.FOLDER = {folder!r}: give a folder below DATASET.ROOT, without '..' and "
            "without '/' in front"
        )
    return folder
