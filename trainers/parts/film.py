"""FiLM: a scale and a shift for every channel of a feature (DePT, arXiv:2309.07439).

N rows, D channels, T tasks.
"""

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """x * scale + bias per channel, [N, D] -> [N, D], in x's dtype; starts as the identity.

    `shape` is [D], or [T, D] for one pair a task; then `pair` [N] says whose pair each row takes.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(*shape))
        self.bias = nn.Parameter(torch.zeros(*shape))

    def of(self, pair: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scale and bias, [D] or, of the given pairs, [N, D]."""
        if pair is None:
            return self.scale, self.bias
        return self.scale[pair], self.bias[pair]

    def forward(self, x: Tensor, pair: Tensor | None = None) -> Tensor:
        scale, bias = self.of(pair)
        return x * scale.to(x.dtype) + bias.to(x.dtype)


class Same(nn.Module):
    """What stands in FiLM's place where it is switched off."""

    def forward(self, x: Tensor, pair: Tensor | None = None) -> Tensor:
        return x
