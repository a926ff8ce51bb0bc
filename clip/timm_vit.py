"""Which image towers of timm are SigLIP's plain ViT, and their tensors under our names.

Source of the structure: timm 1.0.31, models/vision_transformer.py, layers/attention_pool.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from clip.configs import Config
from clip.dims import TimmTower
from clip.stored import Stored, joined, without_first
from clip.timm_tower import TimmImageTower

_NAMES = (
    (r"patch_embed\.proj\.(.*)", r"conv1.\1"),
    (r"pos_embed", "positional_embedding"),
    (r"norm\.(.*)", r"ln_post.\1"),
    (r"blocks\.(\d+)\.norm([12])\.(.*)", r"transformer.resblocks.\1.ln_\2.\3"),
    (r"blocks\.(\d+)\.attn\.qkv\.(.*)", r"transformer.resblocks.\1.attn.in_proj_\2"),
    (r"blocks\.(\d+)\.attn\.proj\.(.*)", r"transformer.resblocks.\1.attn.out_proj.\2"),
    (r"blocks\.(\d+)\.mlp\.fc1\.(.*)", r"transformer.resblocks.\1.mlp.c_fc.\2"),
    (r"blocks\.(\d+)\.mlp\.fc2\.(.*)", r"transformer.resblocks.\1.mlp.c_proj.\2"),
    (r"attn_pool\.latent", "pool.probe"),
    (r"attn_pool\.proj\.(.*)", r"pool.attn.out_proj.\1"),
    (r"attn_pool\.norm\.(.*)", r"pool.ln.\1"),
    (r"attn_pool\.mlp\.fc1\.(.*)", r"pool.mlp.c_fc.\1"),
    (r"attn_pool\.mlp\.fc2\.(.*)", r"pool.mlp.c_proj.\1"),
)
_TRUNK = "visual.trunk."
_WITH_A_ROW = ("pos_embed", "attn_pool.latent")  # of a batch, in front


@dataclass(frozen=True)
class PlainViT:
    """What tensors do not tell of such a tower."""

    heads: int
    width: int
    epsilon: float
    tanh: bool

    def settled(self, config: Config) -> Config:
        """The config of our own tower in place of timm's."""
        variant = replace(
            config.variant,
            class_token=False,
            vision_epsilon=self.epsilon,
            vision_tanh=self.tanh,
        )
        side = config.image_size
        return replace(
            config,
            timm=None,
            variant=variant,
            vision_head_width=self.width // self.heads,
            sizes={**config.sizes, "image_resolution": side},
        )


def plain_vit(timm: TimmTower) -> PlainViT | None:
    """SigLIP's ViT, told from the modules that timm builds; None of any other tower."""
    if timm.pool != "map" or timm.proj != "none":
        return None
    with torch.device("meta"):
        trunk = TimmImageTower(timm, output_dim=0).trunk
    if not all(map(_plain, trunk.modules())):
        return None
    pool = trunk.attn_pool
    heads = {part.num_heads for part in (pool, *(block.attn for block in trunk.blocks))}
    epsilons = {module.eps for module in trunk.modules() if isinstance(module, nn.LayerNorm)}
    gelus = {kind for module in trunk.modules() if (kind := _gelu(module))}
    plain = (
        trunk.cls_token is None
        and trunk.reg_token is None
        and len(heads) == len(epsilons) == len(gelus) == 1
        and pool.latent_len == 1
        and pool.pos_embed is None
        and all(_renamed(name) for name in trunk.state_dict())
    )
    if not plain:
        return None
    return PlainViT(heads.pop(), trunk.embed_dim, epsilons.pop(), gelus.pop() == "tanh")


def _gelu(module: nn.Module) -> str:
    """How a GELU is approximated, by "none" or "tanh"; "" of other modules."""
    if type(module).__name__ == "GELUTanh":
        return "tanh"
    return str(module.approximate) if isinstance(module, nn.GELU) else ""


def _plain(module: nn.Module) -> bool:
    """Whether our tower has such a module."""
    known = (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.Identity, nn.Dropout, nn.Sequential)
    ours = ("VisionTransformer", "PatchEmbed", "Block", "Attention", "Mlp", "AttentionPoolLatent")
    return isinstance(module, known) or bool(_gelu(module)) or type(module).__name__ in ours


def under_our_names(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """The tensors of a whole model, its image tower as clip/probed_vit.py calls them."""
    found: dict[str, Stored] = {}
    for name, value in tensors.items():
        inner = name.removeprefix(_TRUNK)
        if inner in _WITH_A_ROW and value.shape[:1] == (1,):
            value = without_first(value)
        ours = _renamed(inner) if inner != name else name
        found[f"visual.{ours}" if inner != name and ours else name] = value
    for end in ("weight", "bias"):
        parts = [f"visual.{part}.{end}" for part in ("attn_pool.q", "attn_pool.kv")]
        if all(part in found for part in parts):
            whole = joined([found.pop(part) for part in parts])
            found[f"visual.pool.attn.in_proj_{end}"] = whole
    return found


def _renamed(name: str) -> Any:
    """Our name of a trunk's tensor; its own of the pool's projections, which become one; None where
    there is none."""
    if re.fullmatch(r"attn_pool\.(q|kv)\.(weight|bias)", name):
        return name
    for pattern, ours in _NAMES:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    return None
