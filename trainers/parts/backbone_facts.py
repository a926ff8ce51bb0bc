"""What result.json says of the frozen CLIP."""

from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

import clip
from dassl.engine.provenance import file_sha256
from trainers.parts.backbone import resolve_backbone

FACTS = ("name", "sha256", "activation", "activation_from", "layout")


def backbone_facts(cfg: CfgNode, clip_model: clip.CLIP) -> dict[str, Any]:
    """`FACTS` by what the model knows of its source; of one that knows nothing, name and SHA-256 of
    the weights file."""
    facts: dict[str, Any] = dict.fromkeys(FACTS)
    source = getattr(clip_model, "source", None)
    if is_dataclass(source) and not isinstance(source, type):
        return facts | {k: v for k, v in asdict(source).items() if k in facts}
    name = cfg.MODEL.BACKBONE.NAME
    path = Path(resolve_backbone(name))
    facts["name"] = path.name if path.is_file() else name
    facts["sha256"] = file_sha256(path)
    return facts
