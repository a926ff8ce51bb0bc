"""What a backward pass computes again because keeping it costs more: results are the same bit for
bit, without it and with it. Small tensors are kept, which takes less time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PIECE = 2**18  # elements
_SMALL = ContextVar("elements of tensors that are kept", default=_PIECE)


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


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors of one shape, the last one contiguous, in pieces that stay in a CPU's cache from one
    operation to the next; whole on a GPU."""
    first = tensors[0]
    size = max(1, first.numel()) if first.is_cuda else _PIECE
    return zip(*(tensor.reshape(-1).split(size) for tensor in tensors), strict=True)


def _gate_into(out: Tensor, x: Tensor) -> Tensor:
    return torch.mul(x, 1.702, out=out).sigmoid_()


def _activated(x: Tensor) -> Tensor:
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    for piece, out in _pieces(x, result):
        _gate_into(out, piece).mul_(piece)
    return result


class _QuickGELU(torch.autograd.Function):
    """Keeps x, and the sigmoid only of a small one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if not _is_small(x):
            ctx.save_for_backward(x)
            return _activated(x)
        gate = _gate_into(torch.empty_like(x), x)
        ctx.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, *kept = ctx.saved_tensors
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for grad, piece, *given, out in _pieces(gradient, x, *kept, result):
            gate = given[0] if given else _gate_into(torch.empty_like(piece), piece)
            torch.mul(grad, piece, out=out)
            torch.ops.aten.sigmoid_backward.grad_input(out, gate, grad_input=out)
            out.mul_(1.702).add_(gate * grad)
        return result


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x); until the backward pass of a large x nothing else is kept."""
    if torch.compiler.is_compiling():  # a compiler fuses, and may not know the sizes
        return x * torch.sigmoid(1.702 * x)
    if x.requires_grad and torch.is_grad_enabled():
        return _QuickGELU.apply(x)
    return _activated(x)


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
