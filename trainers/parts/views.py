"""The augmented views of training images that a step reads."""

import logging
from typing import Any

import torch
from yacs.config import CfgNode

from dassl.utils.errors import UserError
from trainers.parts.model import Batch

logger = logging.getLogger(__name__)


def check_num_views(cfg: CfgNode, read: int) -> None:
    """Checks DATALOADER.K_TRANSFORMS against the number of views that a method reads; says which
    are made for nothing.

    Raises:
        UserError: there are fewer.
    """
    given, method = cfg.DATALOADER.K_TRANSFORMS, cfg.TRAINER.NAME
    if given < read:
        raise UserError(
            f"DATALOADER.K_TRANSFORMS = {given}: {method} reads {read} augmented views of each "
            f"training image; set it to {read}"
        )
    if given > read:
        logger.info(
            f"Notice: {method} reads {read} of the DATALOADER.K_TRANSFORMS {given} views of a "
            f"training image; the others are made for nothing"
        )


def to_batch(batch: dict[str, Any], device: torch.device) -> Batch:
    """The engine's batch on a device: of K_TRANSFORMS views the first is the image; the label rows
    [B, C] of several tasks, 1 at the class, become places in the joint label space."""
    views = batch["img"] if isinstance(batch["img"], list) else [batch["img"]]
    image, *others = (view.to(device, non_blocking=True) for view in views)
    given = batch["label"] if batch["label"].dim() == 1 else batch["label"].argmax(dim=1)
    label = given.to(device, non_blocking=True)
    host_label = given if given.device.type == "cpu" else None
    return Batch(image, label, tuple(others), batch.get("index"), host_label)
