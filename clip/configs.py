"""The config that lies beside a weights file: its activation and heads, and whether this code
computes what it describes.

Sources of keys and defaults: open_clip 3.3.0, model.py; transformers 5.24, configuration_clip.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clip.dims import HEAD_WIDTH, CLIPDims
from clip.errors import WeightsError
from clip.layouts import HUGGING_FACE, VOCAB_SIZE

# Keys of open_clip that leave the computation as it is, and those whose value must be this one; of
# any other key only the value of one who does not use it (null, false, 0, "") is taken.
_LEFT_AS_IT_IS = ("patch_dropout", "output_tokens", "pos_embed_type", "pad_id", "eos_id",
    "attn_pooler_queries", "attn_pooler_heads", "timm_model_pretrained", "timm_pool", "timm_proj",
    "timm_proj_bias", "timm_drop", "timm_drop_path", "hf_model_pretrained", "hf_proj_type",
    "hf_pooler_type")  # fmt: skip
_MUST_BE = {"mlp_ratio": 4, "pool_type": ("tok", "argmax"), "proj_type": "linear",
    "block_type": "default", "norm_kwargs": {"eps": 1e-5}}  # fmt: skip
_SIZES = {
    "vision_cfg": {"layers": "vision_layers", "width": "vision_width", "patch_size": "patch_size",
        "image_size": "image_resolution"},
    "text_cfg": {"layers": "text_layers", "width": "text_width", "vocab_size": "vocab_size",
        "context_length": "context_length"},
    "vision_config": {"num_hidden_layers": "vision_layers", "hidden_size": "vision_width",
        "patch_size": "patch_size"},
    "text_config": {"num_hidden_layers": "text_layers", "hidden_size": "text_width",
        "vocab_size": "vocab_size", "max_position_embeddings": "context_length"},
}  # fmt: skip
_HEADS = {"vision_cfg": "head_width", "text_cfg": "heads"}
_HF_HEADS = {"vision_config": 12, "text_config": 8}


@dataclass(frozen=True)
class Config:
    """What the config beside a weights file says.

    Attributes:
        path: the config.
        activation: quick_gelu or gelu.
        vision_head_width, text_head_width: columns of an attention head.
        sizes: those it names, under CLIPDims' names.
    """

    path: Path
    activation: str
    vision_head_width: int
    text_head_width: int
    sizes: Mapping[str, Any]

    def fit(self, dims: CLIPDims) -> CLIPDims:
        """The sizes of the tensors with the config's heads.

        Raises:
            WeightsError: it is the config of another model.
        """
        for name, size in self.sizes.items():
            found = getattr(dims, name)
            if size != (list(found) if isinstance(found, tuple) else found):
                raise WeightsError(
                    f"{self.path.name} beside it describes another model ({name} {size}, the "
                    f"tensors have {found}); put the file's own config there, or none"
                )
        vision = {"vision_head_width": self.vision_head_width} if dims.is_vit else {}
        return replace(dims, text_head_width=self.text_head_width, **vision)


def config_beside(path: Path, layout: str) -> Config | None:
    """Reads open_clip_config.json, or for Hugging Face's layout config.json; None without one.

    Raises:
        WeightsError: it cannot be read, or describes a model that this code does not compute.
    """
    hugging_face = layout == HUGGING_FACE
    file = path.parent / ("config.json" if hugging_face else "open_clip_config.json")
    if not file.is_file():
        return None
    content = read_json(file)
    read = _hugging_face if hugging_face else _open_clip
    try:
        return read(file, content)
    except (TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{file.name} beside it is no config of a CLIP; mend it") from None


def read_json(file: Path) -> dict[str, Any]:
    """
    Raises:
        WeightsError: it cannot be read as JSON.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{file.name} beside it cannot be read ({reason}); mend it") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{file.name} beside it is no config of a CLIP; mend it")
    return content


def _open_clip(file: Path, content: Mapping[str, Any]) -> Config:
    model = content.get("model_cfg", content)
    for section in ("vision_cfg", "text_cfg"):
        known = {*_SIZES[section], _HEADS[section], *_LEFT_AS_IT_IS}
        for key, value in model.get(section, {}).items():
            must = _MUST_BE.get(key)
            fits = value in must if isinstance(must, tuple) else value == must
            if key not in known and value and not fits:
                raise _not_computed(file, f"{section}.{key}", value)
    if model.get("multimodal_cfg"):
        raise _not_computed(file, "multimodal_cfg", "of a CoCa")
    text = {"width": 512, "heads": 8, **model.get("text_cfg", {})}
    head_width = model.get("vision_cfg", {}).get("head_width", HEAD_WIDTH)
    return Config(
        file,
        "quick_gelu" if model.get("quick_gelu") else "gelu",
        head_width,
        text["width"] // text["heads"],
        _sizes(model, ("vision_cfg", "text_cfg"), "embed_dim"),
    )


def _hugging_face(file: Path, content: Mapping[str, Any]) -> Config:
    kind = content.get("model_type", "clip")
    if kind != "clip":
        raise WeightsError(f"{file.name} beside it is that of a {kind}, not of a CLIP; take a CLIP")
    activations, head_widths = [], []
    for section, heads in _HF_HEADS.items():
        part = content.get(section) or {}
        activations.append(part.get("hidden_act", "quick_gelu"))
        width = part.get("hidden_size", 64 * heads)
        head_widths.append(width // part.get("num_attention_heads", heads))
        if part.get("layer_norm_eps", 1e-5) != 1e-5:
            raise _not_computed(file, f"{section}.layer_norm_eps", part["layer_norm_eps"])
        if part.get("intermediate_size", 4 * width) != 4 * width:
            raise _not_computed(file, f"{section}.intermediate_size", part["intermediate_size"])
    if len(set(activations)) > 1 or activations[0] not in ("quick_gelu", "gelu"):
        raise _not_computed(file, "hidden_act", " and ".join(dict.fromkeys(activations)))
    text = content.get("text_config") or {}
    vocabulary, end = text.get("vocab_size", VOCAB_SIZE), text.get("eos_token_id", VOCAB_SIZE - 1)
    # Texts are read here at the largest id: Hugging Face's rule for the id 2, else theirs is the
    # first such id, which is the same where no larger one occurs.
    if end not in (2, vocabulary - 1, VOCAB_SIZE - 1) or end >= vocabulary:
        raise _not_computed(file, "text_config.eos_token_id", end)
    sizes = _sizes(content, tuple(_HF_HEADS), "projection_dim")
    return Config(file, activations[0], *head_widths, sizes)


def _sizes(model: Mapping[str, Any], sections: tuple[str, str], joint: str) -> dict[str, Any]:
    found = {
        name: model[section][key]
        for section in sections
        for key, name in _SIZES[section].items()
        if model.get(section, {}).get(key) is not None
    }
    if joint in model:
        found["embed_dim"] = model[joint]
    return found


def _not_computed(file: Path, key: str, value: object) -> WeightsError:
    return WeightsError(
        f"{file.name} beside it says {key} {value}, which this code does not compute; take a CLIP "
        "without it"
    )
