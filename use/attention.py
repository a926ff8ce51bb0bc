"""Where the image tower looks: attention of the class token over a picture's patches.

H heads, L positions, K width of a head, P x P patches.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dassl.utils.errors import UserError
from trainers.parts.model import PromptModel
from use.drawing import figure, save


class _Recorder(TorchFunctionMode):
    """Keeps queries and keys of every scaled dot-product attention inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            self.pairs.append((args[0].detach(), args[1].detach()))
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def class_attention(
    model: PromptModel, image: Tensor, *, block: int = -1, prompted: bool = True
) -> np.ndarray:
    """Attention [P, P] of the class token to the patches, mean over the heads; with what goes to
    itself and to prompts it sums to 1. In a ResNet it is the pooling query's, over the positions of
    the last stage.

    Args:
        image: [3, N, N], as the model takes it.
        block: of the image tower, from 0; -1 is the last.
        prompted: with the prompts and adapters of the image tower; without them it is the frozen
            CLIP's.

    Raises:
        UserError: there is no such block, or the feature is not read by one query.
    """
    visual: Any = model.clip.visual
    if not visual.reads_class_token and not hasattr(visual, "attnpool"):
        raise UserError(
            f"{model.cfg.MODEL.BACKBONE.NAME}: its image feature is not read from a class token, "
            "so that there is no attention of one to show; take a CLIP that has it"
        )
    with _Recorder() as recorder:
        encode = model.encode_image if prompted else model.clip.encode_image
        encode(image[None])
    number = len(recorder.pairs)
    if not -number <= block < number:
        raise UserError(f"--block {block}: the image tower has {number}, 0 to {number - 1}")
    queries, keys = (part.float() for part in recorder.pairs[block])  # [1, H, L, K]
    scores = queries[0, :, :1] @ keys[0].transpose(1, 2) / math.sqrt(keys.shape[-1])
    weights = scores.softmax(dim=-1).mean(dim=0)[0]  # [L]
    side = _patches(model)
    return weights[1 : 1 + side**2].reshape(side, side).cpu().numpy()


def draw_attention(pixels: np.ndarray, maps: dict[str, np.ndarray], path: Path, title: str) -> None:
    """The picture [N, N, 3] in 0..1, and beside it each map laid over it."""
    drawn, axes = figure(2.2 * (1 + len(maps)), 2.5, 1 + len(maps))
    side = len(pixels)
    axes[0].imshow(pixels)
    axes[0].set_title(title, fontsize=8)
    for panel, (name, found) in zip(axes[1:], maps.items(), strict=True):
        panel.imshow(pixels.mean(axis=-1), cmap="gray", vmin=0, vmax=1)
        panel.imshow(
            found / found.max(),
            cmap="inferno",
            alpha=0.6,
            extent=(-0.5, side - 0.5, side - 0.5, -0.5),
            interpolation="bilinear",
        )
        panel.set_title(name, fontsize=8)
    for panel in axes:
        panel.set_axis_off()
    save(drawn, path)


def _patches(model: PromptModel) -> int:
    """P of the image tower."""
    visual: Any = model.clip.visual
    positions = getattr(visual, "positional_embedding", None)
    if positions is None:
        positions = visual.attnpool.positional_embedding
    return math.isqrt(len(positions) - 1)
