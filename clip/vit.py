"""The vision transformer tower.

Shape letters: B images, L = 1 + patches (+ m), V width, D joint width, m prompt vectors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clip.blocks import EVERY_POSITION, LayerNorm, Transformer, pixels, self_attention, steps
from clip.errors import ClipError

CLASS_TOKEN = slice(0, 1)


class VisionTransformer(nn.Module):
    """ViT with a class token, a layer norm before the blocks, and a linear map to the joint space.

    Prompts are arguments: ``prompt`` [m, V] is appended behind the patches, after the positional
    embedding (it gets none) and before ``ln_pre``; ``deep[i-1]`` (None or [m, V]) replaces the last
    m positions before block i, counted from 0 (the first block takes none). Entries beyond the last
    block are ignored.
    """

    accepts_prompts = True

    def __init__(
        self,
        *,
        input_resolution: int,
        patch_size: int,
        width: int,
        layers: int,
        heads: int,
        output_dim: int,
    ):
        super().__init__()
        self.input_resolution = input_resolution
        self.output_dim = output_dim
        self.width = width
        self.layers = layers
        self.conv1 = nn.Conv2d(3, width, patch_size, stride=patch_size, bias=False)
        scale = width**-0.5
        positions = 1 + (input_resolution // patch_size) ** 2
        self.class_embedding = _drawn(width, std=scale)
        self.positional_embedding = _drawn(positions, width, std=scale)
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, layers, heads)
        self.ln_post = LayerNorm(width)
        self.proj = _drawn(width, output_dim, std=scale)

    def forward(
        self, images: Tensor, prompt: Tensor | None = None, deep: Sequence[Tensor | None] = ()
    ) -> Tensor:
        """[B, 3, N, N] normalised pixels -> [B, D], not normalised.

        Raises:
            ClipError: images of another size, or deep prompts that do not match ``prompt`` in
            number.
        """
        x = self.embed(images, prompt)
        count = 0 if prompt is None else prompt.shape[-2]
        todo = steps(self.transformer.resblocks, deep)
        for position, (block, entry) in enumerate(todo, 1):
            if entry is not None:
                x = _replace_last(x, entry, count)
            # the feature is read at the class token: the last block computes no other
            x = block(x, self_attention, CLASS_TOKEN if position == len(todo) else EVERY_POSITION)
        return self.ln_post(x[:, 0]) @ self.proj

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


def _drawn(*shape: int, std: float) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(shape), std=std))


def _replace_last(x: Tensor, prompt: Tensor, count: int) -> Tensor:
    if prompt.shape[-2] != count:
        raise ClipError(
            f"deep visual prompt of {prompt.shape[-2]} vectors: {count} were appended at the "
            "input; use as many"
        )
    prompt = prompt.to(x.dtype).expand(x.shape[0], -1, -1)
    return torch.cat([x[:, : x.shape[1] - count], prompt], dim=1)
