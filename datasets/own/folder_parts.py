"""Which folders of a person's own pictures are parts (train, val, test), and which are classes."""

import logging
import os
from collections.abc import Sequence

from dassl.utils.errors import BadFileError
from datasets.parts.fewshot.files import CACHES, TASK_CACHES
from datasets.parts.folders import is_image, subfolders, visible
from datasets.parts.items import SPLITS
from datasets.parts.wording import first_few

logger = logging.getLogger(__name__)

_SPELLINGS = {  # small letters -> part
    "training": "train",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
    **{part: part for part in SPLITS},
}


def find_parts(folder: str) -> list[str]:
    """Those of train, val and test that are folders of class folders.

    A folder of such a name that holds pictures is a class.

    Raises:
        BadFileError: train is alone, or missing; or the parts are spelled otherwise: Train, valid.
    """
    names = folders_in(folder)
    parts = [name for name in SPLITS if name in names and _holds_folders_only(folder, name)]
    if not parts:
        _refuse_other_spellings(folder, names)
        return []
    others = [name for name in names if name not in parts]
    if parts == ["train"] or "train" not in parts:
        found = f"; found beside it: {first_few(others)}" if others else ""
        wanted = "test/ or val/" if parts == ["train"] else "train/"
        raise BadFileError(
            f"ImageFolder: {folder} has {parts[0]}/ with class folders and no {wanted}{found}; "
            f"name a folder so, or move the class folders out of {parts[0]}/ to have them cut"
        )
    if others:
        logger.warning(
            "Warning: ImageFolder: not used in %s: %s; parts are called train, val and test, and "
            "hold class folders alone",
            folder,
            first_few(others),
        )
    return parts


def _refuse_other_spellings(folder: str, names: Sequence[str]) -> None:
    """Raises an error where folders that would be taken for classes are meant as parts: if all are
    called nearly as parts are, or the one for training and another one.
    """
    meant = {
        name: _SPELLINGS[name.lower()]
        for name in names
        if name.lower() in _SPELLINGS and name not in SPLITS and _holds_folders_only(folder, name)
    }
    if meant and (len(meant) == len(names) or {"train"} < set(meant.values())):
        renamed = ", ".join(f"{name} to {part}" for name, part in meant.items())
        raise BadFileError(
            f"ImageFolder: {folder} has {first_few(list(meant))} with class folders in them, but "
            f"parts are called train, val and test; rename {renamed}"
        )


def folders_in(folder: str) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and few-shot caches."""
    return [name for name in subfolders(folder) if name not in (CACHES, TASK_CACHES)]


def _holds_folders_only(folder: str, name: str) -> bool:
    below = os.path.join(folder, name)
    return bool(folders_in(below)) and not any(map(is_image, visible(below)))
