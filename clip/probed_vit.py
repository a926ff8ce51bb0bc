"""SigLIP's vision transformer: no class token, features read by a query that was learned.

Shape letters: B images, P patches, L = P (+ m prompt vectors), V width.
"""

import torch
from torch import Tensor, nn

from clip.blocks import MLP, Attention, LayerNorm, Transformer, pixels, self_attention
from clip.dims import Variant
from clip.vit import VisionTransformer, drawn


class ProbePool(nn.Module):
    """x = attention of one learned query over the patches, then x + mlp(norm x)."""

    def __init__(self, width: int, heads: int, hidden: int, epsilon: float):
        super().__init__()
        self.probe = drawn(1, width, std=width**-0.5)
        self.attn = Attention(width, heads)
        self.ln = LayerNorm(width, eps=epsilon)
        self.mlp = MLP(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, V] -> [B, V]."""
        weight, bias = self.attn.in_proj_weight, self.attn.in_proj_bias
        width = weight.shape[1]
        probe = nn.functional.linear(self.probe.to(x.dtype), weight[:width], bias[:width])
        seen = nn.functional.linear(x, weight[width:], bias[width:])
        q, k, v = (
            part.unflatten(-1, (self.attn.heads, -1))
            for part in (probe.expand(len(x), -1, -1), *seen.chunk(2, dim=-1))
        )
        read = self.attn.out_proj(self_attention(q, k, v).flatten(-2)).squeeze(1)
        return read + self.mlp(self.ln(read))


class ProbedVisionTransformer(VisionTransformer):
    """`VisionTransformer` without class token, norm before the blocks and projection. Prompts stand
    behind the patches, or in front of them where they would follow a class token; they have no part
    in the pool."""

    has_class_token = False

    def __init__(
        self,
        *,
        input_resolution: int,
        patch_size: int,
        width: int,
        layers: int,
        heads: int,
        output_dim: int,
        hidden: int,
        variant: Variant,
    ):
        nn.Module.__init__(self)
        self.input_resolution = input_resolution
        self.output_dim = output_dim
        self.width = width
        self.layers = layers
        self.variant = variant
        self.patches = (input_resolution // patch_size) ** 2
        hidden, epsilon = hidden or 4 * width, variant.vision_epsilon
        self.conv1 = nn.Conv2d(3, width, patch_size, stride=patch_size)
        self.positional_embedding = drawn(self.patches, width, std=width**-0.5)
        self.transformer = Transformer(width, layers, heads, hidden, epsilon)
        self.ln_post = LayerNorm(width, eps=epsilon)
        self.pool = ProbePool(width, heads, hidden, epsilon)

    def feature(self, x: Tensor, appended: int) -> Tensor:
        """As VisionTransformer's."""
        return self.pool(self.ln_post(self.of_patches(x, appended)))

    def embed(self, images: Tensor, prompt: Tensor | None = None) -> Tensor:
        """What the first block sees: [B, 3, N, N] -> [B, L, V]."""
        x = self.conv1(pixels(images, self.input_resolution, self.conv1.weight.dtype))
        x = x.flatten(2).transpose(1, 2)
        x = x + self.positional_embedding.to(x.dtype)
        if prompt is None:
            return x
        return torch.cat([x, prompt.to(x.dtype).expand(x.shape[0], -1, -1)], dim=1)
