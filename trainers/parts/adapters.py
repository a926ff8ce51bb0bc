"""Adapters beside the blocks of both towers (MMA).

W width of a tower, m width inside the adapters.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import clip


class ScaledGradient(torch.autograd.Function):
    """x as it is; its gradient times a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


class SharedAdapters(nn.Module):
    """A_i(x) = up_i(relu(S_i relu(down_i x))), all with biases: `text_adapter.{i}` and
    `visual_adapter.{i}` W -> m -> W, `shared_adapter.{i}` S_i [m, m] for both, i from 1, 0 for the
    input. Weights start Kaiming normal, biases at zero; float32 in every precision.

    Args:
        places: the blocks i.
        dim: m.
        scale: a, of A_i in the block's output.
    """

    def __init__(self, clip_model: clip.CLIP, places: Iterable[int], dim: int, scale: float):
        super().__init__()
        self.scale, numbers = scale, [str(i) for i in places]
        towers = {"text": clip_model.text, "visual": clip_model.visual}
        for name, tower in towers.items():
            pairs = {number: self._pair(tower.width, dim) for number in numbers}
            self.add_module(f"{name}_adapter", nn.ModuleDict(pairs))
        shared = {number: nn.Sequential(nn.Linear(dim, dim), nn.ReLU()) for number in numbers}
        self.shared_adapter = nn.ModuleDict(shared)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    @staticmethod
    def _pair(width: int, dim: int) -> nn.Module:
        down = nn.Sequential(nn.Linear(width, dim), nn.ReLU())
        return nn.Sequential(OrderedDict(down=down, up=nn.Linear(dim, width)))

    def change(self, tower: str) -> clip.TowerChange:
        """What the tower "text" or "visual" takes."""
        pairs = self.get_submodule(f"{tower}_adapter")
        blocks: dict[int, clip.BlockChange] = {}
        at_input: Callable[[Tensor], Tensor] | None = None
        for place, pair in pairs.items():
            adapter = partial(self._adapted, pair, self.shared_adapter[place])
            if place == "0":
                at_input = partial(adapter, self.scale)
            else:
                # quirk: the adapters' weights learn as if a were 1, a thousand times as fast
                blocks[int(place) - 1] = clip.BlockChange(beside=partial(self._beside, adapter))
        return clip.TowerChange(blocks, at_input=at_input)

    @staticmethod
    def _adapted(pair: nn.Module, shared: nn.Module, scale: float, x: Tensor) -> Tensor:
        return scale * pair.up(shared(pair.down(x.to(pair.up.weight.dtype))))

    def _beside(self, adapter: Callable[[float, Tensor], Tensor], x: Tensor) -> Tensor:
        adapted = adapter(1.0, ScaledGradient.apply(x, self.scale))
        return self.scale * ScaledGradient.apply(adapted, 1 / self.scale)
