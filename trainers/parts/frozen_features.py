"""What the frozen image tower makes of a dataset's images, computed once (linear probe).

N images, D joint width.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from clip import CLIP
from dassl.data.data_manager import build_data_loader


@torch.no_grad()
def encode(cfg: CfgNode, clip_model: CLIP, items: Sequence[Any], transform: Any) -> np.ndarray:
    """Raw image features [N, D], float64, of a dataset's items in their order.

    Args:
        transform: that of tests, also for training images.
    """
    size = cfg.DATALOADER.TEST.BATCH_SIZE
    loader = build_data_loader(
        cfg, data_source=items, batch_size=size, tfm=transform, is_train=False
    )
    device = clip_model.logit_scale.device
    batches = tqdm(loader, disable=None)  # on stderr, and only on a terminal
    parts = [clip_model.encode_image(batch["img"].to(device)).cpu() for batch in batches]
    return torch.cat(parts).double().numpy()


def tower_digest(visual: nn.Module) -> str:
    """Tells image towers apart: SHA-256 of the first numbers of every tensor, 16 digits."""
    digest = hashlib.sha256()
    for tensor in visual.state_dict().values():
        digest.update(tensor.flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
