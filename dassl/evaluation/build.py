"""Evaluators by name."""

from typing import Any

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

EVALUATOR_REGISTRY = Registry("EVALUATOR")
SINGLE_TASK, MULTI_TASK = "Classification", "ClassificationMT"


def build_evaluator(cfg: Any, **kwargs: Any) -> Any:
    """The evaluator `cfg.TEST.EVALUATOR`; for its default, that of a multi-task dataset if `kwargs`
    say what the tasks are (see `task_arguments`).

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    name = cfg.TEST.EVALUATOR
    if name == SINGLE_TASK and kwargs.get("task2tname"):
        name = MULTI_TASK
    return build_registered(
        EVALUATOR_REGISTRY, "Loading evaluator", name, cfg.VERBOSE, cfg, **kwargs
    )


def task_arguments(dataset: Any) -> dict[str, list[str]]:
    """What an evaluator is told of the tasks of a multi-task dataset; empty for any other."""
    lists = {
        "task2tname": "taskid2tname",
        "task2type": "taskid2type",
        "task2metric": "taskid2metric",
        "task2dataset": "task_datasets",
    }
    if not getattr(dataset, lists["task2tname"], None):
        return {}
    return {name: getattr(dataset, key) for name, key in lists.items() if hasattr(dataset, key)}
