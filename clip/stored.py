"""Tensors that are still in their file: sizes at once, numbers one tensor at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """A tensor to be read.

    Attributes:
        shape, dtype: of what `read` gives.
        read: gives the tensor, on the CPU.
        fresh: whether that is memory of its own, which nobody else writes or holds.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]
    fresh: bool = True


def stored(value: Tensor | Stored, *, fresh: bool = False) -> Stored:
    """A tensor in memory as if it were still to be read."""
    if isinstance(value, Stored):
        return value
    value = value.detach()
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return Stored(tuple(value.shape), value.dtype, lambda: value, fresh and whole)


def joined(parts: list[Stored]) -> Stored:
    """Several tensors below one another, along their first dimension."""
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return Stored(shape, parts[0].dtype, lambda: torch.cat([part.read() for part in parts]))


def transposed(matrix: Stored) -> Stored:
    """A matrix turned over."""
    return Stored(matrix.shape[::-1], matrix.dtype, lambda: matrix.read().t().contiguous())


def scalar(row: Stored) -> Stored:
    """A row of one number as that number."""
    return Stored((), row.dtype, lambda: row.read().reshape(()))


def without_first(value: Stored) -> Stored:
    """A tensor without its first dimension, which is 1."""
    return Stored(value.shape[1:], value.dtype, lambda: value.read().squeeze(0))
