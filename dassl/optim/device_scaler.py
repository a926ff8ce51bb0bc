"""Loss scaling whose step does not wait for the device."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer, RMSprop
from torch.utils.weak import WeakTensorKeyDictionary

from dassl.optim.radam import RAdam


class DeviceScaler(torch.amp.GradScaler):
    """The public scaler. Whether gradients are finite, and so whether a step counts, it asks the
    device only; torch's own reads it in every step.

    That holds for sgd, rmsprop and, where it counts its steps on the device, radam: their step is
    taken, and where a gradient was not finite the tensors and their state become what they were.
    Adam and AdamW do it themselves when they are `fused` (`build_optimizer`). For any other
    optimizer torch's own way is left.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of tensors that sgd steps on with dampening: whether none of their steps has counted.
        self._fresh = WeakTensorKeyDictionary()

    def _maybe_opt_step(
        self, optimizer: Optimizer, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any
    ) -> float | None:
        if not _can_be_undone(optimizer):
            return super()._maybe_opt_step(optimizer, optimizer_state, *args, **kwargs)
        before = {p: p.detach().clone() for _, p in _stepped(optimizer)}
        state = {p: {k: _copied(v) for k, v in optimizer.state[p].items()} for p in before}
        result = optimizer.step(*args, **kwargs)
        found = {flag.device: flag > 0 for flag in optimizer_state["found_inf_per_device"].values()}
        for group, tensor in _stepped(optimizer):
            # one process steps on one device: all its tensors hear of the same flag
            undo, momentum = found[tensor.device], state[tensor].get("momentum_buffer")
            if type(optimizer) is SGD and group["dampening"] and group["momentum"]:
                fresh = self._fresh.get(tensor, torch.full_like(undo, momentum is None))
                _start_sgd(optimizer, group, tensor, before[tensor], fresh)
                self._fresh[tensor] = fresh & undo
            _undo(undo, before[tensor], tensor)
            for name, value in optimizer.state[tensor].items():
                if isinstance(value, Tensor) and value.device == tensor.device:
                    old = state[tensor].get(name)
                    _undo(undo, torch.zeros_like(value) if old is None else old, value)
        return result


def _can_be_undone(optimizer: Optimizer) -> bool:
    """Whether a step can be taken back without the host: a state of zeros is as none to the
    optimizer, or `_start_sgd` makes it so."""
    on_device = isinstance(optimizer, RAdam) and optimizer.on_device
    return type(optimizer) in (SGD, RMSprop) or on_device


def _stepped(optimizer: Optimizer) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """The tensors that a step changes, with their groups."""
    for group in optimizer.param_groups:
        yield from ((group, tensor) for tensor in group["params"] if tensor.grad is not None)


@torch.no_grad()
def _start_sgd(
    optimizer: Optimizer, group: dict[str, Any], tensor: Tensor, before: Tensor, fresh: Tensor
) -> None:
    """What sgd's first step makes of a tensor, where that is what this step is on the device.

    Momentum starts from the first gradient without dampening; to an optimizer whose first steps
    were undone, zeros are a momentum to go on from.
    """
    sign = -1 if group["maximize"] else 1
    gradient = (sign * tensor.grad).add(before, alpha=group["weight_decay"])
    _undo(fresh, gradient, optimizer.state[tensor]["momentum_buffer"])
    _undo(fresh, before.add(gradient, alpha=-group["lr"]), tensor)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


@torch.no_grad()
def _undo(undo: Tensor, before: Tensor, now: Tensor) -> None:
    now.copy_(torch.where(undo, before, now))
