"""Datasets by name."""

import logging
from typing import Any

from dassl.utils.registry import Registry
from dassl.utils.tools import check_availability

logger = logging.getLogger(__name__)

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(cfg: Any) -> Any:
    """The dataset `cfg.DATASET.NAME`.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    name = cfg.DATASET.NAME
    check_availability(name, DATASET_REGISTRY.registered_names())
    if cfg.VERBOSE:
        logger.info("Loading dataset: %s", name)
    return DATASET_REGISTRY.get(name)(cfg)
