"""Our few-shot caches: `<dataset folder>/split_fewshot/shot_K-seed_S.json`.

    {"format": 1, "dataset": "ImageNet", "shots": 16, "seed": 1, "split_sha256": "...",
     "train": [[path, label, class name], ...], "val": [...]}

Paths are relative to the images folder, so a data folder can move; labels are those of all classes.
A list that is not drawn from (ImageNet's val) is left out. split_sha256 tells what was drawn from:
see `source_sha256`.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from dassl.utils.errors import BadFileError
from dassl.utils.files import atomic_write
from datasets.parts.fewshot.files import REMEDY, read_small
from datasets.parts.items import Item, is_relative

FORMAT = 1
_HASHED = 10_000  # paths at once


def source_sha256(
    source: str, lists: Mapping[str, Sequence[Item]], splits: Sequence[str] = ("train", "val")
) -> str:
    """SHA-256 of what a draw comes from: of the bytes of the split file, if `source` is a file.

    If it is a folder (ImageNet), there is no such file; then of the paths in the lists that are
    drawn from, in their order, each followed by a line feed.
    """
    if os.path.isfile(source):
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for split in splits:
        for start in range(0, len(lists[split]), _HASHED):
            paths = "\n".join([item.path for item in lists[split][start : start + _HASHED]]) + "\n"
            digest.update(paths.encode("utf-8", "surrogatepass"))  # names need not be UTF-8
    return digest.hexdigest()


def write_json_cache(
    path: str,
    drawn: Mapping[str, Sequence[Item]],
    *,
    dataset: str,
    shots: int,
    seed: int,
    split_sha256: str,
) -> None:
    """Write a draw, whole or not at all.

    Args:
        drawn: items by split, paths relative to the images folder.
        dataset: DATASET.NAME.
        split_sha256: see `source_sha256`.

    Raises:
        WriteError: names the path and the reason.
    """
    content = {
        "format": FORMAT,
        "dataset": dataset,
        "shots": shots,
        "seed": seed,
        "split_sha256": split_sha256,
        **{split: [[i.path, i.label, i.classname] for i in drawn[split]] for split in drawn},
    }
    atomic_write(path, json.dumps(content))


def read_json_cache(
    path: str,
    *,
    dataset: str,
    shots: int,
    seed: int,
    split_sha256: str | None,
    splits: Sequence[str] = ("train", "val"),
) -> dict[str, list[Item]]:
    """Read a draw and check that it is the one that is wanted; no image is looked up.

    Args:
        dataset, shots, seed: what it has to be a draw of.
        split_sha256: what it has to be drawn from (see `source_sha256`); None: anything.
        splits: the lists that it has to hold.

    Returns:
        items by split; `fit.check_fit` compares them with the dataset's lists.

    Raises:
        BadFileError: the file is cut short, of another format, dataset, number of shots, seed or
            split file, or an entry is malformed (the first is named).
    """
    content = _load(path)
    wanted = {"format": FORMAT, "dataset": dataset, "shots": shots, "seed": seed}
    for key, value in wanted.items():
        found = content.get(key)
        if found != value or type(found) is not type(value):
            raise BadFileError(
                f"{path} has {json.dumps(found)[:80]} as {key}, not {json.dumps(value)}; {REMEDY}"
            )
    if split_sha256 is not None and content.get("split_sha256") != split_sha256:
        raise BadFileError(
            f"{path} was drawn from other lists than there are now (split_sha256 is not that of "
            f"{dataset}); {REMEDY}"
        )
    missing = [split for split in splits if not isinstance(content.get(split), list)]
    if missing:
        raise BadFileError(f"{path} lacks the list {missing[0]}; {REMEDY}")
    return {
        split: [
            _to_item(entry, f"{path}: {split}[{place}]")
            for place, entry in enumerate(content[split])
        ]
        for split in splits
    }


def _load(path: str) -> dict[str, Any]:
    try:
        content = json.loads(read_small(path))
    # a deeply nested file ends in RecursionError
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadFileError(f"{path} is no whole JSON file ({reason}); {REMEDY}") from error
    if not isinstance(content, dict):
        raise BadFileError(f"{path} is no few-shot cache; {REMEDY}")
    return content


def _to_item(entry: Any, where: str) -> Item:
    match entry:
        case [str(path), label, str(name)] if (
            type(label) is int and label >= 0 and is_relative(path)
        ):
            return Item(path, label, name)
    raise BadFileError(
        f"{where}: {json.dumps(entry)[:80]} is no [path below the images folder, label from 0, "
        f"class name]; {REMEDY}"
    )
