"""What the frozen image tower makes of a dataset's images, computed once (linear probe,
Tip-Adapter's cache).

N images, D joint width.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from yacs.config import CfgNode

from clip import CLIP
from clip.model import PRECISIONS
from dassl.data.data_manager import build_data_loader
from trainers.parts.stored_features import stored_batches


@torch.no_grad()
def encode(cfg: CfgNode, clip_model: CLIP, items: Sequence[Any], transform: Any) -> np.ndarray:
    """Raw image features [N, D], float64, of a dataset's items in their order; without autocast.

    They come from the store of test images where one is in use, unless the transform has a step of
    chance: then every call draws and encodes anew.

    Args:
        transform: that of tests, or of a training for augmented views.
    """
    size = cfg.DATALOADER.TEST.BATCH_SIZE
    loader = build_data_loader(
        cfg, data_source=items, batch_size=size, tfm=transform, is_train=False
    )
    device = clip_model.logit_scale.device
    name = next(name for name, dtype in PRECISIONS.items() if dtype == clip_model.dtype)
    stored = stored_batches(loader, clip_model, clip_model.encode_image, name, device)
    if stored is not None:
        parts = [batch["img"].feature.cpu() for batch in stored]
    else:
        batches = tqdm(loader, disable=None)  # on stderr, and only on a terminal
        parts = [clip_model.encode_image(batch["img"].to(device)).cpu() for batch in batches]
    return torch.cat(parts).double().numpy()
