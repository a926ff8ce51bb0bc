"""What a backward pass computes again because keeping it costs more: results are the same bit for
bit, without it and with it. Small tensors are kept, which takes less time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SMALL = ContextVar("elements of tensors that are kept", default=2**18)


@contextmanager
def nothing_small() -> Iterator[None]:
    """Inside, small tensors too are computed again: where memory is short, and a few rows tell what
    many will take."""
    before = _SMALL.set(0)
    try:
        yield
    finally:
        _SMALL.reset(before)


def _is_small(*tensors: Tensor) -> bool:
    return sum(tensor.numel() for tensor in tensors) <= _SMALL.get()


def _gate(x: Tensor) -> Tensor:
    return (1.702 * x).sigmoid_()


class _QuickGELU(torch.autograd.Function):
    """Keeps x, and the sigmoid only of a small one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        gate = _gate(x)
        ctx.save_for_backward(x, *((gate,) if _is_small(x) else ()))
        return x * gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, *kept = ctx.saved_tensors
        gate = kept[0] if kept else _gate(x)
        through = torch.ops.aten.sigmoid_backward(gradient * x, gate).mul_(1.702)
        return through.add_(gate * gradient if kept else gate.mul_(gradient))


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x); until the backward pass of a large x nothing else is kept."""
    if x.requires_grad and torch.is_grad_enabled():
        return _QuickGELU.apply(x)
    return _gate(x).mul_(x)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, compute: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        ctx.compute = compute
        ctx.save_for_backward(*inputs)
        return compute(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            inputs = [
                x.detach().requires_grad_(w) for x, w in zip(ctx.saved_tensors, wanted, strict=True)
            ]
            output = ctx.compute(*inputs)
        asked = [x for x, w in zip(inputs, wanted, strict=True) if w]
        found = iter(torch.autograd.grad(output, asked, gradient))
        return (None, *(next(found) if w else None for w in wanted))


def recomputed(compute: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """compute(*inputs), a function of these tensors alone that draws nothing at random; of large
    inputs nothing else is kept until the backward pass."""
    if _is_small(*inputs):
        return compute(*inputs)
    if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
        return _Recomputed.apply(compute, *inputs)
    return compute(*inputs)
