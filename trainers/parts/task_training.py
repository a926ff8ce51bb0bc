"""Training on several tasks at once: class sampling, and what is logged of a step.

B images, C classes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dassl.metrics import compute_accuracy_map
from trainers.parts.classes import Task
from trainers.parts.dept import SHARE_FILM_OPTIONS
from trainers.parts.model import Batch, Objective
from trainers.parts.trainer import PromptTrainer


def sample_classes(labels: Sequence[int], tasks: Sequence[Task], rate: float) -> list[int]:
    """Classes of a step: of every task, in order, those of the batch's labels and a random share
    `rate`, rounded up, of the others.

    One draw of the global CPU generator for each task, of absent ones too: the published order.
    """
    present, chosen = set(labels), []
    for task in tasks:
        others = [c for c in task.classes if c not in present]
        drawn = torch.randperm(len(others))[: math.ceil(rate * len(others))]
        chosen += [c for c in task.classes if c in present] + [others[i] for i in drawn]
    return chosen


def step_classes(labels: Sequence[int], tasks: Sequence[Task], rate: float) -> list[int]:
    """Which classes a step on the labels computes, in order: all of their tasks; with a `rate` of
    `sample_classes` those drawn."""
    own = [task for task in tasks if any(label in task.classes for label in labels)]
    classes = [c for task in own for c in task.classes]
    if not rate:
        return classes
    drawn = set(sample_classes(labels, tasks, rate))
    return [c for c in classes if c in drawn]


class MultiTaskTrainer(PromptTrainer):
    """Logs `map` as SoftCPT's code does."""

    dept_options = (SHARE_FILM_OPTIONS,)

    def display(self, objective: Objective, batch: Batch) -> dict[str, Tensor]:
        """`map`, percent: micro average precision of the softmax inside each image's task."""
        logits, label = objective.logits.detach().float(), batch.label
        own = self.model.task_of_class == self.model.task_of(label)[:, None]  # [B, C]
        target = own.long() - 1
        target[torch.arange(len(target), device=label.device), label] = 1
        scores = self.model.within_tasks(logits, label).softmax(dim=1)
        return {"map": compute_accuracy_map(scores, target)}
