"""Scalars of training batches, read from the device a printed line at a time."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

from dassl.utils.files import WriteError


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


class _WriterThreadHook:
    """A `threading.excepthook` that leaves out errors of TensorBoard's thread writing its file.

    The thread keeps the error, and the next call of its writer raises it.
    """

    def __init__(self) -> None:
        self.other: Any = threading.excepthook

    def __call__(self, args: Any) -> None:
        of_writer = type(args.thread).__module__.startswith("tensorboard.")
        if not (of_writer and isinstance(args.exc_value, OSError)):
            self.other(args)


@contextlib.contextmanager
def named_writer_errors(log_dir: Any) -> Iterator[None]:
    """Around calls of a TensorBoard writer.

    Raises:
        WriteError: its event file cannot be written; names the folder.
    """
    if not isinstance(threading.excepthook, _WriterThreadHook):
        threading.excepthook = _WriterThreadHook()
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"cannot write to {log_dir}: {error.strerror or error}; "
            "free some space or choose another OUTPUT_DIR"
        ) from error
