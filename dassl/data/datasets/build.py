"""Datasets by name."""

from typing import Any

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(cfg: Any) -> Any:
    """The dataset `cfg.DATASET.NAME`.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    return build_registered(DATASET_REGISTRY, "Loading dataset", cfg.DATASET.NAME, cfg.VERBOSE, cfg)
