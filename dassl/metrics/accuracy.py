"""Top-k accuracy."""

from collections.abc import Sequence
from typing import Any

import torch


def compute_accuracy(
    output: Any, target: torch.Tensor, topk: Sequence[int] = (1,)
) -> list[torch.Tensor]:
    """Top-k accuracy in percent.

    Args:
        output: logits `[B, C]`; of a tuple or list the first entry is taken.
        target: labels `[B]`.
        topk: values of k.

    Returns:
        One tensor `[1]` per k, on the device of `output`.
    """
    logits = output[0] if isinstance(output, tuple | list) else output
    most = min(max(topk), logits.size(1))  # with few classes every image is right for a large k
    ranked = logits.topk(most, dim=1).indices  # [B, most], best first
    hits = ranked == target.view(-1, 1)
    return [
        hits[:, :k].any(dim=1).float().sum(dim=0, keepdim=True) * (100.0 / target.size(0))
        for k in topk
    ]
