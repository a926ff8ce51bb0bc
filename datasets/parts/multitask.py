"""Datasets of several tasks in one label space (SoftCPT), made of datasets of one task."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dassl.data.datasets import DatasetBaseMT, DatumMT
from dassl.utils.errors import BadFileError, BadValueError
from datasets.parts.items import SPLITS
from datasets.parts.reader import ListedDataset, TaskPlace
from datasets.parts.split_files import reseeded
from datasets.parts.text_lists import read_lines

OWN_LINES = ("task_name.txt", "task_desc.txt")
TaskLists = dict[str, list[DatumMT]]  # items by "train", "val", "test"


@dataclass(frozen=True)
class TaskInfo:
    """What is known of a task besides its images.

    Attributes:
        name: what is told apart, in words that a prompt can hold.
        classnames: its class names.
        description: a sentence that nothing in training reads.
        metric: "overall_acc" or "mean_acc".
        template: hand-written prompt, with {} for the class name.
        dataset: the row of the task in tables: its file in configs/datasets, where it has one.
        split_note: what its split file says of who made it; "" of a published one.
    """

    name: str
    classnames: list[str]
    description: str
    metric: str
    template: str
    dataset: str
    split_note: str = ""


class TaskSuite(DatasetBaseMT):
    """Tasks and their images.

    Args:
        tasks: by task id.
        lists: items of all tasks, by "train", "val" and "test".

    Attributes:
        task_templates, task_datasets, task_split_notes: `TaskInfo.template`, `.dataset` and
            `.split_note` by task id; see `DatasetBaseMT` for the others.
        split_note: the notes of the tasks that have one, with their datasets; "" if none has.
        split_file: the file that lists the images of all tasks; None of a `JointDataset`.
        partial: None, as no task has folders that may lack classes (see `ListedDataset`).
    """

    split_file: Any = None  # on the class of such a dataset: its name
    partial = None

    def __init__(self, tasks: Sequence[TaskInfo], lists: TaskLists) -> None:
        self.task_templates = [task.template for task in tasks]
        self.task_datasets = [task.dataset for task in tasks]
        self.task_split_notes = [task.split_note for task in tasks]
        self.split_note = "; ".join(
            f"{task.dataset}: {task.split_note}" for task in tasks if task.split_note
        )
        super().__init__(
            taskid2tname=[task.name for task in tasks],
            taskid2cname=[task.classnames for task in tasks],
            taskid2desc=[task.description for task in tasks],
            taskid2type=["sl"] * len(tasks),
            taskid2metric=[task.metric for task in tasks],
            train_x=lists["train"],
            val=lists["val"],
            test=lists["test"],
        )


class JointDataset(TaskSuite):
    """Datasets of one task each, as the tasks of one.

    DATASET.SUBSAMPLE_TASKS takes all tasks, one (task0, task1 ...), or the base or new half of
    them; only their folders are needed. NUM_SHOTS and SUBSAMPLE_CLASSES act on each task by itself,
    and every member draws with a generator of its own, seeded with SEED: its images are those of
    its single-task run. (The published draws come from unseeded processes and cannot be made
    again.)

    A member is read from `split_dk_*.json` in its folder where that is, else as a dataset of its
    own. A line in `task_name.txt` or `task_desc.txt` there takes the place of its name (of that
    split file, or the reader's `task_name`) or description (of the split file, or the name).

    Class attributes of a dataset:
        dataset_dir: folder of published few-shot caches below DATASET.ROOT, which need not be
            there; "" for none.
        members: name in configs/datasets -> reader, by task id.

    Attributes:
        task_split_files: `ListedDataset.split_file` by task id.

    Raises:
        BadValueError: (a ValueError) no such task.
        UserError: whatever a member finds wrong.
    """

    members: ClassVar[Mapping[str, type[ListedDataset]]]

    def __init__(self, cfg: Any) -> None:
        places = chosen_tasks(type(self).__name__, len(self.members), subsampled_tasks(cfg))
        folder = type(self).dataset_dir
        if folder:
            folder = os.path.join(ListedDataset.find_root(cfg), folder)
        tasks = []
        self.task_split_files: list[Path | None] = []
        lists: TaskLists = {"train": [], "val": [], "test": []}
        for task, place in enumerate(places):
            file = list(self.members)[place]
            with reseeded(cfg.SEED):
                member = self.members[file](cfg, as_task=TaskPlace(place, folder))
            tasks.append(_task_info(member, file))
            self.task_split_files.append(member.split_file)
            for split, data in zip(SPLITS, (member.train_x, member.val, member.test), strict=True):
                lists[split] += [
                    DatumMT(item.impath, [item.label], item.domain, [task]) for item in data or []
                ]
        super().__init__(tasks, lists)


def subsampled_tasks(cfg: Any) -> str:
    """DATASET.SUBSAMPLE_TASKS, a key that trainers add."""
    return cfg.DATASET.get("SUBSAMPLE_TASKS", "all")


def chosen_tasks(name: str, count: int, subsample: str) -> list[int]:
    """Places of the tasks that DATASET.SUBSAMPLE_TASKS takes.

    Args:
        name: the dataset, for errors.
        count: number of its tasks.
        subsample: all; task<i>; base, the first ceil(count / 2); new, the rest.

    Raises:
        BadValueError: (a ValueError) another value, or none is left.
    """
    places, half = list(range(count)), math.ceil(count / 2)
    choices = {"all": places, "base": places[:half], "new": places[half:]}
    choices |= {f"task{place}": [place] for place in places}
    if not choices.get(subsample):
        raise BadValueError(
            f"DATASET.SUBSAMPLE_TASKS = {subsample!r}: {name} has {count} tasks; "
            f"use all, base, new or one of task0 ... task{count - 1}"
        )
    return choices[subsample]


def _task_info(member: ListedDataset, file: str) -> TaskInfo:
    own_name, own_description = (own_line(member.dataset_dir, file) for file in OWN_LINES)
    name = own_name or member.task_name
    return TaskInfo(
        name=name,
        classnames=member.classnames,
        description=own_description or member.task_description or name,
        metric=member.task_metric,
        template=member.template,
        dataset=file,
        split_note=getattr(member, "split_note", ""),
    )


def own_line(folder: str, file: str) -> str | None:
    """The line of a text file in a dataset's folder; None without the file.

    Raises:
        BadFileError: it has more or less than one line.
    """
    path = os.path.join(folder, file)
    if not os.path.exists(path):
        return None
    lines = read_lines(path, "write one line, or delete it")
    if len(lines) != 1:
        raise BadFileError(f"{path} has {len(lines)} lines; write one line, or delete it")
    return lines[0]
