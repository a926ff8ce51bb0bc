"""Fashion-20: clothes, shoes and hats under twenty questions (SoftCPT, arXiv:2208.13474)."""

import logging
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dassl.data.datasets import DATASET_REGISTRY, DatumMT
from dassl.utils.errors import BadFileError, BadValueError, MissingFileError
from datasets.parts.class_folders import make_it
from datasets.parts.fewshot.draw import shots_of
from datasets.parts.fewshot.files import TASK_CACHES, cache_path, is_kept
from datasets.parts.fewshot.pickles import read_task_cache
from datasets.parts.folders import check_dataset_folder
from datasets.parts.items import SPLITS, check_images
from datasets.parts.multitask import TaskInfo, TaskLists, TaskSuite, chosen_tasks, subsampled_tasks
from datasets.parts.new_splits import cut, list_folders, made_by, new_split_file
from datasets.parts.reader import ListedDataset
from datasets.parts.softcpt_splits import TaskItem, TaskSplit, load_task_split, write_task_split
from datasets.parts.split_files import reseeded, warn_of_own_split
from datasets.parts.text_lists import read_lines
from datasets.parts.wording import prepare_command

logger = logging.getLogger(__name__)

# a question's hand-written prompt, by task id
KINDS = ["pants"] * 3 + ["tops"] * 4 + ["shoes"] * 7 + ["hat"] + ["socks"] * 2
KINDS += ["skirt", "tops", "underwear"]


@DATASET_REGISTRY.register()
class Fashion20(TaskSuite):
    """`fashion20/images/<task>/<class>/`, both numbers from 0, split_dk_Fashion20.json and
    task_info.csv; twenty tasks, 78 classes, each judged by its mean accuracy.

    task_info.csv: a header and a line for each task, four columns between tabs: id, name, anything,
    class names between commas. SUBSAMPLE_TASKS and NUM_SHOTS act as in `JointDataset`; few shots
    are drawn for all tasks before some are chosen. Classes are not cut into base and new.

    Raises:
        BadValueError: (a ValueError) SUBSAMPLE_CLASSES, or no such task.
        MissingFileError: a folder, file or image is missing.
        BadFileError: task_info.csv or the split file is malformed.
    """

    dataset_dir = "fashion20"
    holds = "split_dk_Fashion20.json, task_info.csv"
    split_file: Any = "split_dk_Fashion20.json"

    def __init__(self, cfg: Any) -> None:
        if cfg.DATASET.get("SUBSAMPLE_CLASSES", "all") != "all":
            raise BadValueError(
                f"DATASET.SUBSAMPLE_CLASSES = {cfg.DATASET.SUBSAMPLE_CLASSES!r}: the classes of "
                "Fashion20 are not cut; use all"
            )
        root = ListedDataset.find_root(cfg)
        self.dataset_dir = os.path.join(root, type(self).dataset_dir)
        self.image_dir = os.path.join(self.dataset_dir, "images")
        check_dataset_folder(self.dataset_dir, type(self), root)
        tasks = self.read_tasks(self.dataset_dir)
        places = chosen_tasks("Fashion20", len(tasks), subsampled_tasks(cfg))
        found = self.read_split(self.dataset_dir, tasks)
        self.split_file = Path(self.dataset_dir, type(self).split_file)
        warn_of_own_split(str(self.split_file), found.note)
        every = [item for items in found.lists.values() for item in items]
        check_images(every, self.image_dir, "Fashion20")
        lists = {
            split: [self._datum(item.path, item.label, item.task) for item in items]
            for split, items in found.lists.items()
        }
        if cfg.DATASET.NUM_SHOTS >= 1:
            lists |= self._few_shots(lists, tasks, cfg.DATASET.NUM_SHOTS, cfg.SEED)
        kept = {split: _of_tasks(items, places) for split, items in lists.items()}
        chosen = [replace(tasks[place], split_note=found.note) for place in places]
        super().__init__(chosen, kept)
        self.split_note = found.note

    @classmethod
    def read_tasks(cls, folder: str) -> list[TaskInfo]:
        """The tasks of task_info.csv.

        Raises:
            MissingFileError: there is no such file.
            BadFileError: there are not twenty tasks, or a line is malformed.
        """
        path, remedy = os.path.join(folder, "task_info.csv"), "it comes with the images"
        lines = read_lines(path, remedy)[1:]
        if len(lines) != len(KINDS):
            raise BadFileError(f"{path} has {len(lines)} tasks, not {len(KINDS)}; {remedy}")
        return [_parse_task(line, place, path) for place, line in enumerate(lines)]

    @classmethod
    def read_split(cls, folder: str, tasks: Sequence[TaskInfo] | None) -> TaskSplit:
        """The split file; its class names are not used, those of the tasks are.

        Raises:
            MissingFileError: there is no such file.
            BadFileError: it is malformed, or has other numbers of classes than `tasks`.
        """
        source = os.path.join(folder, cls.split_file)
        if not os.path.isfile(source):
            advice = make_it(prepare_command("Fashion20", os.path.dirname(folder)))
            raise MissingFileError(f"Fashion20: no split file {source}; {advice}")
        found = load_task_split(source)
        counts = [len(names) for names in found.classnames]
        expected = [len(task.classnames) for task in tasks or ()]
        if tasks is not None and counts != expected:
            raise BadFileError(
                f"{source} has tasks of {counts} classes, task_info.csv of {expected}; "
                "delete the split file and make it again"
            )
        return found

    def _few_shots(
        self, lists: TaskLists, tasks: list[TaskInfo], shots: int, seed: int
    ) -> TaskLists:
        """Train and val of a published draw, if there is one, else of a new one."""
        path = cache_path(self.dataset_dir, shots, seed, TASK_CACHES)
        if is_kept(path):
            return self._read_cache(path, tasks)
        with reseeded(seed):
            return {
                split: self.generate_fewshot_dataset(lists[split], num_shots=shots_of(split, shots))
                for split in ("train", "val")
            }

    def _read_cache(self, path: str, tasks: list[TaskInfo]) -> TaskLists:
        logger.warning("Warning: %s is used; delete it to draw again", path)
        lists: TaskLists = {"train": [], "val": []}
        for place, task in enumerate(tasks):
            names = dict(enumerate(task.classnames))
            images = f"{type(self).dataset_dir}/images"
            drawn = read_task_cache(path, images, ("train", "val"), names, place)
            for split, items in drawn.items():
                check_images(items, self.image_dir, path)
                lists[split] += [self._datum(item.path, item.label, place) for item in items]
        return lists

    def _datum(self, path: str, label: int, task: int) -> DatumMT:
        return DatumMT(os.path.join(self.image_dir, path), [label], 0, [task])

    @classmethod
    def make_split(cls, root: Path, seed: int = 1) -> Path:
        """Cut the images of each task, all classes together, into 50 % train, 20 % val, 30 % test,
        and write the split file; images in sorted order, shuffled by a generator with `seed`.

        Raises:
            UserError: a folder or task_info.csv is missing, a folder is no task or class of it, a
                task has too few images, or there is a split file.
        """
        folder = root / cls.dataset_dir
        file = new_split_file(folder, cls.split_file)
        tasks = cls.read_tasks(str(folder))
        generator = random.Random(seed)
        lists: dict[str, list[TaskItem]] = {split: [] for split in SPLITS}
        for place, task in enumerate(tasks):
            items = _list_task(folder / "images", place, len(task.classnames))
            generator.shuffle(items)
            parts = cut(items, f"Fashion20: task {place} ({task.name})")
            for split, part in zip(SPLITS, parts, strict=True):
                lists[split] += part
        write_task_split(str(file), lists, tasks, made_by(cls.__name__, seed))
        return file


def _parse_task(line: str, place: int, path: str) -> TaskInfo:
    columns = [column.strip() for column in line.split("\t")]
    names = [name.strip() for name in columns[-1].split(",")]
    if len(columns) != 4 or not columns[1] or not all(names):
        raise BadFileError(
            f"{path}: the line {line[:80]!r} is no id, name, anything, class names (commas) "
            "between tabs"
        )
    return TaskInfo(
        name=columns[1],
        classnames=names,
        description=f"Classify {columns[1]} into {len(names)} categories.",
        metric="mean_acc",
        template=f"a photo of {{}}, a type of {KINDS[place]}.",
        dataset=f"fashion20_task{place}",
    )


def _list_task(images: Path, task: int, num_classes: int) -> list[TaskItem]:
    """The images of a task, class by class, sorted."""
    items = []
    for item in list_folders(str(images), below=str(task)):
        name = item.classname  # its folder's
        if not name.isdecimal() or int(name) >= num_classes:
            raise BadFileError(
                f"Fashion20: {images / str(task) / name} is none of the classes 0 ... "
                f"{num_classes - 1}; move it away"
            )
        items.append(TaskItem(item.path, int(name), task))
    return items


def _of_tasks(items: list[DatumMT], places: list[int]) -> list[DatumMT]:
    """The items of some tasks, which get the numbers 0, 1, ..."""
    number = {place: task for task, place in enumerate(places)}
    return [
        DatumMT(item.impath, item.label, 0, [number[item.task[0]]])
        for item in items
        if item.task[0] in number
    ]
