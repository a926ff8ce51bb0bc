"""What the linear probe searches by itself: all classes of a dataset, or those of each task.

N images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.parts.classes import ClassSpace


@dataclass(frozen=True)
class Block:
    """Classes start .. end - 1, which one search tells apart: all of a dataset, or a task's.

    Args:
        metric: what the search compares, a name of `METRICS`.
    """

    start: int
    end: int
    metric: str = "overall_acc"
    name: str = ""


def blocks(space: ClassSpace, dataset: Any) -> list[Block]:
    """One block, or one for each task of a multi-task dataset."""
    if not space.tasks:
        return [Block(0, len(space))]
    metrics = dataset.taskid2metric
    return [
        Block(task.start, task.end, metric, f"task {number} ({task.name})")
        for number, (task, metric) in enumerate(zip(space.tasks, metrics, strict=True))
    ]


def joint_labels(items: Sequence[Any], space: ClassSpace) -> np.ndarray:
    """Labels [N] in the run's label space; an item of a multi-task dataset has one label and one
    task."""
    if not space.tasks:
        return np.array([item.label for item in items], dtype=np.int64)
    starts = [task.start for task in space.tasks]
    return np.array([starts[item.task[0]] + item.label[0] for item in items], dtype=np.int64)
