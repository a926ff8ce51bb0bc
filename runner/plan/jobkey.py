"""The job key: what decides whether a finished run is the run that is asked for.

SHA-256 over trainer, the bytes of both YAML files, dataset, seed, normalised options and the
weights file. Where the data and the output lie, workers, print frequency and GPU do not count.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

IGNORED = {
    "DATALOADER.NEW_DATA_PATH",
    "DATALOADER.NUM_WORKERS",
    "DATALOADER.OLD_DATA_PATH",
    "DATASET.ROOT",
    "OUTPUT_DIR",
    "RESUME",
    "TRAIN.CHECKPOINT_FREQ",
    "TRAIN.PRINT_FREQ",
    "VERBOSE",
}


def normalise(options: Sequence[str]) -> dict[str, str]:
    """Return KEY VALUE words as a sorted mapping: the last value of a key wins, as in yacs, and
    spellings of one value (`0.1`, `.1`, `1e-1`) are one."""
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    return {key: _value(pairs[key]) for key in sorted(pairs) if key not in IGNORED}


def _value(word: str) -> str:
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        value = word
    return repr(list(value) if isinstance(value, tuple) else value)


def job_key(yamls: Sequence[Path], options: Sequence[str], **others: str | int) -> str:
    """Return the job key.

    Args:
        yamls: dataset file, then trainer file.
        options: KEY VALUE words of the command line, shots and class subset included.
        others: `trainer`, `dataset`, `seed`; `weights` as of `weights_id`; `evaluates`: `zero-shot`
            or `model`, empty for a run that trains; `training`: the key of what made its model.
    """
    content: dict[str, Any] = {
        **others,
        "format": 1,
        "yamls": [_file_sha256(path) for path in yamls],
        "options": normalise(options),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def weights_id(yamls: Sequence[Path], options: Sequence[str], roots: Iterable[Path]) -> str:
    """Return the SHA-256 of the weights file that MODEL.BACKBONE.NAME names, else the name; both of
    a file whose settings are those of an open_clip tag, as they change what is computed.

    Options win over the trainer's YAML (the last file), that over the dataset's. A relative path
    is looked up below each of `roots`.
    """
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    name = pairs.get("MODEL.BACKBONE.NAME")
    for path in reversed(yamls):
        name = name or _backbone(path)
    if not name:
        return ""
    settings, at, file = name.partition("@") if name.startswith("open_clip:") else ("", "", name)
    for root in roots:
        candidate = root / Path(file).expanduser()
        if file and candidate.is_file():
            return settings + at + _file_sha256(candidate)
    return name


@lru_cache(maxsize=256)
def _backbone(path: Path) -> str:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text())
        return str(tree["MODEL"]["BACKBONE"]["NAME"])
    except (yaml.YAMLError, KeyError, TypeError):  # train.py names a broken file better
        return ""


@lru_cache(maxsize=256)
def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
