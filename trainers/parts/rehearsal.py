"""A step or a test on a device that need not be there: tensors have devices, dtypes and shapes, and
no numbers (torch's FakeTensorMode). What reads the device, or waits for it, raises; what lives is
counted, which forecasts the memory of a training step.
"""

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dassl.engine.finite_losses import FiniteLosses

OWN_PARTS = ("model", "optim", "sched", "precision", "_models", "_optims", "_scheds")
KEPT_BY_OPTIMIZERS = {"_step_supports_amp_scaling"}
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
INDEXING = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)


class HostWaitError(RuntimeError):
    """The host would wait for the device."""


@dataclass(frozen=True)
class Forecast:
    """What a training step holds at its largest, in bytes of tensors; what libraries, allocators
    and the interpreter take is beside it.

    Attributes:
        peak: at the largest moment, `fixed` included.
        fixed: before the step: towers, trained tensors, what is computed once for the classes.
    """

    peak: int
    fixed: int


def forecast(trainer: Any, batch: dict[str, Any]) -> Forecast:
    """The memory of one training step, traced without computing it and without changing the
    trainer.

    Args:
        trainer: a built `PromptTrainer`; on its own device, which for a GPU has to be there.
        batch: what its `forward_backward` takes, on the host; only shapes, dtypes and labels count.
    """
    live = LiveBytes()
    with rehearsal(trainer, trainer.device, live) as twin:
        fixed = live.now
        with live:
            twin.forward_backward(batch)
    return Forecast(live.peak, fixed)


@contextmanager
def rehearsal(trainer: Any, device: str | torch.device, *modes: "LiveBytes") -> Iterator[Any]:
    """A twin of a trainer whose tensors are fake ones of the device, in the mode of fake tensors.

    It shares everything with the trainer but model, optimizer, schedule and precision; the
    optimizer begins anew, and no step is the last of its epoch. Real tensors become fake ones of
    their device where they meet others. What a step keeps outside of these four parts it keeps in
    the trainer too.

    Args:
        modes: they hear of the twin's tensors.
    """
    twin = copy.copy(trainer)
    device = torch.device(device)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    memo: dict[int, Any] = {}
    with mode:
        with _FakeCopies(device, [live.keep for live in modes]):
            for name in OWN_PARTS:
                if name in vars(trainer):
                    setattr(twin, name, copy.deepcopy(getattr(trainer, name), memo))
        twin.device, twin.batch_idx, twin.num_batches = device, 0, 2
        twin._finite_losses = FiniteLosses(at_once=False)
        if getattr(twin, "optim", None) is not None:
            twin.optim.state.clear()
            for name in KEPT_BY_OPTIMIZERS & vars(trainer.optim).keys():  # copies are without
                setattr(twin.optim, name, getattr(trainer.optim, name))
        yield twin


class _FakeCopies(TorchFunctionMode):
    """Inside, deep copies of tensors are fake ones of a device."""

    def __init__(self, device: torch.device, hears: Sequence[Callable[[Tensor], None]]):
        super().__init__()
        self.device, self.hears = device, hears

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is torch.Tensor.clone:  # of a parameter
            return self._fake(args[0])
        if func is torch.Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self._fake(tensor)
            return memo[id(tensor)]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    def _fake(self, tensor: Tensor) -> Tensor:
        made = torch.empty_strided(
            tensor.size(), tensor.stride(), dtype=tensor.dtype, device=self.device
        )
        for hear in self.hears:
            hear(made)
        return made


class NoWaits(TorchDispatchMode):
    """Refuses copies between host and device that the host waits for: all that are not
    `non_blocking`, and places on the host that index a tensor on the device. Reads of single
    values, and shapes that depend on them, fake tensors refuse themselves.

    Raises:
        HostWaitError: names the operation.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in INDEXING:
            places = [place for place in args[1] if isinstance(place, Tensor)]
            if any(place.device != args[0].device for place in places):
                raise HostWaitError(f"{func}: places on the host index a tensor on the device")
        out = func(*args, **kwargs)
        if func in COPIES:
            source = args[0] if func is COPIES[0] else args[1]
            waits = not (kwargs.get("non_blocking") or (func is COPIES[1] and args[2:] == (True,)))
            if waits and source.device.type != out.device.type:
                raise HostWaitError(f"{func}: a copy from {source.device} to {out.device}")
        return out


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the storages that live.

    Attributes:
        now: bytes of all storages heard of that are still there.
        peak: the most of `now` so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def keep(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it is gone."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known.add(storage)
        weakref.finalize(storage, self._gone, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _gone(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.keep(leaf)
        return out
