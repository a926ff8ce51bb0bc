"""Checks of what belongs to several tasks: Fashion-20, and the caches of joint datasets."""

import os
from types import SimpleNamespace

from datasets.checking import lists as list_checks
from datasets.checking.caches import check_task_caches
from datasets.checking.findings import Report
from datasets.checking.folders import check_files, check_folder, check_image_folders
from datasets.fashion20 import Fashion20
from datasets.parts.fewshot.choice import TaskPlace
from datasets.parts.fewshot.files import TASK_CACHES
from datasets.parts.items import SPLITS, Item, Lists
from datasets.parts.multitask import JointDataset, TaskInfo
from datasets.parts.softcpt_splits import TaskSplit
from datasets.parts.wording import first_few

DRAWN = ("train", "val")


def check_joint_caches(report: Report, root: str, suite: type[JointDataset]) -> None:
    """Findings on the caches of all tasks in a suite's own folder; faults of its members' lists are
    told there.
    """
    if not os.path.lexists(os.path.join(report.folder, TASK_CACHES)):
        return
    for task, member in enumerate(suite.members.values()):
        found = member.at(root, TaskPlace(task, report.folder))
        try:
            lists: Lists | None = found.read_lists()
        except Exception:  # whatever it is, the member's own check tells it
            lists = None
        check_task_caches(report, found, lists, report.folder, task)


def check_fashion20(report: Report, root: str) -> None:
    """Folder, task_info.csv, split file, images and caches of Fashion-20."""
    if not check_folder(report, root, Fashion20):
        return
    image_dir = os.path.join(report.folder, "images")
    whole = check_image_folders(report, Fashion20, image_dir)
    tasks, split = None, None
    with report.catching("task_info.csv"):
        tasks = Fashion20.read_tasks(report.folder)
    with report.catching(Fashion20.split_file):
        split = Fashion20.read_split(report.folder, tasks)
    if tasks is None or split is None:
        return
    found = SimpleNamespace(
        dataset_dir=report.folder, images="images", image_dir=image_dir, drawn_splits=DRAWN
    )
    _check_tasks(report, tasks, split)
    if whole:
        paths = (item.path for items in split.lists.values() for item in items)
        check_files(report, image_dir, paths, Fashion20.split_file)
        for place, task in enumerate(tasks):
            lists = _task_lists(split, place, task.classnames)
            # one generator draws for all tasks: the draw of a single one cannot be compared
            check_task_caches(report, found, lists, report.folder, place, compare=False)


def _task_lists(split: TaskSplit, task: int, names: list[str]) -> Lists:
    return {
        name: [Item(i.path, i.label, names[i.label]) for i in split.lists[name] if i.task == task]
        for name in SPLITS
    }


def _check_tasks(report: Report, tasks: list[TaskInfo], split: TaskSplit) -> None:
    """Findings on the lists of each task; a class may lack images, as tasks are cut as a whole."""
    source = os.path.join(report.folder, Fashion20.split_file)
    report.counts = {"classes": sum(len(task.classnames) for task in tasks)}
    report.counts |= {name: len(split.lists[name]) for name in SPLITS}
    good = True
    for place, task in enumerate(tasks):
        lists = _task_lists(split, place, task.classnames)
        where = f"{source}: task {place} ({task.name})"
        good = list_checks.check_paths(report, lists, where) and good
        if not lists["train"] or not lists["test"]:
            good = False
            report.wrong(f"{where} has no training or no test images; make the file again")
        trained = {item.label for item in lists["train"]}
        bare = [name for label, name in enumerate(task.classnames) if label not in trained]
        if bare:
            report.warn(f"{where}: no training image for {first_few(bare)}")
    words = f"{len(tasks)} tasks, {list_checks.in_words(report.counts)}"
    if good and split.note:
        report.warn(f"{source}: own split, made by {split.note}; {words}")
    elif good:
        report.ok(f"{Fashion20.split_file} has {words}")
