"""Training that is measured in iterations, where the published code is."""

import logging
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from dassl.utils.errors import UserError
from trainers.parts.options import read_key
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)


class IterationTrainer(PromptTrainer):
    """Trains for N x shots iterations; a cosine that ends at `lowest_rate` moves with each of them.

    Epochs follow from the size of the data; the last may end before it has seen all of them.
    OPTIM.MAX_EPOCH, LR_SCHEDULER and the keys of warm-up are not read.

    Attributes:
        iterations_key: the config key of N.
        lowest_rate: the learning rate at the end of the cosine.
    """

    iterations_key: str
    lowest_rate = 1e-6

    @property
    def num_iterations(self) -> int:
        """N x shots."""
        return int(read_key(self.cfg, self.iterations_key)) * max(1, self.cfg.DATASET.NUM_SHOTS)

    def build_scheduler(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        return CosineAnnealingLR(optimizer, self.num_iterations, eta_min=self.lowest_rate)

    def train(self) -> None:
        """The engine's loop over as many epochs as the iterations fill.

        Raises:
            UserError: no number of shots is given.
        """
        if self.cfg.DATASET.NUM_SHOTS < 1:
            raise UserError(
                f"DATASET.NUM_SHOTS = {self.cfg.DATASET.NUM_SHOTS}: training lasts "
                f"{self.iterations_key} x shots iterations; use 1 or more"
            )
        an_epoch = len(self.train_loader_x)
        self.max_epoch = -(-self.num_iterations // an_epoch)
        logger.info(
            f"{self.num_iterations} iterations, {an_epoch} an epoch: {self.max_epoch} epochs"
        )
        super().train()

    def run_epoch(self) -> None:
        """One pass over the training data, or what is left of the iterations."""
        self.set_model_mode("train")
        an_epoch = len(self.train_loader_x)
        self.num_batches = min(an_epoch, self.num_iterations - self.epoch * an_epoch)
        self.run_batches((batch,) for batch in islice(self.train_loader_x, self.num_batches))

    def forward_backward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        report = super().forward_backward(batch)
        self.sched.step()
        return report

    def update_lr(self, names: Any = None) -> None:
        """Nothing: the schedule moves with every iteration, not at the end of an epoch."""
