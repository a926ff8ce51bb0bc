"""Heads: layers between backbone and classifier."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dassl.utils.building import build_registered
from dassl.utils.errors import UnknownNameError
from dassl.utils.registry import Registry

HEAD_REGISTRY = Registry("HEAD")

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh}


class MLP(nn.Sequential):
    """Linear layers, each followed by batch norm, activation and dropout as chosen.

    Args:
        in_features: width of the input.
        hidden_layers: width of every layer.
        activation: name in `ACTIVATIONS`, or None.
        bn: batch norm after each layer.
        dropout: probability; 0: none.

    Shape:
        `[B, in_features]` -> `[B, hidden_layers[-1]]`
    """

    def __init__(
        self,
        in_features: int = 2048,
        hidden_layers: Sequence[int] = (),
        activation: str | None = None,
        bn: bool = True,
        dropout: float = 0.0,
    ) -> None:
        if activation is not None and activation not in ACTIVATIONS:
            raise UnknownNameError(
                f"MODEL.HEAD.ACTIVATION = {activation!r}: not one of {', '.join(ACTIVATIONS)}"
            )
        layers: list[nn.Module] = []
        width = in_features
        for hidden in hidden_layers:
            layers.append(nn.Linear(width, hidden))
            if bn:
                layers.append(nn.BatchNorm1d(hidden))
            if activation is not None:
                layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            width = hidden
        super().__init__(*layers)
        self.out_features = width


@HEAD_REGISTRY.register()
def mlp(**kwargs: Any) -> torch.nn.Module:
    """`MLP`."""
    return MLP(**kwargs)


def build_head(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The head of that name."""
    return build_registered(HEAD_REGISTRY, "Head", name, verbose, **kwargs)
