"""Whether a model's outputs in a test are numbers: asked on the device, read once at the end.

B images, C classes.
"""

from typing import Any

import torch

from dassl.utils.errors import NonFiniteOutputError


class FiniteScores:
    """Hears of the outputs of each batch of a test."""

    def __init__(self) -> None:
        self._flags: list[torch.Tensor] = []

    def add(self, outputs: Any) -> None:
        """Take a batch's outputs [B, C]; those of another kind are a trainer's own matter.

        A row is wrong if its largest entry is not finite; -inf beside numbers masks a class.
        """
        if torch.is_tensor(outputs) and outputs.is_floating_point() and outputs.dim() == 2:
            self._flags.append(torch.isfinite(outputs.detach().amax(dim=1)).all())

    def check(self, split: str, advice: str) -> None:
        """Check all batches.

        Raises:
            NonFiniteOutputError: (a FloatingPointError) names the first batch that was wrong.
        """
        if not self._flags:
            return
        wrong = (~torch.stack(self._flags)).nonzero().flatten().tolist()
        if wrong:
            raise NonFiniteOutputError(
                f"outputs of the model on the {split} images are infinite or not a number, first "
                f"in batch {wrong[0] + 1} of {len(self._flags)}: no accuracy is of them; test an "
                f"earlier epoch, or train again: {advice}"
            )
