"""State dicts: bringing them into OpenAI's layout, and the rounding that published code does."""

import re
from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from clip.errors import WeightsError
from clip.kinds import some
from clip.layouts import recognise
from clip.stored import Stored

# What OpenAI's convert_weights turns into half: linear and convolution layers, attention, both
# projections. Embeddings, layer norms, batch norms and the logit scale stay float32.
HALF_TENSORS = re.compile(
    r"text_projection(_bias)?"
    r"|visual\.proj"
    r"|(visual\.)?transformer\.resblocks\.\d+\.attn\.(in_proj_|out_proj\.)(weight|bias)"
    r"|(visual\.)?transformer\.resblocks\.\d+\.mlp\.c_(fc|proj)\.(weight|bias)"
    r"|visual\.(layer\d+\.\d+\.)?conv\d\.(weight|bias)"
    r"|visual\.layer\d+\.\d+\.downsample\.0\.(weight|bias)"
    r"|visual\.pool\.(attn\.(in_proj_|out_proj\.)|mlp\.c_(fc|proj)\.)(weight|bias)"
    r"|visual\.attnpool\.[qkvc]_proj\.(weight|bias)"
)


def openai_layout(state: Mapping) -> dict[str, Tensor]:
    """The tensors of a CLIP in any published layout, wrapped or not, under OpenAI's names.

    Raises:
        WeightsError: there is no CLIP in it.
    """
    return {name: value.read() for name, value in recognise(state).tensors.items()}


def round_to_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict rounded as the published builders do: linear, convolution, attention and
    projection tensors to half precision and back to their dtype; all others as they are. Public
    weights are half already: unchanged.
    """
    return {
        name: tensor.half().to(tensor.dtype) if HALF_TENSORS.fullmatch(name) else tensor
        for name, tensor in state.items()
    }


def in_precision(
    state: dict[str, Stored], working: torch.dtype, *, rounded: bool = True
) -> dict[str, Tensor]:
    """Reads tensor by tensor, the largest first, and leaves ``state`` empty, so that hardly more
    than the result is ever in memory: the tensors that ``round_to_half`` rounds, rounded, in the
    working dtype, other floating ones in float32.

    Args:
        rounded: False leaves out the rounding, for weights that no published builder rounds.

    Raises:
        WeightsError: tensors that are not finite, here or in half precision.
    """
    converted = {}
    for name in sorted(state, key=lambda name: -prod(state[name].shape)):
        source = state.pop(name)
        tensor = source.read()
        half = tensor.half() if rounded and HALF_TENSORS.fullmatch(name) else tensor
        dtype = _dtype(name, tensor, working)
        if source.fresh and dtype == tensor.dtype:  # in its place: a heap of holes is not smaller
            converted[name] = tensor if half is tensor else tensor.copy_(half)
        else:
            converted[name] = half.to(dtype, copy=half is tensor)
    check_finite(converted)
    return converted


def check_finite(state: Mapping[str, Tensor]) -> None:
    """
    Raises:
        WeightsError: names the tensors that hold NaN or infinity.
    """
    bad = [name for name, tensor in state.items() if not _is_finite(tensor)]
    if bad:
        raise WeightsError(
            f"not finite (NaN or infinite in half precision): {some(bad)}; the file is damaged or "
            "its training diverged: take another"
        )


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    least, greatest = tensor.aminmax()  # either is NaN where a number is
    return bool(torch.isfinite(least) and torch.isfinite(greatest))


def _dtype(name: str, tensor: Tensor, working: torch.dtype) -> torch.dtype:
    if not tensor.is_floating_point():
        return tensor.dtype
    return working if HALF_TENSORS.fullmatch(name) else torch.float32
