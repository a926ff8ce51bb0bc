"""The vision transformer tower.

Shape letters: B images, L = 1 + patches (+ m), V width, D joint width, m prompt vectors.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clip.blocks import LayerNorm, Transformer, pixels, self_attention
from clip.changes import UNCHANGED, Tokens, TowerChange
from clip.dims import PLAIN, Variant
from clip.errors import ClipError


class ImageOutput(NamedTuple):
    """Features [B, D], not normalised, and the final states [B, k, V] that were asked for."""

    feature: Tensor
    states: Tensor | None = None


class VisionTransformer(nn.Module):
    """ViT with a class token, a layer norm before the blocks, and a linear map to the joint space;
    what a variant has otherwise is as open_clip computes it.

    What changes the tower is an argument: a prompt behind the patches, tokens there or behind the
    class token before any block, and what changes the blocks themselves.
    """

    accepts_changes = True
    has_class_token = True

    def __init__(
        self,
        *,
        input_resolution: int,
        patch_size: int,
        width: int,
        layers: int,
        heads: int,
        output_dim: int,
        hidden: int = 0,
        variant: Variant = PLAIN,
    ):
        super().__init__()
        self.input_resolution = input_resolution
        self.output_dim = output_dim
        self.width = width
        self.layers = layers
        self.variant = variant
        self.conv1 = nn.Conv2d(3, width, patch_size, stride=patch_size, bias=False)
        scale = width**-0.5
        self.patches = (input_resolution // patch_size) ** 2
        epsilon = variant.vision_epsilon
        self.class_embedding = drawn(width, std=scale)
        self.positional_embedding = drawn(1 + self.patches, width, std=scale)
        self.ln_pre = LayerNorm(width, eps=epsilon) if variant.norm_first else nn.Identity()
        self.transformer = Transformer(width, layers, heads, hidden, epsilon)
        self.ln_post = LayerNorm(width, eps=epsilon)
        self.proj = drawn(width, output_dim, std=scale)

    def forward(self, images: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """[B, 3, N, N] normalised pixels -> [B, D], not normalised.

        Raises:
            ClipError: as of ``encode``.
        """
        return self.encode(images, change).feature

    def encode(self, images: Tensor, change: TowerChange = UNCHANGED) -> ImageOutput:
        """[B, 3, N, N] normalised pixels -> features, and states where the change asks for some:
        ln_post of the positions ``change.states``, class token first.

        Raises:
            ClipError: images of another size, or tokens that replace others at the end and are not
                as many.
        """
        x = self.embed(images, change.prompt)
        if change.at_input is not None:
            x = x + change.at_input(x).to(x.dtype)
        appended = 0 if change.prompt is None else change.prompt.shape[-2]
        todo = change.steps(self.transformer.resblocks)
        for position, (block, entry) in enumerate(todo, 1):
            if entry.tokens is not None:
                appended = _appended(appended, entry.tokens)
                x = entry.tokens.into(x, 1 if self.has_class_token else 0)
            last = position == len(todo) and change.states is None and self.reads_class_token
            # the feature is read there: the last block computes no other
            x = block(x, self_attention, class_token if last else None, entry)
        states = None if change.states is None else self.ln_post(x[:, change.states])
        return ImageOutput(self.feature(x, appended), states)

    @property
    def reads_class_token(self) -> bool:
        """Whether that is where the feature is read."""
        return self.has_class_token and not self.variant.mean_pool

    def feature(self, x: Tensor, appended: int) -> Tensor:
        """The last block's output [B, L, V], of which the last ``appended`` are prompts ->
        [B, D]."""
        if self.reads_class_token:
            return self.ln_post(x[:, 0]) @ self.proj
        patches = self.of_patches(x, appended)
        if self.variant.norm_last:
            return self.ln_post(patches.mean(dim=1)) @ self.proj
        return self.ln_post(patches).mean(dim=1) @ self.proj

    def of_patches(self, x: Tensor, appended: int) -> Tensor:
        """Without class token and prompts, which have no part in a pool: [B, L, V] -> [B, P, V]."""
        end = x.shape[1] - appended
        return x[:, end - self.patches : end]

    def embed(self, images: Tensor, prompt: Tensor | None = None) -> Tensor:
        """What the first block sees: [B, 3, N, N] -> [B, L, V]."""
        x = (
            self.conv1(pixels(images, self.input_resolution, self.conv1.weight.dtype))
            .flatten(2)
            .transpose(1, 2)
        )
        first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = torch.cat([first, x], dim=1) + self.positional_embedding.to(x.dtype)
        if prompt is not None:
            x = torch.cat([x, prompt.to(x.dtype).expand(x.shape[0], -1, -1)], dim=1)
        return self.ln_pre(x)


def class_token(x: Tensor) -> Tensor:
    """[B, L, V] -> [B, 1, V]."""
    return x[:, :1]


def drawn(*shape: int, std: float) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(shape), std=std))


def _appended(count: int, tokens: Tokens) -> int:
    """How many vectors stand behind the patches once ``tokens`` are in."""
    if not tokens.at_end:
        return count
    if tokens.insert:
        return count + tokens.count
    if tokens.count != count:
        raise ClipError(
            f"deep visual prompt of {tokens.count} vectors: {count} were appended at the "
            "input; use as many"
        )
    return count
