"""Evaluators by name."""

import logging
from typing import Any

from dassl.utils.registry import Registry
from dassl.utils.tools import check_availability

logger = logging.getLogger(__name__)

EVALUATOR_REGISTRY = Registry("EVALUATOR")


def build_evaluator(cfg: Any, **kwargs: Any) -> Any:
    """The evaluator `cfg.TEST.EVALUATOR`.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    name = cfg.TEST.EVALUATOR
    check_availability(name, EVALUATOR_REGISTRY.registered_names())
    if cfg.VERBOSE:
        logger.info("Loading evaluator: %s", name)
    return EVALUATOR_REGISTRY.get(name)(cfg, **kwargs)
