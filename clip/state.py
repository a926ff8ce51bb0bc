"""State dicts: bringing them into OpenAI's layout, and the rounding that published code does."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from clip.errors import WeightsError

VOCAB_SIZE = 49408

# Buffers of the public archives that repeat what the shapes say.
EXTRA_ENTRIES = ("input_resolution", "context_length", "vocab_size")

# What OpenAI's convert_weights turns into half: linear and convolution layers, attention, both
# projections. Embeddings, layer norms, batch norms and the logit scale stay float32.
HALF_TENSORS = re.compile(
    r"text_projection"
    r"|visual\.proj"
    r"|(visual\.)?transformer\.resblocks\.\d+\.attn\.(in_proj_|out_proj\.)(weight|bias)"
    r"|(visual\.)?transformer\.resblocks\.\d+\.mlp\.c_(fc|proj)\.(weight|bias)"
    r"|visual\.(layer\d+\.\d+\.)?conv\d\.(weight|bias)"
    r"|visual\.layer\d+\.\d+\.downsample\.0\.(weight|bias)"
    r"|visual\.attnpool\.[qkvc]_proj\.(weight|bias)"
)


def openai_layout(state: Mapping) -> dict[str, Tensor]:
    """The tensors of a checkpoint under OpenAI's names.

    Takes off a {"state_dict": ...} wrapper and the ``module.`` prefix of parallel training, drops
    the three scalar extras and what is not a tensor, and restores a compact token embedding.

    Raises:
        WeightsError: a compact token embedding whose ids do not match its rows.
    """
    inner = state.get("state_dict")
    if isinstance(inner, Mapping):
        state = inner
    tensors = {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    for name in EXTRA_ENTRIES:
        tensors.pop(name, None)
    if "token_embedding.ids" in tensors:
        _restore_token_embedding(tensors)
    return tensors


def _restore_token_embedding(tensors: dict[str, Tensor]) -> None:
    """Compact form: ``token_embedding.ids`` [n] names the vocabulary rows that ``.weight`` [n, W]
    holds."""
    ids = tensors.pop("token_embedding.ids").long()
    rows = tensors.get("token_embedding.weight")
    if rows is None or rows.dim() != 2 or ids.shape != rows.shape[:1]:
        raise WeightsError("token_embedding.ids needs as many rows in token_embedding.weight")
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < VOCAB_SIZE:
        raise WeightsError(f"token_embedding.ids outside the vocabulary of {VOCAB_SIZE}")
    whole = rows.new_zeros(VOCAB_SIZE, rows.shape[1])
    whole[ids] = rows
    tensors["token_embedding.weight"] = whole


def round_to_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict rounded as the published builders do: linear, convolution, attention and
    projection tensors to half precision and back to their dtype; all others as they are. Public
    weights are half already: unchanged.
    """
    return {
        name: tensor.half().to(tensor.dtype) if HALF_TENSORS.fullmatch(name) else tensor
        for name, tensor in state.items()
    }


def cast_to_precision(state: Mapping[str, Tensor], working: torch.dtype) -> dict[str, Tensor]:
    """Copies: the tensors that ``round_to_half`` rounds in the working dtype, other floating ones
    in float32."""
    return {
        name: tensor.to(_dtype(name, tensor, working), copy=True) for name, tensor in state.items()
    }


def _dtype(name: str, tensor: Tensor, working: torch.dtype) -> torch.dtype:
    if not tensor.is_floating_point():
        return tensor.dtype
    return working if HALF_TENSORS.fullmatch(name) else torch.float32
