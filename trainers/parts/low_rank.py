"""Low-rank updates of frozen projections (LoRA, arXiv:2106.09685)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import clip
from dassl.utils.checkpoints import load_checkpoint, save_torch
from dassl.utils.errors import CheckpointMismatchError, UserError

FILE = "lora_weights.pt"  # of the published code

# What of a block can be updated: its published name, and inputs and outputs in tower widths.
PROJECTIONS = {
    "q": ("q_proj", 1, 1),
    "k": ("k_proj", 1, 1),
    "v": ("v_proj", 1, 1),
    "o": ("proj", 1, 1),
    "c_fc": ("c_fc", 1, 4),
    "c_proj": ("c_proj", 4, 1),
}

POSITIONS = {  # where the updated blocks begin and end, as parts of the tower
    **{"all": (0, 1), "bottom": (0, 1 / 3), "mid": (1 / 3, 2 / 3), "up": (2 / 3, 1)},
    **{"half-bottom": (0, 1 / 2), "half-up": (1 / 2, 1), "top3": (-3, 1)},
}


def blocks_at(position: str, num_blocks: int) -> range:
    """The blocks, from 0, that a name of `POSITIONS` means."""
    start, end = POSITIONS[position]
    first = max(0, num_blocks + start) if start < 0 else round(start * num_blocks)
    return range(first, round(end * num_blocks))


class LowRank(nn.Module):
    """x W^T + b becomes x W^T + b + s dropout(x) (B A)^T, s = alpha / sqrt(r).

    A = `w_lora_A` [r, in] starts Kaiming uniform, B = `w_lora_B` [out, r] at zero, so that the
    projection starts as it is. Both are float32 in every precision.

    Raises:
        UserError: r is over the narrower side of the projection; names `key`.
    """

    def __init__(
        self, inputs: int, outputs: int, *, rank: int, alpha: float, dropout: float, key: str
    ):
        super().__init__()
        widest = min(inputs, outputs)
        if rank > widest:
            raise UserError(f"{key} = {rank}: over the tower's width {widest}; use 1 to {widest}")
        self.w_lora_A = nn.Parameter(torch.empty(rank, inputs))
        self.w_lora_B = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.w_lora_A, a=math.sqrt(5))
        self.scale = alpha / math.sqrt(rank)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        """Inputs [..., in] and outputs [..., out] of the projection -> [..., out]."""
        x = self.dropout(x.to(self.w_lora_A.dtype))
        return output + self.scale * (x @ self.w_lora_A.t() @ self.w_lora_B.t())

    def fold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weight and bias that do the same in one product; dropout is left out."""
        return weight + self.scale * self.w_lora_B @ self.w_lora_A, bias


class LowRankTowers(nn.ModuleDict):
    """Updates of chosen projections in chosen blocks: `layer_{i}.<published name>`, i over the
    blocks of the towers in their order.

    Args:
        towers: towers of a CLIP, by the name that it gives them: text, visual.
        position: of `POSITIONS`.
        parts: of `PROJECTIONS`.
        settings: rank, alpha, dropout and key of `LowRank`.
    """

    def __init__(
        self,
        towers: Mapping[str, nn.Module],
        position: str,
        parts: Sequence[str],
        **settings: Any,
    ):
        super().__init__()
        names = [(name, i) for name, t in towers.items() for i in blocks_at(position, t.layers)]
        self.places = names  # tower and block of each layer
        for number, (name, _) in enumerate(names):
            width = towers[name].width
            updates = {
                published: LowRank(a * width, b * width, **settings)
                for published, a, b in (PROJECTIONS[part] for part in parts)
            }
            self[f"layer_{number}"] = nn.ModuleDict(updates)

    def change(self, tower: str) -> clip.TowerChange:
        """What the tower of that name takes."""
        blocks = {}
        for (name, block), layer in zip(self.places, self.values(), strict=True):
            if name == tower:
                parts = {part: layer[p] for part, (p, *_) in PROJECTIONS.items() if p in layer}
                blocks[block] = clip.BlockChange(parts=parts)
        return clip.TowerChange(blocks)


def save_published(layers: nn.ModuleDict, settings: Mapping[str, Any], directory: Path) -> None:
    """Writes `lora_weights.pt` as the published code does: `weights` by layer, projection and
    matrix, and what they are of as `metadata`."""
    weights: dict[str, Any] = {}
    for key, tensor in layers.state_dict().items():
        layer, projection, matrix = key.split(".")
        weights.setdefault(layer, {}).setdefault(projection, {})[matrix] = tensor.cpu()
    save_torch({"weights": weights, "metadata": dict(settings)}, directory / FILE)


def read_published(directory: Path, settings: Mapping[str, Any]) -> tuple[Path, dict[str, Tensor]]:
    """The path of a `lora_weights.pt`, and its tensors by `layer_{i}.<projection>.<matrix>`.

    Raises:
        MissingFileError: (a UserError) there is none.
        CheckpointMismatchError: (a UserError) it is of other settings, or no such file.
    """
    path = directory / FILE
    content = load_checkpoint(str(path))
    if not isinstance(content, Mapping) or not {"weights", "metadata"} <= content.keys():
        raise CheckpointMismatchError(f"{path}: has no weights and metadata of low-rank updates")
    found = content["metadata"]
    others = [
        f"{name} {found.get(name)!r}, this run {value!r}"
        for name, value in settings.items()
        if found.get(name) != value
    ]
    if others:
        raise CheckpointMismatchError(
            f"{path} was trained with {'; '.join(others)}; set the run's options to the file's"
        )
    state = {
        f"{layer}.{projection}.{matrix}": tensor
        for layer, projections in content["weights"].items()
        for projection, matrices in projections.items()
        for matrix, tensor in matrices.items()
    }
    return path, state
