"""Building what is registered under a name."""

import logging
from typing import Any

from dassl.utils.registry import Registry
from dassl.utils.tools import check_availability

logger = logging.getLogger(__name__)


def build_registered(
    registry: Registry, announced: str, name: str, verbose: bool, *args: Any, **kwargs: Any
) -> Any:
    """Check the name, print "<announced>: <name>" if verbose, call what is registered.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    check_availability(name, registry.registered_names())
    if verbose:
        logger.info("%s: %s", announced, name)
    return registry.get(name)(*args, **kwargs)
