"""open_clip's own configs: which of their keys are computed here, and as what.

Source of keys and defaults: open_clip 3.3.0, model.py (CLIPVisionCfg, CLIPTextCfg), transform.py.
"""

from collections.abc import Mapping
from typing import Any

from clip.blocks import EPSILON
from clip.dims import HEAD_WIDTH, TimmTower, Variant
from clip.source import Pixels, Resizing
from clip.tokenizers import TokenizerName

# Keys that leave the computation of a feature as it is.
_LEFT_AS_IT_IS = ("patch_dropout", "output_tokens", "pos_embed_type", "pad_id", "mlp_ratio",
    "attn_pooler_queries", "attn_pooler_heads", "timm_model_pretrained", "timm_drop",
    "timm_drop_path", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type")  # fmt: skip
# Those that are computed in each of the values given; () is any.
_COMPUTED: Mapping[str, Mapping[str, tuple]] = {
    "vision_cfg": {"no_ln_pre": (), "pool_type": ("tok", "avg"), "final_ln_after_pool": (),
        "head_width": (), "timm_model_name": (), "timm_pool": (), "timm_proj": (),
        "timm_proj_bias": ()},
    "text_cfg": {"heads": (), "no_causal_mask": (), "pool_type": ("argmax", "last", "eos"),
        "eos_id": (), "proj_type": ("linear",), "proj_bias": (), "hf_tokenizer_name": (),
        "tokenizer_kwargs": (), "act_kwargs": ({"approximate": "tanh"},)},
}  # fmt: skip
_BOTH = {"block_type": ("default",)}
_SIZES = {
    "vision_cfg": {"layers": "vision_layers", "width": "vision_width", "patch_size": "patch_size",
        "image_size": "image_resolution"},
    "text_cfg": {"layers": "text_layers", "width": "text_width", "vocab_size": "vocab_size",
        "context_length": "context_length"},
}  # fmt: skip
_INTERPOLATIONS = ("bicubic", "bilinear")
_RESIZES = ("shortest", "squash")


class NotComputedError(Exception):
    """A key whose value changes features in a way that this code does not know."""

    def __init__(self, key: str, value: object):
        super().__init__(key)
        self.key = key
        self.value = value


def read_open_clip(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a config says, as arguments of Config.

    Args:
        content: `model_cfg` and `preprocess_cfg`, or the former alone.

    Raises:
        NotComputedError: this code does not compute what it describes.
        TypeError, AttributeError, ValueError, ZeroDivisionError: it is no config.
    """
    model = content.get("model_cfg", content)
    vision, text = model.get("vision_cfg", {}), {"width": 512, "heads": 8}
    text |= model.get("text_cfg", {})
    if model.get("multimodal_cfg"):
        raise NotComputedError("multimodal_cfg", "of a CoCa")
    if text.get("hf_model_name"):
        raise NotComputedError("the text tower of Hugging Face", text["hf_model_name"])
    for section in _SIZES:
        _check(section, model.get(section, {}))
    if not isinstance(vision.get("image_size", 224), int):
        raise NotComputedError("vision_cfg.image_size", vision["image_size"])
    timm = _timm_tower(vision)
    images = content.get("preprocess_cfg", {})
    return {
        "activation": "quick_gelu" if model.get("quick_gelu") else "gelu",
        "vision_head_width": vision.get("head_width", HEAD_WIDTH),
        "text_head_width": text["width"] // text["heads"],
        "sizes": sizes_in(model, _SIZES, "embed_dim"),
        "pixels": three_numbers(images, "mean", "std"),
        "resizing": _resizing(images),
        "variant": _variant(vision, text),
        "timm": timm,
        "tokenizer": _tokenizer(text),
        "sigmoid": model.get("init_logit_bias") is not None,
    }


def sizes_in(
    model: Mapping[str, Any], names: Mapping[str, Mapping[str, str]], joint: str
) -> dict[str, Any]:
    """The sizes that a config names, under CLIPDims' names.

    Args:
        names: section -> key -> name in CLIPDims.
        joint: the key of the joint width.
    """
    found = {
        name: model[section][key]
        for section, keys in names.items()
        for key, name in keys.items()
        if model.get(section, {}).get(key) is not None
    }
    if joint in model:
        found["embed_dim"] = model[joint]
    return found


def three_numbers(content: Mapping[str, Any], mean: str, std: str) -> Pixels | None:
    """Mean and standard deviation of the images under these keys; None where they are not said.

    Raises:
        ValueError: what stands there is not three numbers.
    """
    if not content.get(mean) or not content.get(std):
        return None
    found = [tuple(float(value) for value in content[key]) for key in (mean, std)]
    if any(len(values) != 3 for values in found):
        raise ValueError("not three numbers")
    return found[0], found[1]


def _check(section: str, given: Mapping[str, Any]) -> None:
    computed = {**_BOTH, **_COMPUTED[section]}
    for key, value in given.items():
        if key in _SIZES[section] or key in _LEFT_AS_IT_IS or not value:
            continue
        if key == "norm_kwargs" and set(value) == {"eps"}:
            continue
        fits = key in computed and (not computed[key] or value in computed[key])
        if not fits:
            raise NotComputedError(f"{section}.{key}", value)


def _timm_tower(vision: Mapping[str, Any]) -> TimmTower | None:
    if not vision.get("timm_model_name"):
        return None
    return TimmTower(
        vision["timm_model_name"],
        vision.get("image_size", 224),
        pool=vision.get("timm_pool", "avg"),
        proj=vision.get("timm_proj", "linear"),
        proj_bias=vision.get("timm_proj_bias", False),
    )


def _variant(vision: Mapping[str, Any], text: Mapping[str, Any]) -> Variant:
    pool = text.get("pool_type") or "argmax"
    return Variant(
        norm_first=not vision.get("no_ln_pre"),
        mean_pool=vision.get("pool_type") == "avg",
        norm_last=bool(vision.get("final_ln_after_pool")),
        vision_epsilon=(vision.get("norm_kwargs") or {}).get("eps", EPSILON),
        text_epsilon=(text.get("norm_kwargs") or {}).get("eps", EPSILON),
        causal=not text.get("no_causal_mask"),
        read="last" if pool == "last" else "end",
        end_id=text.get("eos_id", 2) if pool == "eos" else None,
        text_tanh=bool(text.get("act_kwargs")),
    )


def _tokenizer(text: Mapping[str, Any]) -> TokenizerName | None:
    if not text.get("hf_tokenizer_name"):
        return None
    options = text.get("tokenizer_kwargs") or {}
    return TokenizerName(text["hf_tokenizer_name"], tuple(sorted(options.items())))


def _resizing(images: Mapping[str, Any]) -> Resizing | None:
    interpolation, mode = images.get("interpolation"), images.get("resize_mode")
    if not interpolation or not mode:
        return None
    if interpolation not in _INTERPOLATIONS:
        raise NotComputedError("preprocess_cfg.interpolation", interpolation)
    if mode not in _RESIZES:
        raise NotComputedError("preprocess_cfg.resize_mode", mode)
    return interpolation, mode
