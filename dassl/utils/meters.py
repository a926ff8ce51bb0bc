"""Running means of what a training step returns, summed on the device and read when shown."""

from collections import defaultdict
from typing import Any

import torch

from dassl.utils.errors import WrongTypeError

_EMA_MEMORY = 0.9


def _as_number(value: Any) -> Any:
    """A detached float64 copy of a tensor (float32 where there is no float64), or the value."""
    if not isinstance(value, torch.Tensor):
        return value
    dtype = torch.float32 if value.device.type == "mps" else torch.float64
    return value.detach().reshape(()).to(dtype)


def _read(value: Any) -> float:
    return value.item() if isinstance(value, torch.Tensor) else value


class AverageMeter:
    """Last value and mean of a series. One-element tensors are kept on their device until read.

    Args:
        ema: the mean is 0.9 mean + 0.1 value, from 0.
    """

    def __init__(self, ema: bool = False) -> None:
        self.ema = ema
        self.reset()

    def reset(self) -> None:
        self._val: Any = 0
        self._mean: Any = 0
        self._sum: Any = 0
        self.count = 0

    def update(self, val: Any, n: int = 1) -> None:
        """Add `val` n times: a number or a one-element tensor."""
        self._val = _as_number(val)
        self._sum = self._sum + (self._val if n == 1 else self._val * n)
        self.count += n
        if self.ema:
            self._mean = self._mean * _EMA_MEMORY + self._val * (1 - _EMA_MEMORY)

    @property
    def unread_avg(self) -> Any:
        """The mean without a wait for the device: a number or a 0-dimensional tensor."""
        if self.ema:
            return self._mean
        return self._sum / self.count if self.count else 0

    @property
    def val(self) -> float:
        return _read(self._val)

    @property
    def sum(self) -> float:
        return _read(self._sum)

    @property
    def avg(self) -> float:
        return _read(self.unread_avg)


class MetricMeter:
    """One `AverageMeter` per name, shown as `name value (mean)` in order of first appearance.

    Args:
        delimiter: stands between the names.
    """

    def __init__(self, delimiter: str = " ") -> None:
        self.meters: dict[str, AverageMeter] = defaultdict(AverageMeter)
        self.delimiter = delimiter

    def update(self, input_dict: dict[str, Any] | None) -> None:
        """Add one value per name; None is ignored.

        Raises:
            WrongTypeError: (a TypeError) not a dictionary.
        """
        if input_dict is None:
            return
        if not isinstance(input_dict, dict):
            raise WrongTypeError(
                f"a training step returned {type(input_dict).__name__}; "
                "forward_backward must return a dictionary name -> number"
            )
        for name, value in input_dict.items():
            self.meters[name].update(value)

    def __str__(self) -> str:
        return self.delimiter.join(
            f"{name} {meter.val:.4f} ({meter.avg:.4f})" for name, meter in self.meters.items()
        )
