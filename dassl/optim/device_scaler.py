"""Loss scaling whose step does not wait for the device."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer, RMSprop


class DeviceScaler(torch.amp.GradScaler):
    """The public scaler. Whether gradients are finite, and so whether a step counts, it asks the
    device only; torch's own reads it in every step.

    That holds for sgd and rmsprop: their step is taken, and where a gradient was not finite the
    tensors and their state become what they were. Adam and AdamW do it themselves when they are
    `fused` (`build_optimizer`). For any other optimizer torch's own way is left.
    """

    def _maybe_opt_step(
        self, optimizer: Optimizer, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any
    ) -> float | None:
        if not _can_be_undone(optimizer):
            return super()._maybe_opt_step(optimizer, optimizer_state, *args, **kwargs)
        stepped = [p for group in optimizer.param_groups for p in group["params"]]
        stepped = [p for p in stepped if p.grad is not None]
        before = {p: p.detach().clone() for p in stepped}
        state = {p: {k: _copied(v) for k, v in optimizer.state[p].items()} for p in stepped}
        result = optimizer.step(*args, **kwargs)
        found = {flag.device: flag > 0 for flag in optimizer_state["found_inf_per_device"].values()}
        for tensor in stepped:
            # one process steps on one device: all its tensors hear of the same flag
            undo = found[tensor.device]
            _undo(undo, before[tensor], tensor)
            for name, value in optimizer.state[tensor].items():
                if isinstance(value, Tensor) and value.device == tensor.device:
                    old = state[tensor].get(name)
                    _undo(undo, torch.zeros_like(value) if old is None else old, value)
        return result


def _can_be_undone(optimizer: Optimizer) -> bool:
    """Whether a state of zeros is the same to an optimizer as none."""
    if type(optimizer) is RMSprop:
        return True
    return type(optimizer) is SGD and not any(g["dampening"] for g in optimizer.param_groups)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


@torch.no_grad()
def _undo(undo: Tensor, before: Tensor, now: Tensor) -> None:
    now.copy_(torch.where(undo, before, now))
