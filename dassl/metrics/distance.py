"""Distances between two sets of vectors."""

import torch
import torch.nn.functional as F

from dassl.utils.errors import BadValueError


def euclidean_squared_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """`[M, D]`, `[N, D]` -> squared Euclidean distances `[M, N]`."""
    squares1 = input1.pow(2).sum(dim=1, keepdim=True)
    squares2 = input2.pow(2).sum(dim=1)
    return squares1 + squares2 - 2 * input1 @ input2.t()


def cosine_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """`[M, D]`, `[N, D]` -> 1 - cosine similarity `[M, N]`."""
    return 1 - F.normalize(input1, dim=1) @ F.normalize(input2, dim=1).t()


def compute_distance_matrix(
    input1: torch.Tensor, input2: torch.Tensor, metric: str = "euclidean"
) -> torch.Tensor:
    """`[M, D]`, `[N, D]` -> `[M, N]`; metric `euclidean` (squared) or `cosine`.

    Raises:
        BadValueError: (a ValueError) another metric, or vectors of different width.
    """
    if input1.dim() != 2 or input2.dim() != 2 or input1.size(1) != input2.size(1):
        raise BadValueError(
            f"shapes {tuple(input1.shape)} and {tuple(input2.shape)}: need [M, D] and [N, D]"
        )
    if metric == "euclidean":
        return euclidean_squared_distance(input1, input2)
    if metric == "cosine":
        return cosine_distance(input1, input2)
    raise BadValueError(f"metric {metric!r}: not one of euclidean, cosine")
