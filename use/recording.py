"""Keeping what a trainer's test computes: `train.py --save-predictions`.

B images, N pictures of a split, C classes.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import SequentialSampler

from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel
from use.classifier import PromptClassifier, Scored
from use.measures import BINS
from use.predictions import TEST_FILE, VAL_FILE, Predictions
from use.report import make_report, write_measures

logger = logging.getLogger("trainers")


class RecordingEvaluator:
    """An evaluator that keeps the logits and labels of its last test; all else is the inner
    one's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.logits: list[Tensor] = []
        self.labels: list[Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def reset(self) -> None:
        """Forgets all batches."""
        self.logits, self.labels = [], []
        self._inner.reset()

    def process(self, mo: Tensor, gt: Tensor) -> None:
        """Takes a batch: logits [B, C], labels [B] or label rows [B, C]."""
        self.logits.append(_stored(mo))
        self.labels.append(gt.detach().cpu())
        self._inner.process(mo, gt)


def record_test(trainer: Any) -> Callable[[], None]:
    """Makes a trainer keep what its tests compute.

    Returns:
        what writes `predictions.npz` of the last test into the run's folder, if there are
        validation images that the test did not see `predictions_val.npz` of these, and the
        measures of both, `measures.json`.
    """
    recorder = RecordingEvaluator(trainer.evaluator)
    trainer.evaluator = recorder

    def write() -> None:
        record = trainer.test_record
        if record is None:
            raise UserError("--save-predictions: nothing was tested; TEST.NO_TEST has to be False")
        folder = Path(trainer.output_dir)
        tested = trainer.val_loader if record.split == "val" else trainer.test_loader
        batches = recorder.logits, recorder.labels
        found, validation = _predictions(trainer, tested, record.split, *batches), None
        found.save(folder / TEST_FILE)
        logger.info(f"Predictions are saved to {folder / TEST_FILE}")
        unseen = None if record.split == "val" else trainer.val_loader
        if unseen is not None and not _paths(unseen) & _paths(tested):
            validation = _predictions(trainer, unseen, "val", *_scored(trainer, unseen))
            validation.save(folder / VAL_FILE)
            logger.info(f"Predictions are saved to {folder / VAL_FILE}")
        reports = make_report(found, validation, number_of_bins=BINS)
        write_measures(reports, folder, about=found.about)

    return write


class Keeper:
    """Keeps what a classifier scores, for a file of predictions without labels."""

    def __init__(self, classifier: PromptClassifier) -> None:
        self._classifier = classifier
        self._scored: list[Scored] = []

    def __call__(self, scored: Scored) -> None:
        self._scored.append(scored)

    def predictions(self) -> Predictions:
        """Of all pictures so far.

        Raises:
            UserError: there is none.
        """
        if not self._scored:
            raise UserError("--save-predictions: no picture could be read, nothing is saved")
        run, names = self._classifier.run, tuple(self._classifier.classes)
        paths = [image for scored in self._scored for image in scored.images]
        logits = torch.cat([scored.logits for scored in self._scored]).numpy()
        model = getattr(self._classifier.trainer, "model", None)
        about = about_run(run.cfg, model, ClassSpace(names))
        labels = np.full(len(paths), -1, dtype=np.int64)
        return Predictions(tuple(paths), labels, logits, names, {**about, "split": "pictures"})


def about_run(cfg: Any, model: Any, space: ClassSpace) -> dict[str, Any]:
    """What stands beside the logits in a file of predictions."""
    return {
        "trainer": cfg.TRAINER.NAME,
        "dataset": cfg.DATASET.NAME,
        "seed": cfg.SEED,
        "shots": cfg.DATASET.NUM_SHOTS,
        "subsample_classes": cfg.DATASET.get("SUBSAMPLE_CLASSES", "all"),
        "tasks": [[task.name, task.start, task.end] for task in space.tasks],
        "logit_scale": cosine_scale(model),
    }


def cosine_scale(model: Any) -> float | None:
    """By what a model's logits are cosines multiplied; None where they are something else."""
    if not isinstance(model, PromptModel):
        return None
    kind = type(model)
    for name in ("forward", "logits", "similarity"):
        if getattr(kind, name) is not getattr(PromptModel, name):
            return None
    return float(model.clip.logit_scale.exp())


def _stored(logits: Tensor) -> Tensor:
    logits = logits.detach().cpu()
    return logits if logits.dtype == torch.float64 else logits.float()


@torch.no_grad()
def _scored(trainer: Any, loader: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Logits [B, C] and labels of a loader's batches, in silence."""
    trainer.set_model_mode("eval")
    fixed = getattr(getattr(trainer, "model", None), "fixed_weights", nullcontext)
    logits, labels = [], []
    with fixed():
        for batch in trainer.test_batches(loader):
            images, truth = trainer.parse_batch_test(batch)
            logits.append(_stored(trainer.model_inference(images)))
            labels.append(truth.cpu())
    return logits, labels


def _paths(loader: Any) -> set[str]:
    return {loader.dataset.path(item) for item in loader.dataset.data_source}


def _predictions(
    trainer: Any, loader: Any, split: str, logits: list[Tensor], labels: list[Tensor]
) -> Predictions:
    if not isinstance(loader.sampler, SequentialSampler):
        raise UserError(
            f"DATALOADER.TEST.SAMPLER = {trainer.cfg.DATALOADER.TEST.SAMPLER}: "
            f"--save-predictions has to know which image comes when; use SequentialSampler"
        )
    truth = torch.cat(labels)
    if truth.dim() == 2:  # rows of several tasks, 1 at the class
        truth = truth.argmax(dim=1)
    space = ClassSpace.of(trainer.dm.dataset)
    about = about_run(trainer.cfg, getattr(trainer, "model", None), space)
    return Predictions(
        tuple(loader.dataset.path(item) for item in loader.dataset.data_source),
        truth.numpy(),
        torch.cat(logits).numpy(),
        space.names,
        {**about, "split": split},
    )
