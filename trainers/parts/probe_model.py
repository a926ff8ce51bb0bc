"""The linear probe as a model: a row of coefficients for each class, saved with the classes and the
image tower that they belong to.

B images, C classes, D joint width.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.utils.errors import CheckpointMismatchError, UserError
from trainers.parts.backbone import tower_digest
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel


class ProbeModel(PromptModel):
    """Logits = W f + b of raw image features f [B, D]; W [C, D] and b [C] are float64, as they were
    fitted."""

    reads_by_read_image = True
    rows: list[int] | None = None  # the run's classes among the fitted ones; None: all, in order

    def build(self) -> None:
        self._make_rows(len(self.space))

    def _make_rows(self, number: int) -> None:
        device, width = self.clip.logit_scale.device, self.clip.visual.output_dim
        self.weight = nn.Parameter(torch.zeros(number, width, dtype=torch.float64, device=device))
        self.bias = nn.Parameter(torch.zeros(number, dtype=torch.float64, device=device))

    def forward(self, image: Tensor) -> Tensor:
        logits = F.linear(self.encode_image(image).double(), self.weight, self.bias)
        return logits if self.rows is None else logits[:, self.rows]

    @torch.no_grad()
    def take(self, classifier: Any, start: int, end: int) -> None:
        """Copies a fitted classifier into the rows start .. end - 1.

        Of two classes scikit-learn keeps one row, that of the second; the first has logit 0.
        """
        rows, bias = torch.tensor(classifier.coef_), torch.tensor(classifier.intercept_)
        if len(rows) == 1:
            rows = torch.cat([torch.zeros_like(rows), rows])
            bias = torch.cat([torch.zeros_like(bias), bias])
        self.weight[start:end] = rows
        self.bias[start:end] = bias

    def check_scorable(self) -> None:
        """Raises:
        UserError: nothing is fitted or loaded.
        """
        if not self.weight.any():
            raise UserError(
                "the linear probe has no coefficients yet; train it, or give the folder of a "
                "trained one (--model-dir)"
            )

    def checkpoint_extra(self) -> dict[str, Any]:
        """The classes of the rows, and the image tower that they belong to."""
        backbone = [self.cfg.MODEL.BACKBONE.NAME, tower_digest(self.clip.visual)]
        return {**super().checkpoint_extra(), "backbone": backbone}

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Takes over the file's number of rows, and finds the run's classes among them: the same
        list, a part of it by folder id (ImageNet-A of ImageNet), or some of its tasks.

        Raises:
            CheckpointMismatchError: (a UserError) other classes, or another image tower.
        """
        if not {"weight", "bias"} <= set(state) or "backbone" not in extra:
            raise CheckpointMismatchError("the checkpoint holds no linear probe; check --model-dir")
        trained, (name, digest) = ClassSpace.from_plain(extra), extra["backbone"]
        rows = self.space.rows_in(trained)
        if rows is None or -1 in rows:
            raise CheckpointMismatchError(
                f"a linear probe scores only the classes it was fitted on: "
                f"{_some(trained.names)}; this run has {_some(self.space.names)}; "
                f"check DATASET.NAME and DATASET.SUBSAMPLE_CLASSES"
            )
        if digest != tower_digest(self.clip.visual):
            raise CheckpointMismatchError(
                f"the linear probe was fitted on features of {name}, and this run's "
                f"{self.cfg.MODEL.BACKBONE.NAME} is another image tower; set MODEL.BACKBONE.NAME"
            )
        self._make_rows(len(trained))
        self.rows = rows


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} classes)" if len(names) > 3 else "")
