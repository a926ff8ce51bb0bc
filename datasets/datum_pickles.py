"""Pickled few-shot caches of other repositories, read without running what is in them.

They hold Datum objects (SoftCPT's: DatumMT) in lists in a dictionary. Their class is taken by name,
so stand-ins are made here that hold the attributes and do nothing.
"""

import io
import pickle
import pickletools
from typing import Any


class CachedItem:
    """Stands in for the engine's Datum: has those of its attributes that are in the file."""

    KEYS = ("_impath", "_label", "_classname", "_task")

    # Its own method: without one, a pickle may set what it likes, on the class too.
    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict:
            raise pickle.UnpicklingError("an item has no dictionary of attributes")
        vars(self).update({key: state[key] for key in self.KEYS if key in state})


class CachedTaskItem(CachedItem):
    """Stands in for DatumMT."""


_CLASSES = {"Datum": CachedItem, "DatumMT": CachedTaskItem}


class _Reader(pickle.Unpickler):
    """Knows the two classes that caches are made of and refuses all else: no file runs code."""

    def find_class(self, module: str, name: str) -> type:
        if module == "dassl.data.datasets.base_dataset" and name in _CLASSES:
            return _CLASSES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def load_items(data: bytes) -> Any:
    """What a pickle holds: plain values, and the two stand-ins in place of Datum and DatumMT.

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
