"""Averages of trained tensors over the epochs of a run."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def gaussian_weights(mean: float, std: float, num_epochs: int) -> list[float]:
    """Weights of epochs 1..E: a Gaussian over the epoch's number, divided by its sum over them."""
    epochs = torch.arange(1, num_epochs + 1, dtype=torch.float64)
    # as a softmax, which also holds where the mean is far from all epochs
    return torch.softmax(-0.5 * ((epochs - mean) / std) ** 2, dim=0).tolist()


class WeightedAverage:
    """A running weighted sum of named tensors in float32, whatever the tensors' own dtypes."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.weight = 0.0

    @torch.no_grad()
    def add(self, tensors: Mapping[str, Tensor], weight: float) -> None:
        """Adds the tensors' present values."""
        for name, tensor in tensors.items():
            term = weight * tensor.float()
            self.sums[name] = self.sums[name].to(term.device) + term if name in self.sums else term
        self.weight += weight

    @torch.no_grad()
    def copy_to(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts the average into the tensors, in place. The weights need not sum to 1: a run that
        goes on from a checkpoint without sums averages over the epochs that it saw."""
        for name, tensor in tensors.items():
            tensor.copy_(self.sums[name] / self.weight)

    def state(self) -> dict[str, Any]:
        """Sums and weight, for a checkpoint."""
        return {"sums": dict(self.sums), "weight": self.weight}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state()`."""
        self.sums, self.weight = dict(state["sums"]), state["weight"]
