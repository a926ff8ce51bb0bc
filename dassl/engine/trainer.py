"""`TrainerX` and `TrainerXU`: the loop over batches."""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from dassl.engine.base import TestRecord, TrainerBase
from dassl.engine.scalars import ScalarBuffer
from dassl.engine.simple import SimpleTrainer
from dassl.engine.simple_net import SimpleNet
from dassl.utils.errors import UnknownNameError
from dassl.utils.meters import AverageMeter, MetricMeter

__all__ = [
    "AverageMeter",
    "MetricMeter",
    "SimpleNet",
    "SimpleTrainer",
    "SummaryWriter",  # noqa: F822
    "TestRecord",
    "TrainerBase",
    "TrainerX",
    "TrainerXU",
]

logger = logging.getLogger(__name__)


def __getattr__(name: str) -> Any:
    if name == "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        globals()[name] = SummaryWriter
        return SummaryWriter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _BatchLoop(SimpleTrainer):
    """An epoch of batches, each a tuple of arguments of `forward_backward`."""

    batch_idx = 0
    num_batches = 0

    def run_batches(self, batches: Iterable[tuple[Any, ...]]) -> None:
        """Train on `self.num_batches` batches; print and record what each step returns."""
        losses, batch_time, data_time = MetricMeter(), AverageMeter(), AverageMeter()
        scalars = ScalarBuffer()
        frequency = self.cfg.TRAIN.PRINT_FREQ
        end = time.time()
        for self.batch_idx, batch in enumerate(batches):
            data_time.update(time.time() - end)
            summary = self.forward_backward(*batch)
            batch_time.update(time.time() - end)
            losses.update(summary)

            step = self.epoch * self.num_batches + self.batch_idx
            for name, meter in losses.meters.items():
                scalars.add(f"train/{name}", meter.unread_avg, step)
            scalars.add("train/lr", self.get_current_lr(), step)
            count = self.batch_idx + 1
            if self.num_batches < frequency or (frequency > 0 and count % frequency == 0):
                self.check_losses()
                logger.info("%s", self._progress(losses, batch_time, data_time))
                scalars.flush(self.write_scalar)
            end = time.time()
        scalars.flush(self.write_scalar)

    def _progress(
        self, losses: MetricMeter, batch_time: AverageMeter, data_time: AverageMeter
    ) -> str:
        """The line of log.txt for the batch that just ended; other programs parse it."""
        epochs_left = self.max_epoch - self.epoch - 1
        left = self.num_batches - self.batch_idx - 1 + epochs_left * self.num_batches
        parts = [
            f"epoch [{self.epoch + 1}/{self.max_epoch}]",
            f"batch [{self.batch_idx + 1}/{self.num_batches}]",
            f"time {batch_time.val:.3f} ({batch_time.avg:.3f})",
            f"data {data_time.val:.3f} ({data_time.avg:.3f})",
            f"{losses}",
            f"lr {self.get_current_lr():.4e}",
            f"eta {timedelta(seconds=int(batch_time.avg * left))}",
        ]
        return " ".join(parts)


class TrainerX(_BatchLoop):
    """Trains on labelled images. A method overrides `build_model` and `forward_backward`."""

    def run_epoch(self) -> None:
        """One pass over `train_loader_x`."""
        self.set_model_mode("train")
        self.num_batches = len(self.train_loader_x)
        self.run_batches((batch,) for batch in self.train_loader_x)

    def parse_batch_train(self, batch: dict[str, Any]) -> tuple[Any, Any, Any]:
        """(images, labels, domains) on the device."""
        return tuple(batch[key].to(self.device) for key in ("img", "label", "domain"))


class TrainerXU(_BatchLoop):
    """Trains on labelled and unlabelled images: `forward_backward(batch_x, batch_u)`."""

    def run_epoch(self) -> None:
        """As many pairs of batches as TRAIN.COUNT_ITER says; an exhausted loader starts again."""
        self.set_model_mode("train")
        lengths = {"train_x": len(self.train_loader_x), "train_u": len(self.train_loader_u)}
        lengths["smaller_one"] = min(lengths.values())
        wanted = self.cfg.TRAIN.COUNT_ITER
        if wanted not in lengths:
            raise UnknownNameError(
                f"TRAIN.COUNT_ITER = {wanted!r}: not one of {', '.join(lengths)}"
            )
        self.num_batches = lengths[wanted]
        self.run_batches(self._pairs())

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        labelled, unlabelled = _endless(self.train_loader_x), _endless(self.train_loader_u)
        for _ in range(self.num_batches):
            yield next(labelled), next(unlabelled)

    def parse_batch_train(
        self, batch_x: dict[str, Any], batch_u: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        """(labelled images, their labels, unlabelled images) on the device."""
        images = [batch_x["img"], batch_x["label"], batch_u["img"]]
        return tuple(tensor.to(self.device) for tensor in images)


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from loader
