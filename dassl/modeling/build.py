"""Building a registered part by name."""

import logging
from typing import Any

from dassl.utils.registry import Registry
from dassl.utils.tools import check_availability

logger = logging.getLogger(__name__)


def build_part(registry: Registry, kind: str, name: str, verbose: bool, **kwargs: Any) -> Any:
    """Check the name, print "<kind>: <name>" if verbose, call what is registered with `kwargs`."""
    check_availability(name, registry.registered_names())
    if verbose:
        logger.info("%s: %s", kind, name)
    return registry.get(name)(**kwargs)
