"""One update of a trainer's registered models."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dassl.engine.finite_losses import FiniteLosses
from dassl.utils.errors import CheckFailedError


class UpdateMixin:
    """The part of a trainer that computes gradients, steps optimizers and moves learning rates."""

    _models: dict[str, nn.Module]
    _optims: dict[str, Any]
    _scheds: dict[str, Any]

    def get_model_names(self, names: str | Sequence[str] | None = None) -> list[str]:
        raise NotImplementedError

    @property
    def finite_losses(self) -> FiniteLosses:
        """The losses that `detect_anomaly` was given and `check_losses` has not read."""
        return self.__dict__.setdefault("_finite_losses", FiniteLosses())

    def detect_anomaly(self, loss: torch.Tensor) -> None:
        """Check that a loss is finite: on a CPU now, on a GPU in the next `check_losses`, so that
        no step waits for it.

        Raises:
            NonFiniteLossError: (a FloatingPointError) names epoch and batch.
        """
        place = ""
        if hasattr(self, "epoch") and hasattr(self, "batch_idx"):
            place = f" in epoch {self.epoch + 1}, batch {self.batch_idx + 1}"
        self.finite_losses.add(loss, place, self.stability_advice)

    def check_losses(self) -> None:
        """Read the losses of all steps so far; called where a line is printed, and before anything
        is tested or saved.

        Raises:
            NonFiniteLossError: (a FloatingPointError) names epoch and batch of the first that is
                not finite.
        """
        self.finite_losses.check(self.stability_advice)

    def stability_advice(self) -> str:
        """What may keep losses and tensors finite, for the precision of the run."""
        name = getattr(getattr(self, "precision", None), "name", "")
        key = getattr(self, "precision_key", "") or "the trainer's PREC"
        half = any(
            tensor.dtype == torch.float16
            for model in self._models.values()
            for tensor in model.parameters()
        )
        if name in ("fp16", "amp") or half or getattr(self, "scaler", None) is not None:
            return f"compute in fp32 or bf16 ({key}), or lower OPTIM.LR"
        return "lower OPTIM.LR, lengthen the warm-up (OPTIM.WARMUP_EPOCH), and look at the images"

    def model_zero_grad(self, names: str | Sequence[str] | None = None) -> None:
        """Drop the gradients of the named models' optimizers."""
        for name in self.get_model_names(names):
            if self._optims[name] is not None:
                self._optims[name].zero_grad()

    def model_backward(self, loss: torch.Tensor) -> None:
        """Check that the loss is finite, then compute gradients."""
        self.detect_anomaly(loss)
        loss.backward()

    def model_update(self, names: str | Sequence[str] | None = None) -> None:
        """Step the named models' optimizers."""
        for name in self.get_model_names(names):
            if self._optims[name] is not None:
                self._optims[name].step()

    def model_backward_and_update(
        self, loss: torch.Tensor, names: str | Sequence[str] | None = None
    ) -> None:
        """One step on `loss` for the named models (default: all)."""
        self.model_zero_grad(names)
        self.model_backward(loss)
        self.model_update(names)

    def prograd_backward_and_update(
        self,
        loss_a: torch.Tensor,
        loss_b: torch.Tensor,
        lambda_: float = 1,
        names: str | Sequence[str] | None = None,
    ) -> None:
        """One step on `loss_a` that does not work against `loss_b` (ProGrad, arXiv:2205.14865).

        Per tensor with gradients a and b of the losses and u = b / |b|: if a . u < 0, the step
        uses a - lambda_ (a . u) u, else a.

        Raises:
            NonFiniteLossError: (a FloatingPointError) one of the losses is not finite.
        """
        self.model_zero_grad(names)
        self.detect_anomaly(loss_b)
        loss_b.backward(retain_graph=True)
        references = [
            (parameter, parameter.grad.clone())
            for name in self.get_model_names(names)
            for parameter in self._models[name].parameters()
            if parameter.grad is not None
        ]
        self.model_zero_grad(names)
        self.model_backward(loss_a)
        for parameter, reference in references:
            if parameter.grad is not None:
                tiny = torch.finfo(reference.dtype).tiny  # |b| = 0 leaves a as it is
                direction = reference / reference.norm().clamp(min=tiny)
                overlap = (parameter.grad * direction).sum().clamp(max=0)
                parameter.grad -= lambda_ * overlap * direction
        self.model_update(names)

    def update_lr(self, names: str | Sequence[str] | None = None) -> None:
        """Step the named models' schedules; a trainer calls it after the last batch of an epoch."""
        for name in self.get_model_names(names):
            if self._scheds[name] is not None:
                self._scheds[name].step()

    def get_current_lr(self, names: str | Sequence[str] | None = None) -> float:
        """LR of the first group of the first model that has an optimizer."""
        for name in self.get_model_names(names):
            if self._optims[name] is not None:
                return self._optims[name].param_groups[0]["lr"]
        raise CheckFailedError("no registered model has an optimizer, so there is no learning rate")
