"""The search of Tip-Adapter's two numbers on validation images.

V images, N cache entries, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

IMAGES_AT_ONCE = 2048  # bounds the memory: an affinity for each pair of image and entry


@dataclass(frozen=True)
class Scores:
    """What two numbers are chosen by.

    Args:
        clip: zero-shot logits [V, C]; -inf for classes that an image is not asked about.
        affinity: cosine between images and entries [V, N].
        values: the class of each entry, one-hot [N, C].
        labels: [V].
    """

    clip: Tensor
    affinity: Tensor
    values: Tensor
    labels: Tensor

    def logits(self, beta: float, alpha: float) -> Tensor:
        """clip + alpha exp(-beta (1 - affinity)) values, [V, C]."""
        return self.clip + alpha * cache_logits(self.affinity, self.values, beta)

    def parts(self) -> "list[Scores]":
        """The same in parts of `IMAGES_AT_ONCE` images."""
        split = (t.split(IMAGES_AT_ONCE) for t in (self.clip, self.affinity, self.labels))
        return [Scores(c, a, self.values, y) for c, a, y in zip(*split, strict=True)]


def cache_logits(affinity: Tensor, values: Tensor, beta: float) -> Tensor:
    """exp(-beta (1 - a)), summed over each class's entries: [B, N], [N, C] -> [B, C]."""
    return (beta * (affinity - 1)).exp() @ values


def candidates(scale: float, steps: int) -> list[float]:
    """The published grid: `steps` values from 0.1, evenly, short of `scale`."""
    return [step * (scale - 0.1) / steps + 0.1 for step in range(steps)]


@torch.no_grad()
def search(
    scores: Scores, betas: Sequence[float], alphas: Sequence[float]
) -> tuple[float, float, float]:
    """beta, alpha and the accuracy in percent that they give; of equals the first, by beta."""
    right = np.zeros((len(betas), len(alphas)), dtype=np.int64)
    for part in scores.parts():
        for row, beta in enumerate(betas):
            cache = cache_logits(part.affinity, part.values, beta)
            hits = [((part.clip + a * cache).argmax(1) == part.labels).sum() for a in alphas]
            right[row] += torch.stack(hits).cpu().numpy()
    row, column = np.unravel_index(right.argmax(), right.shape)  # the first of equals
    accuracy = 100 * right[row, column] / len(scores.labels)
    return betas[row], alphas[column], float(accuracy)
