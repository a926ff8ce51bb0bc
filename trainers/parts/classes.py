"""The classes of a run."""

import itertools
from dataclasses import dataclass
from typing import Any

from dassl.data.datasets.multitask import class_ranges, is_multitask


@dataclass(frozen=True)
class Task:
    """One of several tasks: its classes are start..end - 1 of the joint label space.

    Args:
        name: what is told apart, in words that a prompt can hold.
        template: the task's hand-written prompt with {} for the classname; "" where there is none.
    """

    name: str
    start: int
    end: int
    template: str = ""

    @property
    def classes(self) -> range:
        """Its places in the joint label space."""
        return range(self.start, self.end)


@dataclass(frozen=True)
class ClassSpace:
    """What a run tells images apart by.

    Args:
        names: C classnames in label order.
        ids: C folder ids (such as ImageNet's wnids), where a dataset has them; names may repeat,
            ids do not.
        tasks: the tasks that share the label space, in order; () where all classes are one task.
        all_ids: ids of the larger label space that the classes are of (ImageNet's, for its
            variants), in its label order.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...] | None = None
    tasks: tuple[Task, ...] = ()
    all_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Any) -> "ClassSpace":
        """The classes of a dataset object: its `classnames` and, if it has them, its `class_ids`;
        of a multi-task dataset its tasks and, one after the other, their classes."""
        ids, by_task = getattr(dataset, "class_ids", None), getattr(dataset, "taskid2cname", None)
        return cls(
            names=tuple(itertools.chain(*by_task) if by_task else dataset.classnames),
            ids=tuple(ids) if ids else None,
            tasks=_tasks_of(dataset),
            all_ids=tuple(getattr(dataset, "all_class_ids", ())),
        )

    def __len__(self) -> int:
        return len(self.names)

    def words(self) -> list[str]:
        """The names as they stand in a prompt: underscores are blanks."""
        return [name.replace("_", " ") for name in self.names]

    def names_of(self, task: Task) -> tuple[str, ...]:
        """The classnames of one of the tasks."""
        return self.names[task.start : task.end]

    def whole(self) -> "ClassSpace":
        """The larger label space, its ids in the place of names."""
        return ClassSpace(self.all_ids, self.all_ids)

    def task_of_class(self) -> list[int]:
        """The task of each class; all 0 where there is one."""
        if not self.tasks:
            return [0] * len(self)
        return [number for number, task in enumerate(self.tasks) for _ in task.classes]

    def rows_in(self, other: "ClassSpace") -> list[int] | None:
        """Where these classes stand in `other`, or None when they are not part of it.

        By folder id where both sides have ids; otherwise both lists have to be the same. With tasks
        it is decided for each: a task that has no equal in `other`, by name and list of classes,
        gets -1 in all its places.
        """
        if self.tasks or other.tasks:
            known = {(task.name, other.names_of(task)): task for task in other.tasks}
            rows = []
            for task in self.tasks:
                same = known.get((task.name, self.names_of(task)))
                rows += same.classes if same else [-1] * len(task.classes)
            return rows if any(row >= 0 for row in rows) else None
        if self.ids and other.ids:
            place = {class_id: row for row, class_id in enumerate(other.ids)}
            rows = [place.get(class_id, -1) for class_id in self.ids]
            return None if -1 in rows else rows
        return list(range(len(self))) if self.names == other.names else None

    def to_plain(self) -> dict[str, Any]:
        """Lists for a checkpoint."""
        plain = {"classnames": list(self.names), "class_ids": list(self.ids) if self.ids else None}
        if self.tasks:
            plain["tasks"] = [[task.name, task.start, task.end] for task in self.tasks]
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ClassSpace":
        """The inverse of `to_plain`."""
        ids = plain.get("class_ids")
        tasks = tuple(Task(*task) for task in plain.get("tasks", ()))
        return cls(tuple(plain["classnames"]), tuple(ids) if ids else None, tasks)


def _tasks_of(dataset: Any) -> tuple[Task, ...]:
    """The tasks of a multi-task dataset, from its lists by task id."""
    if not is_multitask(dataset):
        return ()
    names = dataset.taskid2tname
    places = class_ranges(map(len, dataset.taskid2cname))
    templates = getattr(dataset, "task_templates", None) or [""] * len(names)
    return tuple(
        Task(name, start, end, template)
        for name, (start, end), template in zip(names, places, templates, strict=True)
    )
