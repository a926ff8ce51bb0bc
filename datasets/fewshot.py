"""Few-shot draws, and the few-shot caches that other repositories leave in a data folder.

A draw needs no cache: (split file, shots, seed) fix it. But `split_fewshot/shot_K-seed_S.pkl` of
another repository is honoured, since published numbers belong to its images; so is
`split_fewshot_mt/` of SoftCPT's, which knows tasks. Our own caches: `json_caches`.
"""

import logging
import os
import posixpath
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dassl.utils.errors import BadFileError
from datasets.datum_pickles import CachedItem, CachedTaskItem, load_items
from datasets.folders import why_no_file
from datasets.splits import Item, by_label, is_relative
from datasets.wording import first_few

logger = logging.getLogger(__name__)

CACHES, TASK_CACHES = "split_fewshot", "split_fewshot_mt"
REMEDY = "delete it to draw again"
_VAL_SHOTS = 4  # the published number of validation shots is min(K, 4)
_MAX_BYTES = 1 << 28  # of a cache; ImageNet's, 16 shots, has 3 MB


def shots_of(split: str, shots: int) -> int:
    """Images per class that "train" or "val" has for K training shots."""
    return min(shots, _VAL_SHOTS) if split == "val" else shots


def cache_path(dataset_dir: str, shots: int, seed: int, folder: str = CACHES) -> str:
    """Where published dataset files keep a draw."""
    return os.path.join(dataset_dir, folder, f"shot_{shots}-seed_{seed}.pkl")


def images_in_caches(dataset_dir: str, images: str) -> str:
    """What stands before each path in a published cache: dataset folder and images folder, as
    "oxford_pets/images".
    """
    return posixpath.normpath(f"{os.path.basename(dataset_dir)}/{images}")


def is_kept(path: str) -> bool:
    """Whether there is a cache.

    Raises:
        BadFileError: that cannot be told, or it or its folder is a link to nothing: other images
            than those of a cache that is meant to be used would change numbers in silence.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        for place in (path, os.path.dirname(path)):
            if os.path.islink(place) and not os.path.exists(place):
                raise BadFileError(f"{place} is a broken link; {REMEDY}") from None
        return False
    except PermissionError as error:
        folder = os.path.dirname(path)
        raise BadFileError(
            f"{path} cannot be looked up (Permission denied); make {folder} readable"
        ) from error
    except OSError as error:  # a loop of links
        raise BadFileError(f"{path} cannot be looked up ({error.strerror}); {REMEDY}") from error
    return True


def read_small(path: str) -> bytes:
    """The content of a cache.

    Raises:
        BadFileError: it is no file, cannot be read, or is far too large for a cache.
    """
    wrong = why_no_file(path)
    if wrong:
        raise BadFileError(f"{path} {wrong}; {REMEDY}")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(_MAX_BYTES) if size <= _MAX_BYTES else None
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from error
    if content is None:
        raise BadFileError(f"{path} has {size:,} bytes, too many for a few-shot cache; {REMEDY}")
    return content


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
            f"{where}: an entry has no label and class name; delete the file to draw again"
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
        if isinstance(entry, CachedTaskItem):
            raise BadFileError(
                f"{path} holds items of SoftCPT (DatumMT), whose caches lie in {TASK_CACHES}; move "
                "it there, or delete it to draw again"
            )
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
    data = read_small(path)
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


def draw(items: Sequence[Item], shots: int, generator: random.Random) -> list[Item]:
    """`shots` items of each class, classes in order of first occurrence; a smaller class is taken
    whole.
    """
    chosen: list[Item] = []
    for group in by_label(items).values():
        chosen += generator.sample(group, shots) if len(group) >= shots else group
    return chosen


def draw_lists(
    lists: Mapping[str, Sequence[Item]], splits: Iterable[str], shots: int, seed: int
) -> dict[str, list[Item]]:
    """The draw from the given lists, one after the other, that a seed fixes; nothing global is
    touched.
    """
    generator = random.Random(seed)
    return {split: draw(lists[split], shots_of(split, shots), generator) for split in splits}


def warn_if_not_drawn(
    cached: Mapping[str, list[Item]],
    lists: Mapping[str, Sequence[Item]],
    shots: int,
    seed: int,
    path: str,
    listed_by: str,
) -> None:
    """Warn when a cache holds other images than (lists, shots, seed) give; seed < 0 gives none."""
    if seed < 0:
        return
    if cached != draw_lists(lists, cached, shots, seed):
        logger.warning(
            "Warning: %s is used, but holds other images than %s gives for %d shots, "
            "seed %d; delete it to draw again",
            path,
            listed_by,
            shots,
            seed,
        )


def warn_of_small_classes(items: Sequence[Item], shots: int, dataset: str) -> None:
    """Warn, in one line, of classes that have fewer training images than shots."""
    groups = by_label(items).values()
    small = [(group[0].classname, len(group)) for group in groups if len(group) < shots]
    if len(small) == 1:
        ((name, count),) = small
        line = f"class {name} has {count} training images, fewer than {shots} shots"
    elif small:
        line = f"{len(small)} of {len(groups)} classes have fewer training images than {shots} "
        line += f"shots: {first_few([f'{name} has {count}' for name, count in small])}"
    else:
        return
    logger.warning("Warning: %s: %s; all are used", dataset, line)
