"""Few-shot draws, and the few-shot caches that other repositories leave in a data folder.

A draw needs no cache: (split file, shots, seed) fix it. But `split_fewshot/shot_K-seed_S.pkl` of
another repository is honoured, since published numbers belong to its images; so is
`split_fewshot_mt/` of SoftCPT's, which knows tasks.
"""

import io
import logging
import os
import pickle
import random
from collections.abc import Mapping, Sequence
from typing import Any

from dassl.utils.errors import BadFileError
from datasets.splits import Item, by_label, is_relative

logger = logging.getLogger(__name__)

CACHES, TASK_CACHES = "split_fewshot", "split_fewshot_mt"
_VAL_SHOTS = 4  # the published number of validation shots is min(K, 4)


def shots_of(split: str, shots: int) -> int:
    """Images per class that "train" or "val" has for K training shots."""
    return min(shots, _VAL_SHOTS) if split == "val" else shots


def cache_path(dataset_dir: str, shots: int, seed: int, folder: str = CACHES) -> str:
    """Where published dataset files keep a draw."""
    return os.path.join(dataset_dir, folder, f"shot_{shots}-seed_{seed}.pkl")


class _CachedItem:
    """Stands in for the engine's Datum and DatumMT while a cache is read: holds whatever attributes
    the file gives.
    """


class _CacheReader(pickle.Unpickler):
    """Knows the two classes that caches are made of and refuses all else: no file runs code."""

    def find_class(self, module: str, name: str) -> type:
        if module == "dassl.data.datasets.base_dataset" and name in ("Datum", "DatumMT"):
            return _CachedItem
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _relative_path(path: Any, images: str, where: str) -> str:
    """What follows the last `/<dataset folder>/<images folder>/` in a path of another machine."""
    text = path.replace("\\", "/") if isinstance(path, str) else ""
    _, found, rest = text.rpartition(f"/{images}/")
    if not found or not is_relative(rest):
        raise BadFileError(
            f"{where}: image path {path!r} has no /{images}/ in it; delete the file to draw again"
        )
    return rest


def _state(entry: Any) -> dict[str, Any]:
    return vars(entry) if isinstance(entry, _CachedItem) else {}


def _to_item(entry: Any, label: Any, name: Any, images: str, where: str) -> Item:
    if type(label) is not int or label < 0 or not isinstance(name, str):
        raise BadFileError(
            f"{where}: an entry has no label and class name; delete the file to draw again"
        )
    return Item(_relative_path(_state(entry).get("_impath"), images, where), label, name)


def read_cache(
    path: str, images: str, splits: Sequence[str] = ("train", "val")
) -> dict[str, list[Item]]:
    """Read a pickled draw without running anything that is in it.

    Args:
        path: the file.
        images: dataset folder and images folder, as "oxford_pets/images".
        splits: the lists that it has to hold.

    Returns:
        items by split, paths relative to the images folder.

    Raises:
        BadFileError: the file is cut short, holds another class than Datum, or paths of another
            dataset.
    """
    return {
        split: [
            _to_item(e, _state(e).get("_label"), _state(e).get("_classname"), images, path)
            for e in entries
        ]
        for split, entries in _load(path, splits).items()
    }


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
        label = _state(entry).get("_label")
        label = label[0] if isinstance(label, list) and len(label) == 1 else None
        return _to_item(entry, label, names.get(label, "?"), images, path)

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
    try:
        with open(path, "rb") as file:
            content = _CacheReader(io.BytesIO(file.read())).load()
    # a hostile or cut file can fail anywhere in the pickle machine
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadFileError(
            f"{path} is no few-shot cache of Datum lists ({reason}); delete it to draw again"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(split), list) for split in splits
    ):
        needed = " and ".join(splits)
        raise BadFileError(f"{path} lacks the lists {needed}; delete it to draw again")
    return {split: content[split] for split in splits}


def check_cached_classes(cached: Sequence[Item], train: Sequence[Item], path: str) -> None:
    """Check that a cache has every class of the training list, with the same labels and names.

    Raises:
        BadFileError: names the first class that differs.
    """
    expected, found = (
        {(item.label, item.classname) for item in items} for items in (train, cached)
    )
    if expected == found:
        return
    label, name = min(expected ^ found)
    side = "lacks" if (label, name) in expected else "alone has"
    raise BadFileError(
        f"{path} {side} the class {name} (label {label}): it was drawn from other classes than are "
        "listed now; delete it to draw again"
    )


def draw(items: Sequence[Item], shots: int, generator: random.Random) -> list[Item]:
    """`shots` items of each class, classes in order of first occurrence; a smaller class is taken
    whole.
    """
    chosen: list[Item] = []
    for group in by_label(items).values():
        chosen += generator.sample(group, shots) if len(group) >= shots else group
    return chosen


def warn_if_not_drawn(
    cached: dict[str, list[Item]],
    lists: dict[str, list[Item]],
    shots: int,
    seed: int,
    path: str,
    listed_by: str,
) -> None:
    """Warn when a cache holds other images than (lists, shots, seed) give; seed < 0 gives none."""
    if seed < 0:
        return
    generator = random.Random(seed)
    expected = {split: draw(lists[split], shots_of(split, shots), generator) for split in cached}
    if cached != expected:
        logger.warning(
            "Warning: %s is used, but holds other images than %s gives for %d shots, "
            "seed %d; delete it to draw again",
            path,
            listed_by,
            shots,
            seed,
        )


def warn_of_small_classes(items: Sequence[Item], shots: int, dataset: str) -> None:
    """Warn of each class that has fewer training images than shots."""
    for group in by_label(items).values():
        if len(group) < shots:
            logger.warning(
                "Warning: %s: class %s has %d training images, fewer than %d shots; all are used",
                dataset,
                group[0].classname,
                len(group),
                shots,
            )
