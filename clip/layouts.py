"""The layouts in which a CLIP is published, and how each becomes OpenAI's.

A layout is told from where the token embedding stands; whatever stands in front of that name is a
wrapping (`module.`, `model.`, `clip_model.`) and comes off, if all tensors have it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clip.errors import WeightsError, not_a_clip
from clip.kinds import checkpoint_of_a_trainer, other_kind, some
from clip.stored import Stored, joined, scalar, stored, transposed

VOCAB_SIZE = 49408

OPENAI = "openai state dict"
ARCHIVE = "openai archive"
OPEN_CLIP = "open_clip"
HUGGING_FACE = "hugging face"

# The first that ends a tensor's name decides; the last is the end of the others too.
EMBEDDINGS = {
    "text_model.embeddings.token_embedding.weight": HUGGING_FACE,
    "text.token_embedding.weight": OPEN_CLIP,
    "token_embedding.weight": OPENAI,
}

# Buffers that repeat what the shapes say, and causal masks.
DROPPED = re.compile(
    r"input_resolution|context_length|vocab_size"
    r"|(.*\.)?(attn_mask|position_ids)"
)

_HF_TOWERS = (("text_model.", ""), ("vision_model.", "visual."))
_HF_PROJECTIONS = {
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
_HF_NAMES = (
    (r"embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"embeddings\.patch_embedding\.weight", "conv1.weight"),
    (r"embeddings\.(.*)", r"\1"),
    (r"pre_layrnorm\.(.*)", r"ln_pre.\1"),  # as Hugging Face spells it
    (r"post_layernorm\.(.*)", r"ln_post.\1"),
    (r"final_layer_norm\.(.*)", r"ln_final.\1"),
    (r"encoder\.layers\.(\d+)\.(.*)", r"transformer.resblocks.\1.\2"),
)
_HF_PARTS = (  # of a block
    (r"(.*)\.self_attn\.([qkv])_proj\.(\w+)", r"\1.attn.\2_proj_\3"),
    (r"(.*)\.self_attn\.(.*)", r"\1.attn.\2"),
    (r"(.*)\.layer_norm(\d\..*)", r"\1.ln_\2"),
    (r"(.*)\.mlp\.fc1(.*)", r"\1.mlp.c_fc\2"),
    (r"(.*)\.mlp\.fc2(.*)", r"\1.mlp.c_proj\2"),
)
_NOTHING = stored(torch.empty(0))
_QUERY = re.compile(r"(.*\.attn\.)q_proj_(weight|bias)")


@dataclass(frozen=True)
class Recognised:
    """The tensors of a CLIP under OpenAI's names.

    Attributes:
        layout: that of the file.
        tensors: not yet checked against a model.
        names: those in the file, for messages.
    """

    layout: str
    tensors: dict[str, Stored]
    names: tuple[str, ...]


def recognise(content: Mapping, *, fresh: bool = False) -> Recognised:
    """Finds the CLIP in what a file or a caller gives.

    Args:
        content: names to tensors, or a mapping that holds such mappings.
        fresh: whether its tensors may be kept as they are.

    Raises:
        WeightsError: there is none, there are several, or there is more than one CLIP's tensors.
    """
    tensors = _the_tensors(content, fresh)
    if problem := checkpoint_of_a_trainer(content, tensors):
        raise WeightsError(problem)
    found = _embedding(tensors)
    if found is None:
        holds = f"it holds {some(list(tensors))}" if tensors else "it holds no tensors"
        kind = other_kind(tensors)
        missing = not_a_clip(f"missing token_embedding.weight; {holds}")
        raise WeightsError(kind) if kind else missing
    prefix, layout = found
    outside = [n for n in tensors if not n.startswith(prefix) and not DROPPED.fullmatch(n)]
    if outside:
        raise WeightsError(
            other_kind(tensors)
            or f"a CLIP below {prefix.rstrip('.')!r} among other tensors ({some(outside)}); save "
            "the CLIP's state_dict() alone with torch.save"
        )
    own = {name.removeprefix(prefix): value for name, value in tensors.items()}
    renamed = _RENAMED[layout](own)
    renamed = {name: value for name, value in renamed.items() if not DROPPED.fullmatch(name)}
    if "token_embedding.ids" in renamed:
        _restore_token_embedding(renamed)
    return Recognised(layout, renamed, tuple(tensors))


def _the_tensors(content: Mapping, fresh: bool) -> dict[str, Stored]:
    """The one mapping of tensors that is a CLIP, else the one nearest to it."""
    candidates = dict(_mappings(content, fresh))
    clips = [key for key, tensors in candidates.items() if _embedding(tensors)]
    if len(clips) > 1:
        raise WeightsError(
            f"holds several CLIPs ({', '.join(key or 'at its top' for key in clips)}); save the "
            "one to use alone with torch.save"
        )
    if clips:
        return candidates[clips[0]]
    return candidates.get("state_dict") or max(candidates.values(), key=len, default={})


def _mappings(content: Mapping, fresh: bool, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every mapping with tensors in it, to a depth of three, under its dotted place."""
    tensors = {
        str(name): stored(value, fresh=fresh)
        for name, value in content.items()
        if isinstance(value, Tensor | Stored)
    }
    if tensors or not path:
        yield path, tensors
    if path.count(".") < 2:
        for name, value in content.items():
            if isinstance(value, Mapping):
                yield from _mappings(value, fresh, f"{path}.{name}" if path else str(name))


def _embedding(names: Mapping[str, Stored]) -> tuple[str, str] | None:
    """What stands in front of the token embedding's name, and the layout that the name tells."""
    for ending, layout in EMBEDDINGS.items():
        for name in names:
            prefix = name.removesuffix(ending)
            if prefix != name and (not prefix or prefix.endswith(".")):
                return prefix, layout
    return None


def _from_open_clip(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """A text projection with a bias lies the other way round there, and a scale may be a row."""
    renamed = {name.removeprefix("text."): value for name, value in tensors.items()}
    if len(renamed.get("text_projection.weight", _NOTHING).shape) == 2:
        renamed["text_projection"] = transposed(renamed.pop("text_projection.weight"))
        if "text_projection.bias" in renamed:
            renamed["text_projection_bias"] = renamed.pop("text_projection.bias")
    if renamed.get("logit_scale", _NOTHING).shape == (1,):
        renamed["logit_scale"] = scalar(renamed["logit_scale"])
    return renamed


def _from_hugging_face(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """q, k and v stand apart and the projections lie the other way round there."""
    renamed = {}
    for name, value in tensors.items():
        if name in _HF_PROJECTIONS and len(value.shape) == 2:
            renamed[_HF_PROJECTIONS[name]] = transposed(value)
        else:
            renamed[_from_hf_name(name)] = value
    for name in list(renamed):
        query = _QUERY.fullmatch(name)
        parts = [f"{query[1]}{part}_proj_{query[2]}" for part in "qkv"] if query else [""]
        if all(part in renamed for part in parts):
            attention = joined([renamed.pop(part) for part in parts])
            renamed[f"{query[1]}in_proj_{query[2]}"] = attention
    return renamed


def _from_hf_name(name: str) -> str:
    for theirs, ours in _HF_TOWERS:
        if name.startswith(theirs):
            renamed = _first_match(_HF_NAMES, name.removeprefix(theirs))
            return ours + _first_match(_HF_PARTS, renamed)
    return name


def _first_match(rules: Sequence[tuple[str, str]], name: str) -> str:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


_RENAMED = {OPENAI: _from_open_clip, OPEN_CLIP: _from_open_clip, HUGGING_FACE: _from_hugging_face}


def _restore_token_embedding(tensors: dict[str, Stored]) -> None:
    """Compact form: ``token_embedding.ids`` [n] names the vocabulary rows that ``.weight`` [n, W]
    holds."""
    ids = tensors.pop("token_embedding.ids").read().long()
    rows = tensors["token_embedding.weight"]
    if len(rows.shape) != 2 or ids.shape != rows.shape[:1]:
        raise WeightsError("token_embedding.ids needs as many rows in token_embedding.weight")
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < VOCAB_SIZE:
        raise WeightsError(f"token_embedding.ids outside the vocabulary of {VOCAB_SIZE}")

    def read() -> Tensor:
        whole = torch.zeros(VOCAB_SIZE, rows.shape[1], dtype=rows.dtype)
        whole[ids] = rows.read()
        return whole

    tensors["token_embedding.weight"] = Stored((VOCAB_SIZE, rows.shape[1]), rows.dtype, read)
