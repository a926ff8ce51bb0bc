"""Scalars of training batches, read from the device a printed line at a time."""

from collections.abc import Callable
from typing import Any

import torch


class ScalarBuffer:
    """Collects (tag, value, step); values may be 0-dimensional tensors."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Any, int]] = []

    def add(self, tag: str, value: Any, step: int) -> None:
        self._entries.append((tag, value, step))

    def flush(self, write: Callable[[str, float, int], None]) -> None:
        """Hand every entry to `write` in order, with one read per device."""
        entries, self._entries = self._entries, []
        positions = [i for i, (_, value, _) in enumerate(entries) if torch.is_tensor(value)]
        read = _read_together([entries[i][1] for i in positions])
        numbers = dict(zip(positions, read, strict=True))
        for position, (tag, value, step) in enumerate(entries):
            write(tag, numbers.get(position, value), step)


def _read_together(tensors: list[torch.Tensor]) -> list[float]:
    if len({(tensor.device, tensor.dtype) for tensor in tensors}) <= 1:
        return torch.stack(tensors).tolist() if tensors else []
    return [tensor.item() for tensor in tensors]
