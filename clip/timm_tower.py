"""Image towers of timm, as open_clip builds them: EVA, MobileCLIP, ConvNeXt, SigLIP and others.

Shape letters: B images, D joint width.
"""

import torch
from torch import Tensor, nn

from clip.blocks import pixels
from clip.changes import UNCHANGED, TowerChange
from clip.dims import TimmTower
from clip.errors import ClipError
from clip.extra import open_clip_package
from clip.vit import ImageOutput


class TimmImageTower(nn.Module):
    """The tower that open_clip computes, module for module; nothing changes it from outside.

    It computes in float32, also where the text tower is in 16 bits: which of its layers bear less
    is for each of timm's towers another question.

    Args:
        timm: which one.
        output_dim: D.
    """

    accepts_changes = False
    has_class_token = reads_class_token = False
    kind = "an image tower of timm"

    def __init__(self, timm: TimmTower, output_dim: int):
        super().__init__()
        open_clip_package()
        from open_clip.timm_model import TimmModel

        whole = TimmModel(
            timm.name,
            embed_dim=output_dim,
            image_size=timm.image_size,
            pool=timm.pool,
            proj=timm.proj,
            proj_bias=timm.proj_bias,
            pretrained=False,
        )
        self.name = timm.name
        self.input_resolution = timm.image_size
        self.output_dim = output_dim
        self.trunk = whole.trunk
        self.head = whole.head

    def forward(self, images: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """[B, 3, N, N] normalised pixels -> [B, D], not normalised.

        Raises:
            ClipError: images of another size, or a change.
        """
        if change:
            raise ClipError(
                f"change of {self.name}, an image tower of timm: it takes no prompts, adapters or "
                "low-rank updates; use a ViT of CLIP's own form, e.g. ViT-B/16"
            )
        return self.head(self.trunk(pixels(images, self.input_resolution, torch.float32)))

    def encode(self, images: Tensor, change: TowerChange = UNCHANGED) -> ImageOutput:
        """As VisionTransformer's, without states."""
        return ImageOutput(self(images, change))
