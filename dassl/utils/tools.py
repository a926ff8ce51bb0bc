"""Small helpers; file helpers are importable from here too, as in the public engine."""

import difflib
import importlib.metadata
import os
import platform
import random
import sys
from collections.abc import Iterable
from typing import Any

from dassl.utils.errors import BadValueError, UnknownNameError
from dassl.utils.files import (
    check_isfile,
    download_url,
    listdir_nohidden,
    mkdir_if_missing,
    read_image,
    read_json,
    write_json,
)

__all__ = [
    "check_availability",
    "check_isfile",
    "collect_env_info",
    "download_url",
    "get_most_similar_str_to_a_from_b",
    "listdir_nohidden",
    "mkdir_if_missing",
    "read_image",
    "read_json",
    "set_random_seed",
    "tolist_if_not",
    "write_json",
]


def tolist_if_not(x: Any) -> list[Any]:
    """`x` itself if it is a list, else `[x]`."""
    return x if isinstance(x, list) else [x]


def get_most_similar_str_to_a_from_b(a: str, b: Iterable[str]) -> str | None:
    """The string of `b` most like `a` by difflib ratio, of equals the last; None if empty."""
    best, best_ratio = None, 0.0
    for candidate in b:
        ratio = difflib.SequenceMatcher(None, a, candidate).ratio()
        if ratio >= best_ratio:
            best, best_ratio = candidate, ratio
    return best


def check_availability(requested: str, available: list[str]) -> None:
    """Check that a name is among the available ones.

    Raises:
        UnknownNameError: (a ValueError) with all names and the closest.
    """
    if requested in available:
        return
    closest = get_most_similar_str_to_a_from_b(requested, available)
    if closest is None:
        raise UnknownNameError(f'"{requested}" is not available: nothing is registered')
    raise UnknownNameError(
        f'"{requested}" is not one of {", ".join(available)} (did you mean "{closest}"?)'
    )


def set_random_seed(seed: int) -> None:
    """Seed Python's random, numpy, torch and all CUDA devices.

    Raises:
        BadValueError: (a ValueError) numpy takes no such seed.
    """
    import numpy as np
    import torch

    if not 0 <= seed < 2**32:
        raise BadValueError(f"seed {seed}: must be from 0 to {2**32 - 1} (2**32 - 1)")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


def collect_env_info() -> str:
    """Versions, GPUs and threads, one a line. Starts no other program, so it is quick."""
    import torch

    lines = [
        f"Python: {sys.version.split()[0]} on {platform.platform()}",
        f"CPU: {os.cpu_count()} cores, {torch.get_num_threads()} threads for torch",
        f"PyTorch: {torch.__version__}, built for CUDA {torch.version.cuda}",
    ]
    if torch.cuda.is_available():
        lines.append(f"cuDNN: {torch.backends.cudnn.version()}")
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            memory = device.total_memory / 2**30
            lines.append(f"GPU {index}: {device.name}, {memory:.0f} GiB")
    else:
        lines.append("CUDA: not available")
    for package in ("torchvision", "numpy", "Pillow", "scikit-learn", "yacs"):
        try:
            lines.append(f"{package}: {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{package}: not installed")
    return "\n".join(lines)
