"""The frozen CLIP of a run."""

import logging
from pathlib import Path

import numpy as np
import torch
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
    project as a whole path."""
    if name in clip.available_models() or Path(name).exists():
        return name
    inside = PROJECT_ROOT / name
    return str(inside) if name and inside.exists() else name


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
    if model.source and model.source.notice:
        logger.info(f"Notice: {model.source.notice}")
    if problems := _problems(cfg, model):
        raise UserError(problems)
    return model


def _problems(cfg: CfgNode, model: clip.CLIP) -> list[str]:
    """A line for each thing in which the run and its CLIP do not fit."""
    problems, name = [], cfg.MODEL.BACKBONE.NAME
    if model.text.vocab_size < clip.VOCAB_SIZE:
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
    pixels = model.source.pixels if model.source else None
    if pixels and "normalize" in cfg.INPUT.TRANSFORMS:
        for key, wanted in zip(("PIXEL_MEAN", "PIXEL_STD"), pixels, strict=True):
            given = [float(value) for value in cfg.INPUT[key]]
            if not np.allclose(given, wanted, rtol=0, atol=1e-4):
                problems.append(
                    f"INPUT.{key} = {given}: {name} was trained with {list(wanted)}, as the config "
                    f"beside it says; set INPUT.{key} to that"
                )
    return problems
