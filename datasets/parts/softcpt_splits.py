"""Split files of SoftCPT's repository (split_dk_*.json), which tell tasks apart.

JSON: `train`, `val` and `test`, each a list of `[path, [label], [task]]`, label and task from 0;
and `meta`, lists by task: `taskid2cname` (class names) and, where known, `taskid2tname` (name),
`taskid2desc` (description), `taskid2type`, `taskid2metric`. One that was made here holds the text
`made_by` besides.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dassl.utils.errors import BadFileError
from dassl.utils.files import atomic_write
from datasets.parts.classes import no_training_image
from datasets.parts.items import SPLITS, Item, is_relative
from datasets.parts.multitask import TaskInfo
from datasets.parts.split_files import read_lists_file, split_note


@dataclass(frozen=True)
class TaskItem:
    """An image of a split file.

    Attributes:
        path: relative to the images folder, forward slashes.
        label: class inside its task, from 0.
        task: task, from 0.
    """

    path: str
    label: int
    task: int


@dataclass(frozen=True)
class TaskSplit:
    """The content of a split file.

    Attributes:
        lists: items by "train", "val", "test".
        classnames: class names of each task.
        names, descriptions: of each task; "" where the file gives none.
        note: what the file says of who made it; "" of a published one.
    """

    lists: dict[str, list[TaskItem]]
    classnames: list[list[str]]
    names: list[str]
    descriptions: list[str]
    note: str


def load_task_split(path: str) -> TaskSplit:
    """Read a split file; a list of `meta` that only some versions write may be missing.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no JSON, lacks a list or the class names, or an entry is malformed (the
            first is named).
    """
    content = read_lists_file(path)
    meta = content.get("meta")
    classnames = meta.get("taskid2cname") if isinstance(meta, dict) else None
    if not classnames or not isinstance(classnames, list) or not all(map(_is_texts, classnames)):
        raise BadFileError(f"{path}: meta has no class names (taskid2cname); make the file again")
    lists = {
        split: [
            _parse(entry, classnames, f"{path}: {split}[{i}]")
            for i, entry in enumerate(content[split])
        ]
        for split in SPLITS
    }
    count = len(classnames)
    names, descriptions = (_texts(meta, key, count) for key in ("taskid2tname", "taskid2desc"))
    return TaskSplit(lists, classnames, names, descriptions, split_note(content))


def write_task_split(
    path: str, lists: Mapping[str, Sequence[TaskItem]], tasks: Sequence[TaskInfo], made_by: str
) -> None:
    """Write a split file, whole or not at all; `made_by` marks it as none of the published."""
    content: dict[str, Any] = {"made_by": made_by}
    for split in SPLITS:
        content[split] = [[item.path, [item.label], [item.task]] for item in lists[split]]
    content["meta"] = {
        "taskid2cname": [task.classnames for task in tasks],
        "taskid2tname": [task.name for task in tasks],
        "taskid2desc": [task.description for task in tasks],
        "taskid2type": ["sl"] * len(tasks),
        "taskid2metric": [task.metric for task in tasks],
    }
    atomic_write(path, json.dumps(content, indent=4))


def only_task(split: TaskSplit, path: str, renamed: Mapping[str, str]) -> dict[str, list[Item]]:
    """The lists of a file of one task.

    Args:
        split: content of the file.
        path: the file, for errors.
        renamed: class name in the file -> the one to use; others stay.

    Raises:
        BadFileError: there are several tasks, or a class has no training image.
    """
    if len(split.classnames) != 1:
        raise BadFileError(f"{path} has {len(split.classnames)} tasks; one is expected")
    names = [renamed.get(name, name) for name in split.classnames[0]]
    trained = {item.label for item in split.lists["train"]}
    # the published code counts the names, so it would have more classes than images tell of
    absent = {label: name for label, name in enumerate(names) if label not in trained}
    if absent:
        raise BadFileError(no_training_image(path, absent))
    return {
        name: [Item(item.path, item.label, names[item.label]) for item in items]
        for name, items in split.lists.items()
    }


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _texts(meta: Mapping[str, Any], key: str, count: int) -> list[str]:
    found = meta.get(key)
    return found if _is_texts(found) and len(found) == count else [""] * count


def _parse(entry: Any, classnames: list[list[str]], where: str) -> TaskItem:
    match entry:
        case [str(path), [int(label)], [int(task)]] if (
            is_relative(path) and 0 <= task < len(classnames) and 0 <= label < len(classnames[task])
        ):
            return TaskItem(path, label, task)
    raise BadFileError(
        f"{where}: {json.dumps(entry)[:80]} is no [relative path, [label], [task]] of the file's "
        "classes; make the file again"
    )
