"""The frozen CLIP of a run."""

import logging
from pathlib import Path

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
        UserError: no name given, INPUT.SIZE is not the input resolution of the image tower, or the
            text tower is for another tokenizer.
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
    if model.text.vocab_size < clip.VOCAB_SIZE:
        raise UserError(
            f"MODEL.BACKBONE.NAME {name}: its vocabulary of {model.text.vocab_size} is another "
            f"tokenizer's; take a CLIP with CLIP's own vocabulary of {clip.VOCAB_SIZE}"
        )
    resolution = model.visual.input_resolution
    if tuple(cfg.INPUT.SIZE) != (resolution, resolution):
        raise UserError(
            f"INPUT.SIZE = {tuple(cfg.INPUT.SIZE)}: {name} takes images of "
            f"({resolution}, {resolution}); set INPUT.SIZE to that"
        )
    return model
