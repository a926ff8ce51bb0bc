"""Representation tokens of a shared space, mapped into upper blocks of both towers (MMRL, MMRL++).

n tokens, d their width, K blocks, W width of a tower, r rank; V vision width, D joint width.
"""

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import clip
from dassl.utils.errors import UserError
from trainers.parts.model import require_class_token, require_transformer
from trainers.parts.prompts import random_context


class Representations(nn.Module):
    """R = `compound_rep_tokens` [n, d], N(0, 0.02^2), and K linear maps of it a tower:
    `compound_rep_tokens_r2tproj.{i}` and `compound_rep_tokens_r2vproj.{i}`, all equal at the start.
    """

    def __init__(self, num_tokens: int, dim: int, num_blocks: int, text: int, visual: int):
        super().__init__()
        self.compound_rep_tokens = nn.Parameter(random_context(num_tokens, dim))
        self.compound_rep_tokens_r2vproj = equal_layers(nn.Linear(dim, visual), num_blocks)
        self.compound_rep_tokens_r2tproj = equal_layers(nn.Linear(dim, text), num_blocks)

    def text(self) -> list[Tensor]:
        """The tokens [n, W] of each of the K text blocks."""
        return [layer(self.compound_rep_tokens) for layer in self.compound_rep_tokens_r2tproj]

    def visual(self) -> list[Tensor]:
        """The tokens [n, W] of each of the K blocks of the image tower."""
        return [layer(self.compound_rep_tokens) for layer in self.compound_rep_tokens_r2vproj]


def equal_layers(layer: nn.Module, count: int) -> nn.ModuleList:
    """Copies of a layer."""
    return nn.ModuleList(copy.deepcopy(layer) for _ in range(count))


class Residual(nn.Module):
    """What one block adds to a shared weight: `A` [W, r], Kaiming uniform, `B` [r, d], zero, and a
    `bias` [W] of its own."""

    def __init__(self, shared: nn.Linear, rank: int):
        super().__init__()
        width, dim = shared.weight.shape
        self.A, self.B = low_rank_pair(width, dim, rank)
        self.bias = nn.Parameter(shared.bias.detach().clone())


def low_rank_pair(rows: int, columns: int, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """A [rows, r], Kaiming uniform, and B [r, columns], zero."""
    first = nn.Parameter(torch.empty(rows, rank))
    nn.init.kaiming_uniform_(first, a=math.sqrt(5))
    return first, nn.Parameter(torch.zeros(rank, columns))


class SharedMap(nn.Module):
    """K maps x (S + A_i B_i)^T + c_i with one `weight` S [W, d] and `srra.{i}`."""

    def __init__(self, width: int, dim: int, num_blocks: int, rank: int):
        super().__init__()
        start = nn.Linear(dim, width)
        self.weight = nn.Parameter(start.weight.detach().clone())
        self.srra = nn.ModuleList(Residual(start, rank) for _ in range(num_blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """[n, d] -> K times [n, W]."""
        return [F.linear(x, self.weight + own.A @ own.B, own.bias) for own in self.srra]


class SharedRepresentations(nn.Module):
    """R as in `Representations`, mapped by two of `SharedMap`: `srra_r2tproj`, `srra_r2vproj`."""

    def __init__(
        self, num_tokens: int, dim: int, num_blocks: int, text: int, visual: int, *, rank: int
    ):
        super().__init__()
        self.compound_rep_tokens = nn.Parameter(random_context(num_tokens, dim))
        self.srra_r2vproj = SharedMap(visual, dim, num_blocks, rank)
        self.srra_r2tproj = SharedMap(text, dim, num_blocks, rank)

    def text(self) -> list[Tensor]:
        """As of `Representations`."""
        return self.srra_r2tproj(self.compound_rep_tokens)

    def visual(self) -> list[Tensor]:
        """As of `Representations`."""
        return self.srra_r2vproj(self.compound_rep_tokens)


class FreeHead(nn.Module):
    """P_r = `proj_rep` [V, D], N(0, 1 / V), which maps tokens to the joint space."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.proj_rep = nn.Parameter(width**-0.5 * torch.randn(width, dim))

    def forward(self, frozen: Tensor) -> Tensor:
        """P_r; the class token's projection [V, D] is not used."""
        return self.proj_rep


class LowRankHead(nn.Module):
    """P_r = proj + `A` `B`, A [V, r], B [r, D], proj [V, D] the class token's projection."""

    def __init__(self, width: int, dim: int, rank: int):
        super().__init__()
        self.A, self.B = low_rank_pair(width, dim, rank)

    def forward(self, frozen: Tensor) -> Tensor:
        return frozen.to(self.A.dtype) + self.A @ self.B


def checked_layers(clip_model: clip.CLIP, node: str, layers: Sequence[int]) -> list[int]:
    """REP_LAYERS of a config node, the blocks from 1 that tokens enter, in ascending order.

    Raises:
        UserError: the image tower is a ResNet; there are none, one is named twice, or one is not a
            block of both towers.
    """
    require_transformer(clip_model, node.removeprefix("TRAINER."), "representation tokens")
    require_class_token(clip_model, node.removeprefix("TRAINER."))
    num_blocks = min(clip_model.text.layers, clip_model.visual.layers)
    chosen = set(layers)
    if not 0 < len(chosen) == len(layers) or not chosen <= {*range(1, num_blocks + 1)}:
        raise UserError(
            f"{node}.REP_LAYERS = {list(layers)}: this backbone's towers have {num_blocks} blocks; "
            f"use some of 1 to {num_blocks}, each once"
        )
    return sorted(layers)


def entering(
    tokens: Sequence[Tensor], layers: Sequence[int], share: float, states: slice | None = None
) -> clip.TowerChange:
    """Tokens [n, W] that come in behind the first position before the first of the layers (from 1)
    and take each other's place before the others, by their share."""
    blocks = {}
    for vectors, layer in zip(tokens, layers, strict=True):
        first = not blocks
        entry = clip.Tokens(vectors, insert=first, share=1.0 if first else share)
        blocks[layer - 1] = clip.BlockChange(tokens=entry)
    return clip.TowerChange(blocks, states=states)
