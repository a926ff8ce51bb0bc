"""Adaptive optimizers over half-precision tensors: steps, squares and copies in float32.

In half, Adam's eps of 1e-8 is 0 and squares of gradients below 2e-4 are too: a step divides by 0,
or is too large where it stays finite.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Float32Steps(Optimizer):
    """Comes before an optimizer's class. Half tensors are float32 while it steps or loads, from
    copies that keep what half rounds away; a tensor that others have changed is copied anew.

    `state_dict` has the copies as `float32_copies`, by the place of their tensor; without that
    entry, as in published files, copies start from the tensors.
    """

    def _halves(self) -> list[Tensor]:
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        return [tensor for tensor in tensors if tensor.dtype == torch.float16]

    @property
    def _copies(self) -> dict[Tensor, Tensor]:
        return self.__dict__.setdefault("_float32", {})

    def _copy_of(self, tensor: Tensor) -> Tensor:
        """The float32 copy, where it still rounds to the tensor."""
        now = tensor.detach()
        kept = self._copies.get(tensor)
        if kept is None:
            return now.float()
        return torch.where(kept.to(now.device, now.dtype) == now, kept.to(now.device), now.float())

    @contextmanager
    def _in_float32(self, tensors: list[Tensor], *, keep: bool) -> Iterator[None]:
        """Inside, half tensors and their gradients are float32; `keep`: what they have become then
        is theirs."""
        halves = [(tensor, tensor.data, tensor.grad) for tensor in tensors]
        for tensor, data, gradient in halves:
            tensor.grad = None  # of another dtype than the data that come now
            tensor.data = self._copy_of(tensor) if keep else data.float()
            tensor.grad = None if gradient is None else gradient.float()
        try:
            yield
        finally:
            for tensor, data, gradient in halves:
                exact = tensor.data
                tensor.grad = None
                if keep:
                    self._copies[tensor] = exact
                    data.copy_(exact)
                tensor.data = data
                tensor.grad = gradient

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """A step with the gradients that are there.

        Args:
            closure: called first, with the tensors as they are; returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        stepped = [tensor for tensor in self._halves() if tensor.grad is not None]
        with self._in_float32(stepped, keep=True):
            super().step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        copies = {place: self._copies[t] for place, t in enumerate(tensors) if t in self._copies}
        return {**super().state_dict(), "float32_copies": copies}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        copies = own.pop("float32_copies", {})
        with self._in_float32(self._halves(), keep=False):  # torch casts the state to the tensors'
            super().load_state_dict(own)
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        self._copies.clear()
        self._copies.update({tensors[place]: copy.clone() for place, copy in copies.items()})


@cache
def with_float32_steps(optimizer: type[Optimizer]) -> type[Optimizer]:
    """An optimizer's class with `Float32Steps` before it, under its own name."""
    return type(optimizer.__name__, (Float32Steps, optimizer), {"__doc__": optimizer.__doc__})


def half_tensors(params: Iterable[Any]) -> list[Tensor]:
    """The half ones of tensors, of pairs of name and tensor, or of groups of either."""
    found: list[Tensor] = []
    for entry in params:
        if isinstance(entry, dict):
            inside = entry["params"]
            found += half_tensors([inside] if isinstance(inside, Tensor) else inside)
        else:
            tensor = entry[1] if isinstance(entry, tuple) else entry
            found += [tensor] if tensor.dtype == torch.float16 else []
    return found
