"""The metric of several tasks: each task judged by itself, and their mean."""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dassl.data.datasets.multitask import check_kinds, class_ranges
from dassl.evaluation.build import EVALUATOR_REGISTRY
from dassl.evaluation.evaluator import EvaluatorBase, check_not_empty, confusion_counts
from dassl.utils.errors import BadValueError, CheckFailedError

logger = logging.getLogger(__name__)

_SHOWN = 3  # classes named in a warning


@dataclass(frozen=True)
class TaskResult:
    """What a test found for one task.

    Attributes:
        id: number of the task, from 0.
        name: its name, as it stands in prompts.
        dataset: name of its file in configs/datasets; "" where it has none.
        metric: percent, unrounded.
        total: images tested.
    """

    id: int
    name: str
    dataset: str
    metric: float
    total: int


@EVALUATOR_REGISTRY.register()
class ClassificationMT(EvaluatorBase):
    """Classification inside the task of each image, which is known (SoftCPT).

    A task's metric is `overall_acc` (correct / all) or `mean_acc` (mean of the classes' recalls,
    over the classes that have an image). The metric of a test is the tasks' unweighted mean.

    Args:
        cfg: the whole tree; TEST.PER_TASK_RESULT is read.
        lab2cname: class names of each task, by task id.
        task2tname, task2metric: name and metric of each task.
        task2type: "sl" for each.
        task2dataset: see `TaskResult.dataset`.

    Attributes:
        tasks: a `TaskResult` for each task, of the last `evaluate`.

    Raises:
        CheckFailedError: (an AssertionError) the dataset has no tasks.
        BadValueError: (a ValueError) another type or metric of a task, or an option of TEST that
            is for one task.
    """

    def __init__(
        self,
        cfg: Any,
        lab2cname: Mapping[int, Sequence[str]] | Sequence[Sequence[str]] | None = None,
        task2tname: Sequence[str] | None = None,
        task2type: Sequence[str] | None = None,
        task2metric: Sequence[str] | None = None,
        task2dataset: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cfg)
        if not task2tname or not task2metric or lab2cname is None:
            raise CheckFailedError(
                f"TEST.EVALUATOR = ClassificationMT: {cfg.DATASET.NAME or 'the dataset'} is no "
                "multi-task dataset; use Classification, or such a dataset (General10 with "
                "DATASET.SUBSAMPLE_TASKS task<i> has one of its datasets as a task)"
            )
        check_kinds(cfg.DATASET.NAME, task2type or (), task2metric)
        _check_options(cfg)
        self._names = list(task2tname)
        self._metrics = list(task2metric)
        self._datasets = list(task2dataset or [""] * len(self._names))
        self._classes = [list(lab2cname[task]) for task in range(len(self._names))]
        self._ranges = class_ranges(map(len, self._classes))
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.tasks: tuple[TaskResult, ...] = ()
        self._predictions: list[torch.Tensor] = []
        self._labels: list[torch.Tensor] = []

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take a batch: outputs `[B, C]`, label rows `[B, C]` of -1, 0 and 1.

        Nothing is read from the device. Of equal outputs the first class wins.
        """
        predictions, labels = [], []
        for start, end in self._ranges:
            predictions.append(mo[:, start:end].detach().argmax(dim=1))
            largest, label = gt[:, start:end].detach().max(dim=1)
            labels.append(label.where(largest > 0, -1))  # -1: no image of this task
        self._predictions.append(torch.stack(predictions, dim=1))  # [B, T]
        self._labels.append(torch.stack(labels, dim=1))

    def evaluate(self) -> "OrderedDict[str, float]":
        """Print and return percentages, unrounded: `metric`; with TEST.PER_TASK_RESULT each task is
        printed too, and `pertask_metric` is the same mean again.

        Raises:
            BadValueError: no image was processed, or none of some task.
        """
        check_not_empty(self._labels)
        predictions = torch.cat([batch.cpu() for batch in self._predictions]).numpy()
        labels = torch.cat([batch.cpu() for batch in self._labels]).numpy()
        self.tasks = tuple(
            self._judge(task, labels[:, task], predictions[:, task])
            for task in range(len(self._names))
        )
        mean = float(np.mean([task.metric for task in self.tasks]))
        results = OrderedDict(metric=mean)
        logger.info("=> result\n* total: %s\n* overall_metric: %.2f%%", f"{len(labels):,}", mean)
        if self.cfg.TEST.get("PER_TASK_RESULT", False):  # a key that trainers add
            for task in self.tasks:
                logger.info(
                    "* task: %d (%s)\ttotal: %s\tmetric: %.2f%%",
                    task.id,
                    task.name,
                    f"{task.total:,}",
                    task.metric,
                )
            logger.info("* average: %.2f%%", mean)
            results["pertask_metric"] = mean
        return results

    def _judge(self, task: int, labels: np.ndarray, predictions: np.ndarray) -> TaskResult:
        """The result of a task from labels `[N]`, -1 for other tasks' images, and predictions."""
        own = labels >= 0
        if not own.any():
            raise BadValueError(
                f"no image of task {task} ({self._names[task]}) to evaluate; check its test list, "
                "or leave the task out by DATASET.SUBSAMPLE_TASKS"
            )
        confusion = confusion_counts(labels[own], predictions[own], len(self._classes[task]))
        totals, correct = confusion.sum(axis=1), np.diag(confusion)
        if self._metrics[task] == "overall_acc":
            metric = 100.0 * float(correct.sum()) / float(totals.sum())
        else:
            present = totals > 0
            self._warn_of_absent(task, np.flatnonzero(~present))
            metric = 100.0 * float((correct[present] / totals[present]).mean())
        name, dataset = self._names[task], self._datasets[task]
        return TaskResult(task, name, dataset, metric, int(totals.sum()))

    def _warn_of_absent(self, task: int, absent: np.ndarray) -> None:
        if len(absent):
            named = ", ".join(self._classes[task][label] for label in absent[:_SHOWN])
            logger.warning(
                "Warning: task %d (%s): no image of %d of %d classes (%s%s); "
                "mean_acc is the mean over the others",
                task,
                self._names[task],
                len(absent),
                len(self._classes[task]),
                named,
                ", ..." if len(absent) > _SHOWN else "",
            )


def _check_options(cfg: Any) -> None:
    for key in ("PER_CLASS_RESULT", "COMPUTE_CMAT"):
        if cfg.TEST[key]:
            raise BadValueError(
                f"TEST.{key} = True: for one task only, and {cfg.DATASET.NAME} is a multi-task "
                "dataset; use TEST.PER_TASK_RESULT"
            )
