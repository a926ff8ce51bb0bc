"""Accuracy, macro F1, per-class accuracy and confusion matrix."""

import io
import logging
import os
from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from dassl.evaluation.build import EVALUATOR_REGISTRY
from dassl.utils.errors import BadValueError, CheckFailedError
from dassl.utils.files import atomic_write

logger = logging.getLogger(__name__)


def check_not_empty(labels: list[torch.Tensor]) -> None:
    """Check that the batches' labels hold an image.

    Raises:
        BadValueError: (a ValueError) they do not.
    """
    if not sum(len(batch) for batch in labels):
        raise BadValueError(
            "no image to evaluate: the split is empty; check DATASET.ROOT and the test list"
        )


def confusion_counts(truth: np.ndarray, predicted: np.ndarray, size: int) -> np.ndarray:
    """Labels `[N]` and predictions `[N]` below `size` -> counts `[size, size]`, rows the truth."""
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


class EvaluatorBase:
    """What a trainer's `test()` calls: `reset`, `process` per batch, `evaluate`."""

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg

    def reset(self) -> None:
        raise NotImplementedError

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        raise NotImplementedError

    def evaluate(self) -> "OrderedDict[str, float]":
        raise NotImplementedError


@EVALUATOR_REGISTRY.register()
class Classification(EvaluatorBase):
    """Single-label classification. Nothing is read from the device before `evaluate`.

    Args:
        cfg: the whole tree; TEST.PER_CLASS_RESULT, TEST.COMPUTE_CMAT, OUTPUT_DIR are read.
        lab2cname: label -> class name; needed for per-class results.
    """

    def __init__(self, cfg: Any, lab2cname: dict[int, str] | None = None, **kwargs: Any) -> None:
        super().__init__(cfg)
        self._lab2cname = lab2cname
        if cfg.TEST.PER_CLASS_RESULT and lab2cname is None:
            raise CheckFailedError("TEST.PER_CLASS_RESULT needs the class names (lab2cname)")
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._predictions: list[torch.Tensor] = []
        self._labels: list[torch.Tensor] = []
        self._num_columns = 0

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take a batch: outputs `[B, C]`, labels `[B]`. Of equal outputs the first class wins."""
        self._predictions.append(mo.detach().argmax(dim=1))
        self._labels.append(gt.detach())
        self._num_columns = max(self._num_columns, mo.shape[1])

    def evaluate(self) -> "OrderedDict[str, float]":
        """Print and return percentages, unrounded: `accuracy`, `error_rate`, `macro_f1`.

        macro_f1 is the mean over the labels that occur in the truth. TEST.PER_CLASS_RESULT adds
        `perclass_accuracy`, the mean over the same labels.

        Raises:
            BadValueError: no image was processed.
        """
        check_not_empty(self._labels)
        confusion = self._confusion_counts()
        totals, correct = confusion.sum(axis=1), np.diag(confusion)
        present = totals > 0
        f1 = 2.0 * correct[present] / (totals + confusion.sum(axis=0))[present]
        total, num_correct = int(totals.sum()), int(correct.sum())
        accuracy = 100.0 * num_correct / total
        results = OrderedDict(
            accuracy=accuracy, error_rate=100.0 - accuracy, macro_f1=100.0 * float(f1.mean())
        )
        logger.info(
            "=> result\n* total: %s\n* correct: %s\n* accuracy: %.1f%%\n"
            "* error: %.1f%%\n* macro_f1: %.1f%%",
            f"{total:,}",
            f"{num_correct:,}",
            *results.values(),
        )
        if self.cfg.TEST.PER_CLASS_RESULT:
            results["perclass_accuracy"] = self._report_classes(totals, correct)
        if self.cfg.TEST.COMPUTE_CMAT:
            self._save_confusion(confusion / np.maximum(totals, 1)[:, None])
        return results

    def _confusion_counts(self) -> np.ndarray:
        """Counts `[N, N]`, rows the truth, one row per class of the run even if no image has it."""
        predicted = torch.cat([batch.cpu() for batch in self._predictions]).numpy()
        truth = torch.cat([batch.cpu() for batch in self._labels]).numpy().astype(np.int64)
        size = max(self._num_columns, int(truth.max()) + 1, max(self._lab2cname or [0]) + 1)
        return confusion_counts(truth, predicted, size)

    def _report_classes(self, totals: np.ndarray, correct: np.ndarray) -> float:
        assert self._lab2cname is not None
        lines = ["=> per-class result"]
        accuracies = []
        for label in np.flatnonzero(totals):
            accuracies.append(100.0 * float(correct[label]) / float(totals[label]))
            lines.append(
                f"* class: {label} ({self._lab2cname.get(int(label), '?')})\t"
                f"total: {totals[label]:,}\tcorrect: {correct[label]:,}\tacc: {accuracies[-1]:.1f}%"
            )
        mean = float(np.mean(accuracies))
        logger.info("%s\n* average: %.1f%%", "\n".join(lines), mean)
        return mean

    def _save_confusion(self, matrix: np.ndarray) -> None:
        path = os.path.join(self.cfg.OUTPUT_DIR, "cmat.pt")
        buffer = io.BytesIO()
        torch.save(matrix, buffer)
        atomic_write(path, buffer.getbuffer())
        logger.info("Confusion matrix is saved to %s", path)
