"""Networks that are neither backbone nor head. None is built in."""

from typing import Any

from dassl.utils.building import build_registered
from dassl.utils.registry import Registry

NETWORK_REGISTRY = Registry("NETWORK")


def build_network(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The network of that name."""
    return build_registered(NETWORK_REGISTRY, "Network", name, verbose, **kwargs)
