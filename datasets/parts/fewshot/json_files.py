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
from datasets.parts.fewshot.files import REMEDY, read_bytes
from datasets.parts.items import Item
from datasets.parts.split_files import parse_item
from datasets.parts.text_lists import parse_json

FORMAT = 1


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
    paths = "".join([f"{item.path}\n" for split in splits for item in lists[split]])
    return hashlib.sha256(paths.encode("utf-8", "surrogatepass")).hexdigest()  # not all are UTF-8


def write_json_cache(path: str, drawn: Mapping[str, Sequence[Item]], **key: Any) -> None:
    """Write a draw, whole or not at all.

    Args:
        drawn: items by split, paths relative to the images folder.
        key: what it is a draw of: dataset (DATASET.NAME), shots, seed, and split_sha256 (see
            `source_sha256`).

    Raises:
        WriteError: names the path and the reason.
    """
    lists = {split: [[i.path, i.label, i.classname] for i in drawn[split]] for split in drawn}
    atomic_write(path, json.dumps({"format": FORMAT, **key, **lists}))


def read_json_cache(
    path: str, splits: Sequence[str] = ("train", "val"), **key: Any
) -> dict[str, list[Item]]:
    """Read a draw and check that it is the one that is wanted; no image is looked up.

    Args:
        splits: the lists that it has to hold.
        key: what it has to be a draw of, see `write_json_cache`; split_sha256 None: of any lists.

    Returns:
        items by split; `fit.check_fit` compares them with the dataset's lists.

    Raises:
        BadFileError: the file is cut short, of another format, dataset, number of shots, seed or
            split file, or an entry is malformed (the first is named).
    """
    content = parse_json(read_bytes(path), path, REMEDY)
    if not isinstance(content, dict):
        raise BadFileError(f"{path} is no few-shot cache; {REMEDY}")
    split_sha256 = key.pop("split_sha256", None)
    for name, value in {"format": FORMAT, **key}.items():
        found = content.get(name)
        if found != value or type(found) is not type(value):
            raise BadFileError(
                f"{path} has {json.dumps(found)[:80]} as {name}, not {json.dumps(value)}; {REMEDY}"
            )
    if split_sha256 is not None and content.get("split_sha256") != split_sha256:
        raise BadFileError(
            f"{path} was drawn from other lists than there are now (split_sha256 is not that of "
            f"{key['dataset']}); {REMEDY}"
        )
    missing = [split for split in splits if not isinstance(content.get(split), list)]
    if missing:
        raise BadFileError(f"{path} lacks the list {missing[0]}; {REMEDY}")
    return {
        split: [
            parse_item(entry, f"{path}: {split}[{place}]", REMEDY)
            for place, entry in enumerate(content[split])
        ]
        for split in splits
    }
