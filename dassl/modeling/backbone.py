"""Backbones: image to feature vector. None is built in; register your own."""

from typing import Any

from torch import nn

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

BACKBONE_REGISTRY = Registry("BACKBONE")


class Backbone(nn.Module):
    """A module with the attribute `out_features`, set by the subclass as `_out_features`."""

    _out_features: int | None = None

    @property
    def out_features(self) -> int | None:
        """Width of the features; None if the subclass did not set it."""
        return self._out_features


def build_backbone(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The backbone of that name."""
    return build_registered(BACKBONE_REGISTRY, "Backbone", name, verbose, **kwargs)
