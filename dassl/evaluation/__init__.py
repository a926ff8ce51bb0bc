"""Evaluators: from predictions to numbers."""

from dassl.evaluation.build import EVALUATOR_REGISTRY, build_evaluator, task_arguments
from dassl.evaluation.evaluator import Classification, EvaluatorBase
from dassl.evaluation.multitask import ClassificationMT, TaskResult

__all__ = [
    "EVALUATOR_REGISTRY",
    "Classification",
    "ClassificationMT",
    "EvaluatorBase",
    "TaskResult",
    "build_evaluator",
    "task_arguments",
]
