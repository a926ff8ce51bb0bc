"""The frozen CLIP of a run."""

from pathlib import Path

import torch
from yacs.config import CfgNode

import clip
from dassl.utils.errors import UserError
from trainers.parts.precision import Precision

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def resolve_backbone(name: str) -> str:
    """A public model name as it is; a path of a file beside the working directory or the project as
    a whole path."""
    if name in clip.available_models() or Path(name).is_file():
        return name
    inside = PROJECT_ROOT / name
    return str(inside) if name and inside.is_file() else name


def load_backbone(cfg: CfgNode, device: torch.device, precision: Precision) -> clip.CLIP:
    """CLIP named by MODEL.BACKBONE.NAME, frozen, in evaluation mode, on the device.

    Raises:
        UserError: no name given, or INPUT.SIZE is not the input resolution of the image tower.
        clip.ClipError: the weights cannot be had or are not a CLIP.
    """
    name = cfg.MODEL.BACKBONE.NAME
    if not name:
        raise UserError(
            "MODEL.BACKBONE.NAME is empty; give a public name such as ViT-B/16 or a weights file"
        )
    state = clip.load_state_dict(resolve_backbone(name))
    model = clip.build_model(state, precision=precision.towers).to(device)
    resolution = model.visual.input_resolution
    if tuple(cfg.INPUT.SIZE) != (resolution, resolution):
        raise UserError(
            f"INPUT.SIZE = {tuple(cfg.INPUT.SIZE)}: {name} takes images of "
            f"({resolution}, {resolution}); set INPUT.SIZE to that"
        )
    return model
