"""Trainers by name."""

from typing import Any

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

TRAINER_REGISTRY = Registry("TRAINER")


def build_trainer(cfg: Any) -> Any:
    """The trainer `cfg.TRAINER.NAME`, ready to train or test.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    return build_registered(TRAINER_REGISTRY, "Loading trainer", cfg.TRAINER.NAME, cfg.VERBOSE, cfg)
