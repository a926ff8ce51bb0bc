"""The frozen CLIP of a run."""

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

import clip
from dassl.utils.errors import UserError
from trainers.parts.options import Option, Options
from trainers.parts.precision import Precision

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[2]

BACKBONE_OPTIONS = (
    Options(
        "MODEL.BACKBONE",
        ACTIVATION=Option(
            "auto",
            "of CLIP's blocks; auto is what the weights or the config beside them say",
            choices=("auto", "quick_gelu", "gelu"),
        ),
    ),
)


def resolve_backbone(name: str) -> str:
    """A public model name as it is; a path of a file or folder beside the working directory or the
    project as a whole path, also behind the @ of open_clip:<model>/<tag>@FILE."""
    if clip.is_pair(name):
        settings, at, file = name.partition("@")
        return settings + at + resolve_backbone(file) if file else name
    if name in clip.available_models() or Path(name).exists():
        return name
    inside = PROJECT_ROOT / name
    return str(inside) if name and inside.exists() else name


def pair_values(cfg: CfgNode, by_hand: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """What open_clip says of the images of MODEL.BACKBONE.NAME open_clip:<model>/<tag>.

    Args:
        by_hand: keys that keep their value.

    Returns:
        the values of keys of INPUT that the config has otherwise, and a line for each fault.
    """
    name = cfg.MODEL.BACKBONE.NAME
    if not clip.is_pair(name):
        return {}, []
    try:
        wanted = clip.pair_inputs(name)
    except clip.ClipError as error:
        return {}, [f"MODEL.BACKBONE.NAME {error}"]
    values = {f"INPUT.{key}": value for key, value in _inputs(wanted).items()}
    return {
        key: value
        for key, value in values.items()
        if key not in by_hand and not _same(cfg.INPUT[key.removeprefix("INPUT.")], value)
    }, []


def _inputs(wanted: clip.Inputs) -> dict[str, Any]:
    """The keys of INPUT by which images become what a CLIP was trained on; only those it says."""
    found: dict[str, Any] = {}
    if wanted.size:
        found["SIZE"] = (wanted.size, wanted.size)
    if wanted.resizing:
        found["INTERPOLATION"], found["RESIZE"] = wanted.resizing
    if wanted.pixels:
        found["PIXEL_MEAN"], found["PIXEL_STD"] = map(list, wanted.pixels)
    return found


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return bool(given == wanted)
    return len(given) == len(wanted) and np.allclose(
        [float(value) for value in given], wanted, rtol=0, atol=1e-4
    )


def load_backbone(cfg: CfgNode, device: torch.device, precision: Precision) -> clip.CLIP:
    """CLIP named by MODEL.BACKBONE.NAME, frozen, in evaluation mode, on the device. Its `source`
    says what was loaded; what a person should know of that is logged.

    Raises:
        UserError: no name given, INPUT.SIZE or INPUT.PIXEL_MEAN and PIXEL_STD are not those of the
            weights, or the text tower is for another tokenizer.
        clip.ClipError: the weights cannot be had or are not a CLIP.
    """
    name = cfg.MODEL.BACKBONE.NAME
    if not name:
        raise UserError(
            "MODEL.BACKBONE.NAME is empty; give a public name such as ViT-B/16 or a weights file"
        )
    model = clip.load_model(
        resolve_backbone(name), precision=precision.towers, activation=cfg.MODEL.BACKBONE.ACTIVATION
    ).to(device)
    unlike = _unlike(cfg, model)
    chosen = bool(model.source and model.source.open_clip)  # its values are there but for hand's
    problems = _problems(cfg, model) + ([] if chosen else [f"{line}; set it so" for line in unlike])
    if problems:
        raise UserError(problems)
    for line in [*(model.source.notices if model.source else ()), *(unlike if chosen else ())]:
        logger.info(f"Notice: {line}")
    return model


def _problems(cfg: CfgNode, model: clip.CLIP) -> list[str]:
    """A line for each thing in which the run and its CLIP do not fit."""
    problems, name = [], cfg.MODEL.BACKBONE.NAME
    own = isinstance(model.text.tokenizer, clip.OwnTokenizer)
    if own and model.text.vocab_size < clip.VOCAB_SIZE:
        problems.append(
            f"MODEL.BACKBONE.NAME {name}: its vocabulary of {model.text.vocab_size} is another "
            f"tokenizer's; take a CLIP with CLIP's own vocabulary of {clip.VOCAB_SIZE}"
        )
    resolution = model.visual.input_resolution
    if tuple(cfg.INPUT.SIZE) != (resolution, resolution):
        problems.append(
            f"INPUT.SIZE = {tuple(cfg.INPUT.SIZE)}: {name} takes images of "
            f"({resolution}, {resolution}); set INPUT.SIZE to that"
        )
    return problems


def _unlike(cfg: CfgNode, model: clip.CLIP) -> list[str]:
    """A line for each key of INPUT that is not as the weights' own images were."""
    source = model.source
    if source is None:
        return []
    normal = "normalize" in cfg.INPUT.TRANSFORMS
    pixels = source.pixels if normal else None
    wanted = _inputs(clip.Inputs(0, pixels, source.resizing))
    said = f"open_clip:{source.open_clip}" if source.open_clip else "the config beside it"
    return [
        f"INPUT.{key} = {_plain(cfg.INPUT[key])}: {cfg.MODEL.BACKBONE.NAME} was trained with "
        f"{value}, as {said} says"
        for key, value in wanted.items()
        if not _same(cfg.INPUT[key], value)
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else [float(each) for each in value]


def tower_digest(visual: nn.Module) -> str:
    """Tells image towers apart: SHA-256 of the first numbers of every tensor, 16 digits."""
    digest = hashlib.sha256()
    for tensor in visual.state_dict().values():
        digest.update(tensor.flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
