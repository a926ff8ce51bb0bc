"""`open_clip:<model>/<tag>[@FILE]`: models and tags that open_clip knows.

Activation and preprocessing belong to the pair, not to the model's name nor to the tensors: many
tags were trained with another activation or other images than the config of their model says.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip.configs import Config, config_of_pair
from clip.errors import WeightsError
from clip.extra import open_clip_package
from clip.folders import weights_in
from clip.preprocess import PIXEL_MEAN, PIXEL_STD
from clip.source import Inputs

PREFIX = "open_clip:"
_AS_OPENAI = {"mean": PIXEL_MEAN, "std": PIXEL_STD, "interpolation": "bicubic",
    "resize_mode": "shortest"}  # fmt: skip
_FORM = f"{PREFIX}<model>/<tag>, with @FILE behind it where the weights lie in a file of yours"


@dataclass(frozen=True)
class Pair:
    """A model and tag, and where the weights are.

    Attributes:
        model: as open_clip calls it.
        tag: its canonical spelling; "" where a file names none.
        file: what the user gave; None leaves it to the caches.
    """

    model: str
    tag: str
    file: Path | None

    @property
    def label(self) -> str:
        """Model and tag as open_clip calls them."""
        return f"{self.model}/{self.tag}" if self.tag else self.model

    @property
    def name(self) -> str:
        """As a user writes it, without the file."""
        return PREFIX + self.label

    def config(self) -> Config:
        """What open_clip says of it.

        Raises:
            WeightsError: this code does not compute it.
        """
        package = open_clip_package()
        model, images = package.get_model_config(self.model), _AS_OPENAI
        if self.tag:
            images = package.get_pretrained_cfg(self.model, self.tag)
            model["quick_gelu"] = images.get("quick_gelu", False)
        return config_of_pair(self.name, {"model_cfg": model, "preprocess_cfg": images})

    def weights(self) -> Path:
        """The file, the user's or one that open_clip or Hugging Face keeps on this disk.

        Raises:
            WeightsError: there is none.
        """
        if self.file is not None:
            if self.file.is_dir():
                return weights_in(self.file)
            if not self.file.is_file():
                raise WeightsError(f"{self.name}@{self.file}: no such file; give a weights file")
            return self.file
        if not self.tag:
            raise WeightsError(f"{self.name}: names no weights; {_tags_of(self.model, '')}")
        found = _cached(open_clip_package().get_pretrained_cfg(self.model, self.tag))
        if found is None:
            raise WeightsError(
                f"{self.name}: its weights are not on this disk; give them as {self.name}@FILE, or "
                f'download them first: python -c "import open_clip; open_clip.create_model('
                f"'{self.model}', '{self.tag}')\""
            )
        return found

    def remarks(self, config: Config) -> tuple[str, ...]:
        """What a person should know of features computed like this, a line each."""
        lines = []
        if not self.tag:
            lines.append(
                f"{self.name}@{self.file} names no tag: computed with {config.activation}, as "
                f"{self.model}'s config says, on images as OpenAI's (its mean and standard "
                f"deviation, centre crop); tags differ, so name it: {self.name}/<tag>@{self.file}"
            )
        if config.sigmoid:
            lines.append(
                f"{self.name} was trained with a sigmoid loss; its bias of the logits is the same "
                "for all classes and so has no part in softmax, which trains and scores here"
            )
        return tuple(lines)


def pair_inputs(name: str) -> Inputs:
    """The images that a pair was trained on, for which no weights are needed.

    Raises:
        WeightsError: as of ``pair_of``, or this code does not compute it.
    """
    config = pair_of(name).config()
    return Inputs(config.image_size, config.pixels, config.resizing)


def is_pair(name: str) -> bool:
    """Whether a backbone is named by open_clip's model and tag."""
    return name.startswith(PREFIX)


def pair_of(name: str) -> Pair:
    """The pair that a backbone's name says.

    Raises:
        WeightsError: open_clip is not installed, or knows no such model or tag.
    """
    body = name.removeprefix(PREFIX)
    cut = min((place for place in map(body.find, "/@") if place >= 0), default=len(body))
    model, rest = body[:cut], body[cut:]
    known = open_clip_package().list_models()
    if model not in known:
        raise WeightsError(f"{name}: {_unknown(name, model, known)}")
    tag, _, file = rest.removeprefix("/").partition("@")
    if rest.startswith("/") and os.path.isfile(rest[1:]):
        tag, file = "", rest[1:]
    where = Path(file).expanduser() if file else None
    return Pair(model, _known_tag(name, model, tag) if tag else "", where)


def _known_tag(name: str, model: str, tag: str) -> str:
    package = open_clip_package()
    tags = package.list_pretrained_tags_by_model(model)
    wanted = tag.lower().replace("-", "_")  # as open_clip compares them
    if wanted not in tags:
        raise WeightsError(
            f"{name}: open_clip knows no tag {tag} of {model}; {_tags_of(model, tag)}"
        )
    return wanted


def _tags_of(model: str, tag: str) -> str:
    tags = open_clip_package().list_pretrained_tags_by_model(model)
    near = difflib.get_close_matches(tag, tags, n=3, cutoff=0.0) if tag else tags[:3]
    if not near:
        return f"it publishes none, so give a file: {PREFIX}{model}@FILE"
    more = f" (of {len(tags)})" if len(tags) > len(near) else ""
    return f"use one of {', '.join(near)}{more}, or give a file: {PREFIX}{model}@FILE"


def _unknown(name: str, model: str, known: Sequence[str]) -> str:
    if model.startswith(("hf-hub:", "local-dir:")):
        return (
            "folders are not named in this way; download it and give the folder as "
            "MODEL.BACKBONE.NAME, whose open_clip_config.json is read"
        )
    if not model:
        return f"names no model; write {_FORM}"
    lower = {each.lower(): each for each in known}
    whole = name.removeprefix(PREFIX).split("@")[0].replace("/", "-").lower()
    near = [lower[each] for wanted in (whole, model.lower())
            for each in difflib.get_close_matches(wanted, lower, n=3, cutoff=0.5)]  # fmt: skip
    meant = f"did you mean {' or '.join(list(dict.fromkeys(near))[:3])}? " if near else ""
    return f"open_clip knows no model {model}; {meant}Write {_FORM}"


def _cached(settings: dict[str, Any]) -> Path | None:
    """Where open_clip's own download has put the weights of a tag."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    if settings.get("file"):
        return Path(settings["file"])
    repository, file = os.path.split(settings.get("hf_hub", ""))
    files = [os.path.splitext(file)[0] + ".safetensors", file] if file else []
    for each in files or (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        found = try_to_load_from_cache(repository, each) if repository else None
        if isinstance(found, str):
            return Path(found)
    url = os.path.basename(settings.get("url", ""))
    path = Path("~/.cache/clip", url).expanduser()
    return path if url and path.is_file() else None
