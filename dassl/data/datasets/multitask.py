"""Datasets of several tasks whose classes share one label space.

The classes stand task after task: task t has the places start .. end - 1 of the C joint classes.
The names are those of SoftCPT's engine, so that its dataset files and few-shot caches can be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from dassl.data.datasets.base_dataset import DatasetBase, DatumMT
from dassl.utils.errors import BadValueError

METRICS = ("mean_acc", "overall_acc")
TASK_TYPES = ("sl",)  # one label an image


class DatasetBaseMT(DatasetBase):
    """Lists of `DatumMT`, and lists by task id of what the tasks are.

    Args:
        taskid2tname: name of each task, in words that a prompt can hold.
        taskid2cname: class names of each task.
        taskid2desc: one sentence each; nothing in training reads it.
        taskid2type: "sl" for each: one label an image.
        taskid2metric: how a task is judged, one of `METRICS`.
        train_x, train_u, val, test: as in `DatasetBase`, of `DatumMT`.

    Attributes:
        classnames: the C names of the joint label space.
        num_classes: number of classes of each task.
        lab2cname: task id -> class names.

    Raises:
        BadValueError: (a ValueError) no training images, lists of different length, another type or
            metric, a task without classes.
    """

    def __init__(
        self,
        taskid2tname: list[str],
        taskid2cname: list[list[str]],
        taskid2desc: list[str],
        taskid2type: list[str],
        taskid2metric: list[str],
        train_x: list[DatumMT] | None = None,
        train_u: list[DatumMT] | None = None,
        val: list[DatumMT] | None = None,
        test: list[DatumMT] | None = None,
    ) -> None:
        self.taskid2tname = taskid2tname
        self.taskid2cname = taskid2cname
        self.taskid2desc = taskid2desc
        self.taskid2type = taskid2type
        self.taskid2metric = taskid2metric
        self._check_tasks()
        super().__init__(train_x, train_u, val, test)  # type: ignore[arg-type]

    def _check_tasks(self) -> None:
        name, count = type(self).__name__, len(self.taskid2tname)
        for key in ("taskid2cname", "taskid2desc", "taskid2type", "taskid2metric"):
            if len(getattr(self, key)) != count:
                raise BadValueError(
                    f"dataset {name}: {key} has {len(getattr(self, key))} entries for {count} tasks"
                )
        check_kinds(f"dataset {name}", self.taskid2type, self.taskid2metric)
        for task, names in enumerate(self.taskid2cname):
            if not names:
                raise BadValueError(
                    f"dataset {name}: task {task} ({self.taskid2tname[task]}) has no class"
                )

    def get_num_classes(self, data_source: Any = None) -> list[int]:  # type: ignore[override]
        """Number of classes of each task."""
        return [len(names) for names in self.taskid2cname]

    def get_lab2cname(  # type: ignore[override]
        self, data_source: Any = None
    ) -> tuple[dict[int, list[str]], list[str]]:
        """Task id -> class names, and the names of the joint label space."""
        joint = [name for names in self.taskid2cname for name in names]
        return dict(enumerate(self.taskid2cname)), joint

    def split_dataset_by_label(  # type: ignore[override]
        self, data_source: Iterable[DatumMT]
    ) -> dict[tuple[tuple[int, int], ...], list[DatumMT]]:
        """(task, label) -> items, in order of first appearance; few shots are drawn from these."""
        groups: dict[tuple[tuple[int, int], ...], list[DatumMT]] = defaultdict(list)
        for item in data_source:
            groups[item.key].append(item)
        return groups


def check_kinds(where: str, types: Sequence[str], metrics: Sequence[str]) -> None:
    """Check the type and the metric of each task.

    Raises:
        BadValueError: (a ValueError) names the task and what is allowed.
    """
    for kind, values, allowed in (("type", types, TASK_TYPES), ("metric", metrics, METRICS)):
        for task, value in enumerate(values):
            if value not in allowed:
                raise BadValueError(
                    f"{where}: the {kind} of task {task} is {value!r}; use {' or '.join(allowed)}"
                )


def is_multitask(dataset: Any) -> bool:
    """Whether a dataset has several tasks in one label space (or one, told in the same way)."""
    return bool(getattr(dataset, "taskid2cname", None))


def class_ranges(counts: Iterable[int]) -> list[tuple[int, int]]:
    """Place (start, end) of each task in the joint label space, from the tasks' class counts."""
    ranges, start = [], 0
    for count in counts:
        ranges.append((start, start + count))
        start += count
    return ranges
