"""Evaluators by name."""

from typing import Any

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

EVALUATOR_REGISTRY = Registry("EVALUATOR")


def build_evaluator(cfg: Any, **kwargs: Any) -> Any:
    """The evaluator `cfg.TEST.EVALUATOR`.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    return build_registered(
        EVALUATOR_REGISTRY, "Loading evaluator", cfg.TEST.EVALUATOR, cfg.VERBOSE, cfg, **kwargs
    )
