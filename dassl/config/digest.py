"""A hash of what decides a run's numbers."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Where files lie, how fast images are read and what is printed decide no number.
IGNORED_KEYS = frozenset(
    {
        "OUTPUT_DIR",
        "RESUME",
        "VERBOSE",
        "DATASET.ROOT",
        "DATALOADER.NUM_WORKERS",
        "DATALOADER.OLD_DATA_PATH",
        "DATALOADER.NEW_DATA_PATH",
        "TRAIN.PRINT_FREQ",
        "TRAIN.CHECKPOINT_FREQ",
    }
)


def _plain(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            plain[key] = _plain(value, f"{name}.")
        elif name not in IGNORED_KEYS:
            plain[key] = list(value) if isinstance(value, tuple) else value
    return plain


def config_sha256(cfg: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the whole tree without `IGNORED_KEYS`; the order of keys does not count."""
    text = json.dumps(_plain(cfg), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
