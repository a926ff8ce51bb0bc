"""CLIP: both towers, and how a model is built from a state dict.

Shape letters: B images, R texts, L tokens (77), D joint width.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip.changes import UNCHANGED, TowerChange
from clip.dims import CLIPDims, dims_from_state_dict
from clip.errors import ClipError, not_a_clip
from clip.resnet import ModifiedResNet
from clip.state import cast_to_precision, openai_layout, round_to_half
from clip.text import TextTower
from clip.vit import VisionTransformer

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# The text tower's tensors stand at the top level of OpenAI's layout.
TEXT_ROOTS = (
    "token_embedding",
    "positional_embedding",
    "transformer",
    "ln_final",
    "text_projection",
)


class CLIP(nn.Module):
    """Image and text tower with a joint space (arXiv:2103.00020), freshly initialised as CLIP is.

    ``state_dict()`` and ``load_state_dict()`` speak OpenAI's key layout. Towers hold nothing of a
    method: what changes them is an argument of ``encode_image``, ``visual.encode``,
    ``text.forward`` and ``text.forward_shared``.
    """

    visual: VisionTransformer | ModifiedResNet
    text: TextTower

    def __init__(self, dims: CLIPDims):
        super().__init__()
        self.visual = _visual_tower(dims)
        self.text = TextTower(
            width=dims.text_width,
            layers=dims.text_layers,
            heads=dims.text_heads,
            output_dim=dims.embed_dim,
            context_length=dims.context_length,
            vocab_size=dims.vocab_size,
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.register_state_dict_post_hook(_text_keys_to_top)
        self.register_load_state_dict_pre_hook(_text_keys_from_top)

    @property
    def dtype(self) -> torch.dtype:
        """Working dtype: that of the first convolution's weights."""
        return self.visual.conv1.weight.dtype

    def blocks(self, tower: str) -> nn.ModuleList:
        """The transformer blocks of the tower "text" or "visual"; a ResNet has none."""
        found = getattr(self, tower)
        return found.transformer.resblocks if hasattr(found, "transformer") else nn.ModuleList()

    def encode_image(self, images: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """[B, 3, N, N] -> [B, D], not normalised."""
        return self.visual(images, change)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [R, L] -> [R, D], not normalised, read at the first end-of-text of each row."""
        eot = tokens.argmax(dim=-1)  # the end-of-text id is the largest
        used = int(eot.max()) + 1 if len(eot) else 1
        return self.text(self.text.embed(tokens[:, :used]), eot)

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Temperature-scaled cosine similarities: logits per image [B, R] and per text [R, B]."""
        image = F.normalize(self.encode_image(images), dim=-1)
        text = F.normalize(self.encode_text(tokens), dim=-1)
        logits_per_image = self.logit_scale.exp() * image @ text.t()
        return logits_per_image, logits_per_image.t()


def build_model(state_dict: Mapping, precision: str = "fp32") -> CLIP:
    """A frozen CLIP (eval mode, no parameter requires a gradient) from OpenAI's state-dict layout.

    Weights are first rounded as in ``round_to_half``, in every precision, as the published builders
    do. Then fp32 is all float32; fp16 and bf16 are the published mix: those tensors in 16 bits, the
    others in float32.

    Raises:
        WeightsError: tensors are missing, unknown or of the wrong shape.
        ClipError: unknown precision.
    """
    if precision not in PRECISIONS:
        raise ClipError(f"precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    state = openai_layout(state_dict)
    model = empty_model(state)
    state = cast_to_precision(round_to_half(state), PRECISIONS[precision])
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def empty_model(state: Mapping[str, Tensor]) -> CLIP:
    """A CLIP without memory (meta device) whose sizes and names are those of the state dict.

    Raises:
        WeightsError: tensors are missing, unknown or of the wrong shape.
    """
    dims = dims_from_state_dict(state)
    with torch.device("meta"):
        model = CLIP(dims)
    expected = model.state_dict()
    faults = _named("missing", sorted(expected.keys() - state.keys()))
    faults += _named("unknown", sorted(state.keys() - expected.keys()))
    faults += _named(
        "wrong shape of",
        [
            f"{name} {list(state[name].shape)} (expected {list(tensor.shape)})"
            for name, tensor in expected.items()
            if name in state and state[name].shape != tensor.shape
        ],
    )
    if faults:
        raise not_a_clip("; ".join(faults))
    return model


def _named(what: str, names: Sequence[str], shown: int = 3) -> list[str]:
    if not names:
        return []
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return [f"{what} {', '.join(names[:shown])}{rest}"]


def _visual_tower(dims: CLIPDims) -> VisionTransformer | ModifiedResNet:
    common = {
        "input_resolution": dims.image_resolution,
        "layers": dims.vision_layers,
        "width": dims.vision_width,
        "heads": dims.vision_heads,
        "output_dim": dims.embed_dim,
    }
    if dims.is_vit:
        return VisionTransformer(patch_size=dims.patch_size, **common)
    return ModifiedResNet(**common)


def _text_keys_to_top(module: nn.Module, state: dict, prefix: str, _metadata: dict) -> None:
    inner = f"{prefix}text."
    for name in [name for name in state if name.startswith(inner)]:
        state[prefix + name.removeprefix(inner)] = state.pop(name)


def _text_keys_from_top(module: nn.Module, state: dict, prefix: str, *_unused: object) -> None:
    for name in list(state):
        local = name.removeprefix(prefix)
        if name.startswith(prefix) and local.split(".")[0] in TEXT_ROOTS:
            state[f"{prefix}text.{local}"] = state.pop(name)
