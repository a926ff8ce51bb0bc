"""OpenAI's nine shapes, narrowed, with methods that fit them.

Kept of each: patch and resolution, the stages that are deeper than others, blocks of a ViT, a head
for 64 columns, an attention pool of a ResNet, towers of unlike widths.
"""

from dataclasses import dataclass

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run, tiny_clip
from tests.unit.trainers.conftest import is_multitask, trained_methods


@dataclass(frozen=True)
class Shape:
    """Sizes of a narrowed CLIP; a patch makes it a ViT."""

    resolution: int
    layers: int | tuple[int, ...]
    width: int
    embed_dim: int
    text_width: int
    patch: int = 0

    def saved(self, path):
        sizes = {"layers": self.layers, "resolution": self.resolution, "embed_dim": self.embed_dim,
                 "text_width": self.text_width, "text_layers": 12}  # fmt: skip
        if self.patch:
            own = {"patch": self.patch, "vision_width": self.width}
            return tiny_clip.saved(path, "vit", **sizes, **own)
        return tiny_clip.saved(path, "resnet", **sizes, width=self.width)


SHAPES = {
    "RN50": Shape(224, (1, 1, 1, 1), 8, 128, 64),
    "RN101": Shape(224, (1, 1, 3, 1), 8, 64, 64),
    "RN50x4": Shape(288, (1, 1, 2, 1), 10, 80, 128),
    "RN50x16": Shape(384, (1, 1, 3, 1), 12, 96, 128),
    "RN50x64": Shape(448, (1, 2, 5, 2), 16, 128, 192),
    "ViT-B/32": Shape(224, 12, 128, 64, 64, patch=32),
    "ViT-B/16": Shape(224, 12, 128, 64, 64, patch=16),
    "ViT-L/14": Shape(224, 24, 128, 96, 64, patch=14),
    "ViT-L/14@336px": Shape(336, 12, 128, 96, 64, patch=14),
}
# The cheapest of each kind takes every registered method, but for DePT's variants: their heads see
# features only.
EVERY = ("RN50", "ViT-B/32")
METHODS = {
    "RN50x64": ["CoOp"],
    "ViT-B/16": ["CoOp", "MaPLe", "MMRL"],
    "ViT-L/14": ["MaPLe", "CLIPLoRA"],
    "ViT-L/14@336px": ["MaPLe"],
}


def methods_of(name):
    if name in EVERY:
        return [method for method in trained_methods() if not method.endswith("DePT")]
    return METHODS.get(name, ["CoOp", "CoCoOp"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """name -> file, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("shapes"), {}

    def file(name):
        if name not in made:
            made[name] = SHAPES[name].saved(folder / f"{len(made)}.pt")
        return made[name]

    return file


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_trains_with_what_fits_it(name, make, weights):
    shape = SHAPES[name]
    size = shape.resolution
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    for method in methods_of(name):
        options = ("INPUT.SIZE", f"({size}, {size})")
        try:
            trainer = make(method, *options, weights=weights(name))
        except UserError as error:
            assert not shape.patch, f"{method}: {error}"
            assert len(error.problems) == 1 and "which a ResNet does not take" in str(error)
            continue
        before = [tensor.clone() for tensor in trainer.trained()]
        report = prompt_run.step(trainer, images, torch.tensor([0, 1]))
        assert torch.isfinite(torch.as_tensor(report["loss"])), method
        moved = zip(before, trainer.trained(), strict=True)
        assert any(not torch.equal(*pair) for pair in moved) or is_multitask(method), method
        assert prompt_run.logits(trainer, images).shape == (2, 5), method
        heads = {block.attn.heads for block in trainer.model.clip.blocks("visual")}
        assert heads == ({shape.width // 64} if shape.patch else set())
        if not shape.patch:
            pool = trainer.model.clip.visual.attnpool
            assert (pool.heads, len(pool.positional_embedding)) == (
                shape.width * 32 // 64,
                1 + (size // 32) ** 2,
            )
