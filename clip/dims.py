"""The sizes of a CLIP, and how they are read from the tensors of a state dict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from clip.blocks import EPSILON
from clip.errors import ClipError, not_a_clip
from clip.stored import Stored

Tensors = Mapping[str, Tensor] | Mapping[str, Stored]

HEAD_WIDTH = 64
VISION_SIZES = ("image_resolution", "vision_layers", "vision_width", "patch_size")
# ViTs of open_clip whose heads are not 64 wide, by the width of the tower: ViT-H/14.
OTHER_HEAD_WIDTHS = {1280: 80}


@dataclass(frozen=True)
class Variant:
    """In what towers of open_clip differ from OpenAI's beyond their sizes; the default, in nothing.

    Attributes:
        class_token: a ViT's feature is read there or from the patches' mean; without one, a query
            that was learned reads it (SigLIP).
        norm_first: a layer norm stands before the blocks of a ViT.
        mean_pool: a ViT's feature is read from the mean of its patches, not from its class token.
        norm_last: the final layer norm is that of the mean, not of the patches.
        vision_epsilon, text_epsilon: of the layer norms.
        causal: a position of a text sees none behind it; else all see all, padding too.
        read: where a text's feature is read: "end" is its end-of-text token, "last" the last
            position of the context, whatever stands there.
        end_id: the id of the end of text; None is the largest id of a row.
        vision_tanh, text_tanh: GELU in its tanh approximation.
    """

    class_token: bool = True
    norm_first: bool = True
    mean_pool: bool = False
    norm_last: bool = False
    vision_epsilon: float = EPSILON
    text_epsilon: float = EPSILON
    causal: bool = True
    read: str = "end"
    end_id: int | None = None
    vision_tanh: bool = False
    text_tanh: bool = False


PLAIN = Variant()


@dataclass(frozen=True)
class TimmTower:
    """An image tower of timm as open_clip wraps it; arguments of its TimmModel."""

    name: str
    image_size: int
    pool: str = "avg"
    proj: str | None = "linear"
    proj_bias: bool = False


@dataclass(frozen=True)
class CLIPDims:
    """Sizes of both towers. A vision tower with a patch size is a ViT, one without a ResNet.

    Attributes:
        embed_dim: D, the joint width.
        image_resolution: side of the square input in pixels.
        vision_layers: blocks of a ViT, or the bottlenecks in each stage of a ResNet.
        vision_width: width of a ViT's blocks, or the stem width of a ResNet.
        patch_size: side of a ViT's patch in pixels; None for a ResNet.
        context_length: positions of the text tower.
        vocab_size: rows of the token embedding.
        text_width: width of the text blocks.
        text_layers: number of text blocks.
        vision_head_width, text_head_width: columns of an attention head.
        vision_hidden, text_hidden: columns of an MLP's hidden layer; 0 is four times the width.
        text_bias: whether the text projection has a bias.
        variant: what differs from OpenAI's towers.
        timm: the image tower, if it is one of timm; the vision sizes then say nothing.

    Raises:
        ClipError: sizes that do not fit together.
    """

    embed_dim: int
    image_resolution: int
    vision_layers: int | tuple[int, ...]
    vision_width: int
    patch_size: int | None
    context_length: int = 77
    vocab_size: int = 49408
    text_width: int = 512
    text_layers: int = 12
    vision_head_width: int = HEAD_WIDTH
    text_head_width: int = HEAD_WIDTH
    vision_hidden: int = 0
    text_hidden: int = 0
    text_bias: bool = False
    variant: Variant = PLAIN
    timm: TimmTower | None = None

    def __post_init__(self) -> None:
        self._check_heads("text", self.text_width, self.text_heads, self.text_head_width)
        if self.timm is None:
            self._check_vision()

    def _check_vision(self) -> None:
        if self.is_vit != isinstance(self.vision_layers, int):
            raise ClipError(
                f"CLIPDims: patch_size {self.patch_size}, vision_layers {self.vision_layers}; "
                "a ViT takes a patch size and one number, a ResNet None and one number per stage"
            )
        unit, name = (self.patch_size, "patch size") if self.is_vit else (32, "stride")
        if self.image_resolution % unit and self.variant.class_token:  # SigLIP leaves out the rest
            raise ClipError(
                f"CLIPDims: image_resolution {self.image_resolution} is no multiple of "
                f"the {name} {unit}"
            )
        width = self.vision_width * (1 if self.is_vit else 32)
        self._check_heads("vision", width, self.vision_heads, self.vision_head_width)

    @staticmethod
    def _check_heads(part: str, width: int, heads: int, head_width: int) -> None:
        if width % heads:
            raise ClipError(f"CLIPDims: {part} width {width} is no multiple of {head_width}")

    @property
    def is_vit(self) -> bool:
        return self.patch_size is not None

    @property
    def vision_heads(self) -> int:
        """Heads of a ViT's blocks, or of a ResNet's attention pool."""
        width = self.vision_width if self.is_vit else self.vision_width * 32
        return max(1, width // self.vision_head_width)

    @property
    def text_heads(self) -> int:
        return max(1, self.text_width // self.text_head_width)


def dims_from_state_dict(state: Tensors, timm: TimmTower | None = None) -> CLIPDims:
    """Reads the sizes from the shapes of a state dict in OpenAI's layout.

    Args:
        timm: the image tower, if it is none of CLIP's.

    Raises:
        WeightsError: a tensor that tells a size is missing or has an impossible shape.
    """
    try:
        vision = _vision_dims(state) if timm is None else _timm_dims(timm)
        return CLIPDims(
            **vision,
            embed_dim=state["text_projection"].shape[1],
            context_length=state["positional_embedding"].shape[0],
            vocab_size=state["token_embedding.weight"].shape[0],
            text_width=state["ln_final.weight"].shape[0],
            text_layers=len(_numbers(state, r"transformer\.resblocks\.(\d+)\.")),
            text_hidden=_hidden(state, ""),
            text_bias="text_projection_bias" in state,
        )
    except KeyError as error:
        raise not_a_clip(f"missing {error.args[0]}") from None
    except IndexError:
        raise not_a_clip("a tensor has too few dimensions") from None
    except ClipError as error:
        raise not_a_clip(str(error)) from None


def _vision_dims(state: Tensors) -> dict:
    if "visual.pool.probe" in state:
        return {**_vit_dims(state, before=0), "variant": Variant(class_token=False)}
    return _vit_dims(state) if _has_vit(state) else _resnet_dims(state)


def _has_vit(state: Tensors) -> bool:
    return "visual.proj" in state or "visual.class_embedding" in state


def _vit_dims(state: Tensors, before: int = 1) -> dict:
    width, _, _, patch = _shape4(state, "visual.conv1.weight")
    return {
        "image_resolution": _grid_side(state, "visual.positional_embedding", before) * patch,
        "vision_layers": len(_numbers(state, r"visual\.transformer\.resblocks\.(\d+)\.")),
        "vision_width": width,
        "patch_size": patch,
        "vision_head_width": OTHER_HEAD_WIDTHS.get(width, HEAD_WIDTH),
        "vision_hidden": _hidden(state, "visual."),
    }


def _timm_dims(timm: TimmTower) -> dict:
    return {
        "image_resolution": timm.image_size,
        "vision_layers": 0,
        "vision_width": 0,
        "patch_size": None,
        "timm": timm,
    }


def _hidden(state: Tensors, tower: str) -> int:
    """Columns of the first MLP's hidden layer; 0 of a tower without one, or of a plain one."""
    weight = state.get(f"{tower}transformer.resblocks.0.mlp.c_fc.weight")
    if weight is None or len(weight.shape) != 2 or weight.shape[0] == 4 * weight.shape[1]:
        return 0
    return weight.shape[0]


def _resnet_dims(state: Tensors) -> dict:
    stages = range(1, 5)
    return {
        "image_resolution": 32 * _grid_side(state, "visual.attnpool.positional_embedding"),
        "vision_layers": tuple(len(_numbers(state, rf"visual\.layer{s}\.(\d+)\.")) for s in stages),
        "vision_width": _shape4(state, "visual.layer1.0.conv1.weight")[0],
        "patch_size": None,
    }


def _grid_side(state: Tensors, name: str, before: int = 1) -> int:
    """Side of the square of positions behind those before it."""
    rows = state[name].shape[0]
    side = round(max(rows - before, 0) ** 0.5)
    if side == 0 or side * side + before != rows:
        raise ClipError(f"{name} has {rows} rows, not {before} + a square")
    return side


def _shape4(state: Tensors, name: str) -> tuple[int, ...]:
    shape = tuple(state[name].shape)
    if len(shape) != 4 or 0 in shape:
        raise ClipError(f"{name} has shape {list(shape)}, a convolution has four dimensions")
    return shape


def _numbers(state: Tensors, pattern: str) -> set[str]:
    matches = (re.match(pattern, name) for name in state)
    return {match[1] for match in matches if match}
