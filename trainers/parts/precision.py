"""What PREC means: the dtype of the towers and of the trained tensors, autocast, and the optimizer
step."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from dassl.optim import DeviceScaler
from trainers.parts.options import Option

logger = logging.getLogger(__name__)

PRECISIONS = ("fp16", "fp32", "amp", "bf16")
NEEDS_CUDA = ("fp16", "amp")
PREC = Option("fp16", "precision of towers and trained tensors", PRECISIONS)  # as most declare it


class Precision:
    """One of `PRECISIONS` on one device.

    | name | towers | trained tensors | step |
    |---|---|---|---|
    | fp16 | half; LayerNorms, embeddings float32 | half as published, else float32 | plain |
    | amp | float32 under autocast to half | float32 | scaled |
    | bf16 | bfloat16 where fp16 has half | float32 | plain |
    | fp32 | float32 | float32 | plain |

    On a CPU, fp16 and amp run as fp32 and say so: nearly every published YAML names fp16.
    """

    def __init__(self, name: str, device: torch.device):
        if name in NEEDS_CUDA and device.type != "cuda":
            logger.info(f"Notice: precision {name} needs a GPU; this run uses fp32 on the CPU")
            name = "fp32"
        self.name = name
        self.towers = {"fp16": "fp16", "bf16": "bf16"}.get(name, "fp32")
        self.trained_dtype = torch.float16 if name == "fp16" else torch.float32
        self._scaler = DeviceScaler("cuda") if name == "amp" else None

    @property
    def scales(self) -> bool:
        """Whether losses are scaled."""
        return self._scaler is not None

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass."""
        if self.name == "amp":
            return torch.autocast("cuda", torch.float16)
        return nullcontext()

    def feature(self, x: Tensor) -> Tensor:
        """A tower's output in the dtype of the heads.

        bfloat16 has 8 bits of precision: logits near 20 would come in steps of 0.125 and tie.
        """
        return x.float() if self.name == "bf16" else x

    def _scaled(self, loss: Tensor) -> Tensor:
        return self._scaler.scale(loss) if self._scaler is not None else loss

    def backward(self, loss: Tensor) -> None:
        """Fills `.grad`, scaled under amp."""
        self._scaled(loss).backward()

    def gradients(self, loss: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """Gradients on the scale of `backward`, which may follow; None where none reaches."""
        return torch.autograd.grad(
            self._scaled(loss), tensors, retain_graph=True, allow_unused=True
        )

    def step(self, optimizer: Optimizer, repeat: int = 1) -> None:
        """Optimizer steps with the gradients that `backward` left; under amp one, as published."""
        if self._scaler is None:
            for _ in range(repeat):
                optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()

    def state(self) -> dict[str, Any]:
        """The scaler's state; empty without one."""
        return self._scaler.state_dict() if self._scaler is not None else {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from `state()`."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(state)
