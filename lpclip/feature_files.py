"""The files of features that one command line writes and the other reads."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dassl.utils.errors import BadFileError, MissingFileError

SPLITS = ("train", "val", "test")
# [N, D] float64, and [N], or [N, 1] for one of several tasks.
ARRAYS = ("feature_list", "label_list")


def save_features(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes an npz file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(temporary, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_features(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one split, labels as [N].

    Raises:
        MissingFileError, BadFileError: (UserErrors) name the file and the remedy.
    """
    if not path.is_file():
        raise MissingFileError(
            f"no features {path}; make them: lpclip/feat_extractor.py --split {path.stem}"
        )
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadFileError(f"{path} is no whole npz file ({error}); extract it again") from error
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise BadFileError(f"{path} lacks {' and '.join(missing)}; extract it again")
    features, labels = (arrays[name] for name in ARRAYS)
    if features.ndim != 2 or labels.size != len(features):
        raise BadFileError(
            f"{path}: features {list(features.shape)} and labels {list(labels.shape)} do not "
            f"belong together; extract it again"
        )
    arrays["label_list"] = labels.reshape(-1)
    return arrays
