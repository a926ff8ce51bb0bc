"""What a config says of a CLIP beyond its tensors: activation, heads, images, and what differs
from OpenAI's towers; whether this code computes what it describes.

Sources of keys and defaults: transformers 5.24, configuration_clip.py; open_clip's are read in
``clip/open_clip_configs.py``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clip.dims import PLAIN, VISION_SIZES, CLIPDims, TimmTower, Variant
from clip.errors import WeightsError
from clip.layouts import HUGGING_FACE, VOCAB_SIZE
from clip.open_clip_configs import NotComputedError, read_open_clip, sizes_in, three_numbers
from clip.source import Pixels, Resizing
from clip.tokenizers import TokenizerName

_SIZES = {
    "vision_config": {"num_hidden_layers": "vision_layers", "hidden_size": "vision_width",
        "patch_size": "patch_size"},
    "text_config": {"num_hidden_layers": "text_layers", "hidden_size": "text_width",
        "vocab_size": "vocab_size", "max_position_embeddings": "context_length"},
}  # fmt: skip
_HEADS = {"vision_config": 12, "text_config": 8}


@dataclass(frozen=True)
class Config:
    """What a config says.

    Attributes:
        where: how messages call it.
        remedy: what they offer where it is another model's.
        activation: quick_gelu or gelu.
        vision_head_width, text_head_width: columns of an attention head.
        sizes: those it names, under CLIPDims' names.
        pixels, resizing: as in Source.
        variant, timm: as in CLIPDims.
        tokenizer: the text tower's; None is CLIP's own.
        sigmoid: whether it was trained with a sigmoid loss, which has a bias of the logits.
    """

    where: str
    remedy: str
    activation: str
    vision_head_width: int
    text_head_width: int
    sizes: Mapping[str, Any]
    pixels: Pixels | None = None
    resizing: Resizing | None = None
    variant: Variant = PLAIN
    timm: TimmTower | None = None
    tokenizer: TokenizerName | None = None
    sigmoid: bool = False

    @property
    def image_size(self) -> int:
        """Side of the images in pixels; open_clip's default where the config says none."""
        return self.timm.image_size if self.timm else self.sizes.get("image_resolution", 224)

    def fit(self, dims: CLIPDims) -> CLIPDims:
        """The sizes of the tensors with what they do not tell.

        Raises:
            WeightsError: it is the config of another model.
        """
        for name, size in self.sizes.items():
            found = getattr(dims, name)
            if dims.timm is not None and name in VISION_SIZES:
                continue  # timm's name says them
            if name == "image_resolution" and not self.variant.class_token and dims.patch_size:
                size, found = size // dims.patch_size, found // dims.patch_size
            if size != (list(found) if isinstance(found, tuple) else found):
                raise WeightsError(
                    f"{self.where} describes another model ({name} {size}, the tensors have "
                    f"{found}); {self.remedy}"
                )
        side = dims.image_resolution if self.variant.class_token else self.image_size
        return replace(
            dims,
            image_resolution=side,
            vision_head_width=self.vision_head_width,
            text_head_width=self.text_head_width,
            variant=self.variant,
        )


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
    except NotComputedError as error:
        raise _not_computed(file, error.key, error.value) from None
    except (TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{file.name} beside it is no config of a CLIP; mend it") from None


def config_of_pair(name: str, content: Mapping[str, Any]) -> Config:
    """The config of a model and tag that open_clip knows.

    Args:
        name: of the pair, as a user writes it.
        content: `model_cfg` and `preprocess_cfg`.

    Raises:
        WeightsError: it describes a model that this code does not compute.
    """
    try:
        found = read_open_clip(content)
    except NotComputedError as error:
        raise WeightsError(
            f"{name}: has {error.key} {error.value}, which this code does not compute; take "
            "another model"
        ) from None
    return Config(name, "give the file of this pair, or the pair of this file", **found)


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


def _beside(file: Path) -> tuple[str, str]:
    return f"{file.name} beside it", "put the file's own config there, or none"


def _open_clip(file: Path, content: Mapping[str, Any]) -> Config:
    return Config(*_beside(file), **read_open_clip(content))


def _hugging_face(file: Path, content: Mapping[str, Any]) -> Config:
    kind = content.get("model_type", "clip")
    if kind != "clip":
        raise WeightsError(f"{file.name} beside it is that of a {kind}, not of a CLIP; take a CLIP")
    activations, head_widths = [], []
    for section, heads in _HEADS.items():
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
    sizes = sizes_in(content, _SIZES, "projection_dim")
    images, pixels = file.parent / "preprocessor_config.json", None
    if images.is_file():
        pixels = three_numbers(read_json(images), "image_mean", "image_std")
    return Config(*_beside(file), activations[0], *head_widths, sizes, pixels)


def _not_computed(file: Path, key: str, value: object) -> WeightsError:
    return WeightsError(
        f"{file.name} beside it says {key} {value}, which this code does not compute; take a CLIP "
        "without it"
    )
