"""Pickled few-shot caches of other repositories, read without running what is in them.

They hold Datum objects (SoftCPT's: DatumMT) in lists in a dictionary. Their class is taken by name,
so a stand-in is made here that holds the attributes and does nothing.
"""

import io
import pickle
import pickletools
from collections.abc import Mapping, Sequence
from typing import Any

from dassl.utils.errors import BadFileError
from datasets.parts.fewshot.files import REMEDY, TASK_CACHES, read_bytes
from datasets.parts.items import Item, is_relative


class CachedItem:
    """Stands in for the engine's Datum and DatumMT: has their attributes that are in the file."""

    KEYS = ("_impath", "_label", "_classname", "_task")

    # Its own method: without one, a pickle may set what it likes, on the class too.
    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict:
            raise pickle.UnpicklingError("an item has no dictionary of attributes")
        vars(self).update({key: state[key] for key in self.KEYS if key in state})


class _Reader(pickle.Unpickler):
    """Knows the two classes that caches are made of and refuses all else: no file runs code."""

    def find_class(self, module: str, name: str) -> type:
        if module == "dassl.data.datasets.base_dataset" and name in ("Datum", "DatumMT"):
            return CachedItem
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def load_items(data: bytes) -> Any:
    """What a pickle holds: plain values, and the stand-in in place of Datum and DatumMT.

    Raises:
        Exception: of any kind; a hostile or cut file can fail anywhere in the pickle machine.
    """
    _check_sizes(data)
    return _Reader(io.BytesIO(data)).load()


def _check_sizes(data: bytes) -> None:
    """Refuse what makes the reader reserve memory out of proportion to the file.

    Raises:
        ValueError: a text or number is declared longer than the file; or a place is asked for, in
            the array where the pickle machine keeps values, beyond the number of its steps.
    """
    for opcode, argument, _ in pickletools.genops(data):  # itself checks the declared lengths
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > len(data):
            raise ValueError(f"it asks for {argument:,} places in a file of {len(data):,} bytes")


def _relative_path(path: Any, images: str, where: str) -> str:
    """What follows the last `/<dataset folder>/<images folder>/` in a path of another machine."""
    text = path.replace("\\", "/") if isinstance(path, str) else ""
    _, found, rest = text.rpartition(f"/{images}/")
    if not found or not is_relative(rest):
        shown = ascii(path[-200:]) if isinstance(path, str) else f"of {type(path).__name__}"
        raise BadFileError(
            f"{where}: image path {shown} has no /{images}/ in it; delete the file to draw again"
        )
    return rest


def _state(entry: Any) -> dict[str, Any]:
    return vars(entry) if isinstance(entry, CachedItem) else {}


def _to_item(entry: Any, label: Any, name: Any, images: str, where: str) -> Item:
    if type(label) is not int or label < 0 or not isinstance(name, str):
        raise BadFileError(
            f"{where}: an entry has no label and class name (SoftCPT's belong in {TASK_CACHES}); "
            "delete the file to draw again"
        )
    return Item(_relative_path(_state(entry).get("_impath"), images, where), label, name)


def read_cache(
    path: str, images: str, splits: Sequence[str] = ("train", "val")
) -> dict[str, list[Item]]:
    """Read a pickled draw without running anything that is in it.

    Args:
        path: the file.
        images: see `images_in_caches`.
        splits: the lists that it has to hold.

    Returns:
        items by split, paths relative to the images folder.

    Raises:
        BadFileError: the file is cut short, holds another class than Datum, or paths of another
            dataset.
    """

    def item(entry: Any) -> Item:
        state = _state(entry)
        return _to_item(entry, state.get("_label"), state.get("_classname"), images, path)

    return {split: [item(e) for e in entries] for split, entries in _load(path, splits).items()}


def read_task_cache(
    path: str, images: str, splits: Sequence[str], names: Mapping[int, str], task: int
) -> dict[str, list[Item]]:
    """One task of a pickled draw of SoftCPT's dataset files; see `read_cache`.

    Args:
        names: label -> class name; the file holds none.
        task: the task that is wanted; entries of others are left out.

    Raises:
        BadFileError: as `read_cache`, for DatumMT.
    """

    def item(entry: Any) -> Item:
        match _state(entry).get("_label"):
            case [int(label)]:
                return _to_item(entry, label, names.get(label, "?"), images, path)
        return _to_item(entry, None, None, images, path)

    return {
        split: [item(entry) for entry in entries if _task_of(entry, path) == task]
        for split, entries in _load(path, splits).items()
    }


def _task_of(entry: Any, where: str) -> int:
    match _state(entry).get("_task"):
        case [int(task)]:
            return task
    raise BadFileError(f"{where}: an entry has no task; delete the file to draw again")


def _load(path: str, splits: Sequence[str]) -> dict[str, list[Any]]:
    data = read_bytes(path)
    try:
        content = load_items(data)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadFileError(
            f"{path} is no few-shot cache of Datum lists ({reason}); {REMEDY}"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(split), list) for split in splits
    ):
        needed = " and ".join(splits)
        raise BadFileError(f"{path} lacks the lists {needed}; {REMEDY}")
    return {split: content[split] for split in splits}
