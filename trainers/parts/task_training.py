"""Training on several tasks at once: class sampling, contexts that belong to single classes or
tasks, and what is logged of a step.

B images, C classes, n context tokens, W text width.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dassl.metrics import compute_accuracy_map
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace, Task
from trainers.parts.dept import SHARE_FILM_OPTIONS
from trainers.parts.model import Batch, Objective, PromptModel
from trainers.parts.trainer import PromptTrainer


@dataclass(frozen=True)
class Owners:
    """Contexts [n, W], or stacked [N, n, W], that belong to a class or a task each.

    Args:
        key: the config key that asked for them.
        of: "classes" or "tasks".
        prefix: how their names in the state dict begin.
    """

    key: str
    of: str
    prefix: str

    def names(self, space: ClassSpace) -> tuple[str, ...]:
        """Whose contexts they are in a run."""
        return space.names if self.of == "classes" else tuple(task.name for task in space.tasks)

    def count(self, tensors: Mapping[str, Tensor]) -> int:
        """How many contexts these tensors hold."""
        own = [tensor for name, tensor in tensors.items() if name.startswith(self.prefix)]
        return sum(len(tensor) if tensor.dim() == 3 else 1 for tensor in own)


class OwnedContextsModel(PromptModel):
    """A model with contexts that belong to single classes or tasks and score no others."""

    trained_space: ClassSpace | None = None

    def owned_contexts(self) -> Sequence[Owners]:
        """Which of its contexts are such."""
        return ()

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Raises UserError for class- or task-specific contexts of another number of them."""
        super().prepare_load(state, extra)
        if "classnames" in extra:
            self.trained_space = ClassSpace.from_plain(extra)
        for owners in self.owned_contexts():
            found, own = owners.count(state), owners.count(dict(self.named_parameters()))
            if found not in (own, 0):
                raise UserError(self._not_transferable(owners, f"{found} {owners.of}"))

    def check_scorable(self) -> None:
        super().check_scorable()
        for owners in self.owned_contexts():
            trained = owners.names(self.trained_space or self.space)
            if trained != owners.names(self.space):
                what = f"the {owners.of} {', '.join(trained[:3])}, ..."
                raise UserError(self._not_transferable(owners, what))

    def _not_transferable(self, owners: Owners, trained: str) -> str:
        own = len(owners.names(self.space)) or 1
        return (
            f"{owners.key}: the checkpoint's contexts are of {trained}, not of the {own} "
            f"{owners.of} of this run, and do not transfer; test the {owners.of} of the training, "
            f"or train with {owners.key} False"
        )


def sample_classes(labels: Sequence[int], tasks: Sequence[Task], rate: float) -> list[int]:
    """Classes of a step: of every task, in order, those of the batch's labels and a random share
    `rate`, rounded up, of the others.

    One draw of the global CPU generator for each task, of absent ones too: the published order.
    """
    present, chosen = set(labels), []
    for task in tasks:
        classes = range(task.start, task.end)
        others = [c for c in classes if c not in present]
        drawn = torch.randperm(len(others))[: math.ceil(rate * len(others))]
        chosen += [c for c in classes if c in present] + [others[i] for i in drawn]
    return chosen


class MultiTaskTrainer(PromptTrainer):
    """Logs `map` as SoftCPT's code does."""

    dept_options = (SHARE_FILM_OPTIONS,)

    def display(self, objective: Objective, batch: Batch) -> dict[str, Tensor]:
        """`map`, percent: micro average precision of the softmax inside each image's task."""
        logits, label = objective.logits.detach().float(), batch.label
        own = self.model.task_of_class == self.model.task_of(label)[:, None]  # [B, C]
        target = own.long() - 1
        target[torch.arange(len(target)), label] = 1
        scores = self.model.within_tasks(logits, label).softmax(dim=1)
        return {"map": compute_accuracy_map(scores, target)}
