"""CLIP: both towers, and how a model is built from a state dict.

Shape letters: B images, R texts, L tokens (77), D joint width.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from clip.blocks import ACTIVATIONS, MLP
from clip.changes import UNCHANGED, TowerChange
from clip.dims import CLIPDims, TimmTower, dims_from_state_dict
from clip.errors import ClipError, WeightsError, not_a_clip
from clip.kinds import other_kind, some
from clip.layouts import recognise
from clip.probed_vit import ProbedVisionTransformer
from clip.resnet import ModifiedResNet
from clip.source import Source
from clip.state import in_precision
from clip.stored import Stored
from clip.text import TextTower
from clip.timm_tower import TimmImageTower
from clip.vit import VisionTransformer

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# The text tower's tensors stand at the top level of OpenAI's layout.
TEXT_ROOTS = (
    "token_embedding",
    "positional_embedding",
    "transformer",
    "ln_final",
    "text_projection",
    "text_projection_bias",
)


class CLIP(nn.Module):
    """Image and text tower with a joint space (arXiv:2103.00020), freshly initialised as CLIP is.

    ``state_dict()`` and ``load_state_dict()`` speak OpenAI's key layout. Towers hold nothing of a
    method: what changes them is an argument of ``encode_image``, ``visual.encode``,
    ``text.forward`` and ``text.forward_shared``.

    Attributes:
        source: where the weights come from; None for a model that was not loaded from a file.
    """

    visual: VisionTransformer | ModifiedResNet | TimmImageTower
    text: TextTower
    source: Source | None = None

    def __init__(self, dims: CLIPDims, activation: str = "quick_gelu"):
        super().__init__()
        self.dims = dims
        self.visual = _visual_tower(dims)
        self.text = TextTower(
            width=dims.text_width,
            layers=dims.text_layers,
            heads=dims.text_heads,
            output_dim=dims.embed_dim,
            context_length=dims.context_length,
            vocab_size=dims.vocab_size,
            hidden=dims.text_hidden,
            bias=dims.text_bias,
            variant=dims.variant,
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        for module in self.modules():
            if isinstance(module, MLP):
                module.gelu = ACTIVATIONS[activation]()
        if not dims.variant.class_token:  # SigLIP's tower has no QuickGELU
            _set_gelu(self.visual, "tanh" if dims.variant.vision_tanh else "none")
        if dims.variant.text_tanh:
            _set_gelu(self.text, "tanh")
        self.register_state_dict_post_hook(_text_keys_to_top)
        self.register_load_state_dict_pre_hook(_text_keys_from_top)

    @property
    def dtype(self) -> torch.dtype:
        """Working dtype: that of the text tower, and of the image tower but for one of timm."""
        return self.text.dtype

    def blocks(self, tower: str) -> nn.ModuleList:
        """The transformer blocks of the tower "text" or "visual"; a ResNet has none."""
        found = getattr(self, tower)
        return found.transformer.resblocks if hasattr(found, "transformer") else nn.ModuleList()

    def encode_image(self, images: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """[B, 3, N, N] -> [B, D], not normalised."""
        return self.visual(images, change)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [R, L] -> [R, D], not normalised, read where the tower reads.

        Rows of a tower without a causal mask are of the whole context, as the tokenizer pads them.
        Ids on the host are best: the longest text is known there without a wait for the device.
        """
        eot = self.text.read_at(tokens)
        used, device = self.text.needed(eot), self.text.text_projection.device
        tokens, eot = (x.to(device, non_blocking=True) for x in (tokens[:, :used], eot))
        return self.text(self.text.embed(tokens), eot)

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Temperature-scaled cosine similarities: logits per image [B, R] and per text [R, B]."""
        image = F.normalize(self.encode_image(images), dim=-1)
        text = F.normalize(self.encode_text(tokens), dim=-1)
        logits_per_image = self.logit_scale.exp() * image @ text.t()
        return logits_per_image, logits_per_image.t()


def _set_gelu(tower: nn.Module, approximate: str) -> None:
    for module in tower.modules():
        if isinstance(module, MLP):
            module.gelu = nn.GELU(approximate)


def build_model(
    state_dict: Mapping, precision: str = "fp32", activation: str = "quick_gelu"
) -> CLIP:
    """A frozen CLIP (eval mode, no parameter requires a gradient) from a state dict in OpenAI's or
    another published layout; the caller's tensors are copied.

    Weights are first rounded as in ``round_to_half``, in every precision, as the published builders
    do. Then fp32 is all float32; fp16 and bf16 are the published mix: those tensors in 16 bits, the
    others in float32.

    Raises:
        WeightsError: tensors are missing, unknown, of the wrong shape or not finite.
        ClipError: unknown precision or activation.
    """
    known_precision(precision)
    if activation not in ACTIVATIONS:
        raise ClipError(f"activation {activation!r}: use one of {', '.join(ACTIVATIONS)}")
    found = recognise(state_dict)
    dims = checked_dims(found.tensors, found.names)
    return filled_model(dims, found.tensors, precision, activation)


def known_precision(precision: str) -> None:
    """
    Raises:
        ClipError: unknown precision.
    """
    if precision not in PRECISIONS:
        raise ClipError(f"precision {precision!r}: use one of {', '.join(PRECISIONS)}")


def checked_dims(
    state: Mapping[str, Stored],
    names: Sequence[str],
    fit: Callable[[CLIPDims], CLIPDims] | None = None,
    timm: TimmTower | None = None,
) -> CLIPDims:
    """The sizes of the CLIP that a state dict under OpenAI's names holds.

    Args:
        names: those of the file, by which another model is told.
        fit: adds to the sizes what shapes do not tell.
        timm: the image tower, if it is one of timm.

    Raises:
        WeightsError: tensors are missing, unknown, of the wrong shape or no floating numbers; of
            another model, it is named.
    """
    try:
        dims = dims_from_state_dict(state, timm)
        dims = fit(dims) if fit else dims
        _check_tensors(state, _empty(dims).state_dict())
        return dims
    except WeightsError as error:
        kind = other_kind(names)
        raise (WeightsError(kind) if kind else error) from None


def filled_model(
    dims: CLIPDims,
    state: dict[str, Stored],
    precision: str,
    activation: str,
    rounded: bool = True,
) -> CLIP:
    """A frozen CLIP whose tensors are read one by one; leaves ``state`` empty.

    Args:
        rounded: as of ``in_precision``.

    Raises:
        WeightsError: tensors are not finite, or cannot be read.
    """
    model = _empty(dims, activation)
    if dims.timm is not None:  # it has tensors that no file holds: tables of positions
        model.visual = TimmImageTower(dims.timm, dims.embed_dim)
    working = PRECISIONS[precision]
    model.load_state_dict(in_precision(state, working, rounded=rounded), assign=True)
    return model.eval().requires_grad_(False)


class _WithoutNumbers(TorchFunctionMode):
    """Modules are built on the meta device, and nothing is drawn: for drawing there PyTorch loads
    its compiler's symbolic mathematics, 150 MiB of it."""

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _empty(dims: CLIPDims, activation: str = "quick_gelu") -> CLIP:
    """Without memory, on the meta device."""
    with torch.device("meta"), _WithoutNumbers():
        return CLIP(dims, activation)


def _check_tensors(state: Mapping[str, Stored], expected: Mapping[str, Tensor]) -> None:
    faults = {
        "missing": sorted(expected.keys() - state.keys()),
        "unknown": sorted(state.keys() - expected.keys()),
        "wrong shape of": [
            f"{name} {list(state[name].shape)} (expected {list(tensor.shape)})"
            for name, tensor in expected.items()
            if name in state and state[name].shape != tuple(tensor.shape)
        ],
        "no floating numbers in": [
            f"{name} ({state[name].dtype})"
            for name, tensor in expected.items()
            if name in state
            and tensor.is_floating_point()
            and not state[name].dtype.is_floating_point
        ],
    }
    said = [f"{what} {some(names)}" for what, names in faults.items() if names]
    if said:
        raise not_a_clip("; ".join(said))


def _visual_tower(dims: CLIPDims) -> VisionTransformer | ModifiedResNet | TimmImageTower:
    if dims.timm is not None:
        return TimmImageTower(dims.timm, dims.embed_dim)
    common = {
        "input_resolution": dims.image_resolution,
        "layers": dims.vision_layers,
        "width": dims.vision_width,
        "heads": dims.vision_heads,
        "output_dim": dims.embed_dim,
    }
    if dims.is_vit:
        kind = VisionTransformer if dims.variant.class_token else ProbedVisionTransformer
        return kind(
            patch_size=dims.patch_size,
            hidden=dims.vision_hidden,
            variant=dims.variant,
            **common,
        )
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
