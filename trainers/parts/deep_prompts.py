"""Prompts of their own for several blocks of a tower, under the names of the published checkpoints.

n text tokens, m visual tokens, W width of the tower, V vision width.
"""

import logging

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from dassl.utils.errors import UserError
from trainers.parts.model import require_transformer
from trainers.parts.prompts import (
    ContextLearner,
    init_words,
    random_context,
    start_context,
)

logger = logging.getLogger(__name__)

MAX_INIT_TOKENS = 4  # the published code reads CTX_INIT only for so many context tokens


class InputContext(ContextLearner):
    """The context `ctx` [n, W] of the text tower's input, where deeper blocks have more.

    It starts from N(0, 0.02^2), or from the embeddings of the first n tokens of CTX_INIT.

    quirk: with n = 2 and CTX_INIT `a photo of a`, two words are learned and `of a` stays fixed
    behind them; the published numbers depend on it.

    Raises:
        UserError: CTX_INIT has fewer tokens than n.
    """

    def __init__(
        self, text_tower: nn.Module, ctx_init: str, n_ctx: int, key: str, dtype: torch.dtype
    ):
        words = init_words(ctx_init)
        if words and n_ctx > MAX_INIT_TOKENS:
            logger.info(f"Notice: {key} {n_ctx} is over {MAX_INIT_TOKENS}; CTX_INIT is not used")
            words = ""
        super().__init__(text_tower, words, n_ctx, key)
        self.ctx = nn.Parameter(start_context(text_tower, words, n_ctx, key).to(dtype))


class DeepPrompts(nn.Module):
    """Prompts [n, W] of a tower's blocks 1 .. depth - 1, counted from 0, under their published
    names `transformer.resblocks.{i}.VPT_shallow`; float32 in every precision, N(0, 0.02^2)."""

    def __init__(self, depth: int, n_ctx: int, width: int):
        super().__init__()
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleDict()
        for number in range(1, depth):
            block = nn.Module()
            block.VPT_shallow = nn.Parameter(random_context(n_ctx, width))
            self.transformer.resblocks[str(number)] = block

    def deep(self) -> list[Tensor]:
        """The prompts in the order of the blocks."""
        return [block.VPT_shallow for block in self.transformer.resblocks.values()]


class VisionPrompts(DeepPrompts):
    """The image tower's prompts: `VPT` [m, V] at its input, and those of its blocks."""

    def __init__(self, depth: int, n_ctx: int, width: int):
        super().__init__(depth, n_ctx, width)
        self.VPT = nn.Parameter(random_context(n_ctx, width))

    def change(self) -> clip.TowerChange:
        """What the image tower takes."""
        return clip.deep_prompts(self.deep(), self.VPT, at_end=True)


def vision_prompts(node: str, options: CfgNode, clip_model: clip.CLIP) -> VisionPrompts:
    """The image tower's prompts as `TRAINER.<node>` asks for them.

    Raises:
        UserError: the tower is a ResNet or has fewer blocks, or there are no tokens.
    """
    depth, visual = options.PROMPT_DEPTH_VISION, clip_model.visual
    require_transformer(clip_model, f"TRAINER.{node}.PROMPT_DEPTH_VISION = {depth}")
    check_depth(f"TRAINER.{node}.PROMPT_DEPTH_VISION", depth, visual.layers)
    if options.N_CTX_VISION < 1:
        raise UserError(
            f"TRAINER.{node}.N_CTX_VISION = 0: use 1 or more, or set PROMPT_DEPTH_VISION to 0 to "
            f"have no visual prompts"
        )
    return VisionPrompts(depth, options.N_CTX_VISION, visual.width)


def check_depth(key: str, depth: int, num_blocks: int) -> None:
    """Raises UserError where a depth is over the number of blocks."""
    if depth > num_blocks:
        raise UserError(
            f"{key} = {depth}: this backbone's tower has {num_blocks} blocks; use 1 to {num_blocks}"
        )
