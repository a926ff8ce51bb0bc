"""Trainers by name."""

import logging
from typing import Any

from dassl.utils.registry import Registry
from dassl.utils.tools import check_availability

logger = logging.getLogger(__name__)

TRAINER_REGISTRY = Registry("TRAINER")


def build_trainer(cfg: Any) -> Any:
    """The trainer `cfg.TRAINER.NAME`, ready to train or test.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    name = cfg.TRAINER.NAME
    check_availability(name, TRAINER_REGISTRY.registered_names())
    if cfg.VERBOSE:
        logger.info("Loading trainer: %s", name)
    return TRAINER_REGISTRY.get(name)(cfg)
