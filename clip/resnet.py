"""CLIP's modified ResNet: three-convolution stem, anti-aliased strides, attention pooling.

Shape letters: B images, D joint width, w stem width, F = 32 w features before the pool.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip.blocks import pixels, self_attention
from clip.changes import UNCHANGED, TowerChange
from clip.errors import ClipError
from clip.vit import ImageOutput

EXPANSION = 4


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm computed in float32 and cast back to the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class Bottleneck(nn.Module):
    """1x1, 3x3, average pool by the stride, 1x1 to 4 x planes; the shortcut pools likewise."""

    def __init__(self, inputs: int, planes: int, stride: int):
        super().__init__()
        outputs = planes * EXPANSION
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = BatchNorm2d(outputs)
        nn.init.zeros_(self.bn3.weight)  # each block starts as its shortcut
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), BatchNorm2d(outputs)
            )

    def _pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(self._pool(x))
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(self._pool(x))) + shortcut)


class AttentionPool(nn.Module):
    """One attention layer whose only query is the mean of the positions."""

    def __init__(self, side: int, width: int, heads: int, output_dim: int):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(side**2 + 1, width))
        nn.init.normal_(self.positional_embedding, std=width**-0.5)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, output_dim)
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, side, side] -> [B, D]."""
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)  # [B, 1 + side^2, F]
        x = x + self.positional_embedding.to(x.dtype)
        q, k, v = (
            layer(part).unflatten(-1, (self.heads, -1))
            for layer, part in ((self.q_proj, x[:, :1]), (self.k_proj, x), (self.v_proj, x))
        )
        return self.c_proj(self_attention(q, k, v).flatten(-2)).squeeze(1)


class ModifiedResNet(nn.Module):
    """CLIP's ResNet tower; nothing changes it from outside."""

    accepts_changes = False
    has_class_token = reads_class_token = False
    kind = "a ResNet"

    def __init__(
        self,
        *,
        input_resolution: int,
        layers: Sequence[int],
        width: int,
        heads: int,
        output_dim: int,
    ):
        super().__init__()
        self.input_resolution = input_resolution
        self.output_dim = output_dim
        self.width = width
        self.layers = tuple(layers)
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = BatchNorm2d(width)
        inputs = width
        for stage, count in enumerate(self.layers):
            planes = width * 2**stage
            blocks = [Bottleneck(inputs, planes, stride=1 if stage == 0 else 2)]
            inputs = planes * EXPANSION
            blocks += [Bottleneck(inputs, planes, stride=1) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(input_resolution // 32, inputs, heads, output_dim)

    @property
    def stages(self) -> list[nn.Module]:
        """layer1 to layer4."""
        return [self.get_submodule(f"layer{stage + 1}") for stage in range(len(self.layers))]

    def stem(self, images: Tensor) -> Tensor:
        """[B, 3, N, N] -> [B, w, N/4, N/4]."""
        x = pixels(images, self.input_resolution, self.conv1.weight.dtype)
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.relu(norm(conv(x)))
        return F.avg_pool2d(x, 2)

    def forward(self, images: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """[B, 3, N, N] normalised pixels -> [B, D], not normalised.

        Raises:
            ClipError: images of another size, or a change: prompts, adapters and updates of
                projections are of transformer blocks.
        """
        if change:
            raise ClipError(
                "change of a ResNet tower: it takes no prompts, and has no transformer blocks for "
                "adapters and low-rank updates; use a ViT, e.g. ViT-B/16"
            )
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return self.attnpool(x)

    def encode(self, images: Tensor, change: TowerChange = UNCHANGED) -> ImageOutput:
        """As VisionTransformer's, without states."""
        return ImageOutput(self(images, change))
