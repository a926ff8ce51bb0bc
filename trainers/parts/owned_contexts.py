"""Contexts that belong to single classes or tasks, and do not transfer to others.

N contexts, n context tokens, W text width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel


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
