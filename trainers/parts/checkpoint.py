"""Finding, reading and copying in checkpoints: ours, which hold what trains, and published ones,
which hold CLIP too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dassl.utils.checkpoints import (
    BEST_NAME,
    NUMBERED_PREFIX,
    load_checkpoint,
    numbered_epochs,
    require_finite,
)
from dassl.utils.errors import BadFileError, CheckpointMismatchError, MissingFileError
from dassl.utils.run_folders import near_folders_hint

# Buffers made from the classnames of the run, and the frozen towers that published files carry
# along.
_REMADE = re.compile(r"(^|\.)token_(prefix|suffix)$")
_TOWERS = re.compile(r"^(?!.*VPT)(image_encoder|text_encoder)\.|^(logit_scale|dtype)$")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, the epoch they are of, and plain values beside them (empty in published
    files)."""

    path: Path
    state: dict[str, Tensor]
    epoch: int
    extra: dict[str, Any]


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads one file, ours or a published one.

    A part of a model that trains nothing has a `state_dict` without trained tensors.

    Raises:
        BadFileError: (a UserError) the file is cut short or is no checkpoint.
    """
    content = load_checkpoint(str(path))
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    tensors = trained_tensors(state) if isinstance(state, Mapping) else {}
    if not tensors and not (isinstance(state, Mapping) and "state_dict" in content):
        raise BadFileError(f"{path}: holds no trained tensors; is it a checkpoint?")
    extra = content.get("extra")
    epoch = content.get("epoch")
    return Checkpoint(path, tensors, epoch if isinstance(epoch, int) else 0, extra or {})


def trained_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict without those that are made anew from the run's classnames."""
    return {
        key.removeprefix("module."): value
        for key, value in state.items()
        if isinstance(value, Tensor) and not _REMADE.search(key)
    }


def checkpoint_name(directory: Path, folders: Sequence[str], epoch: int | None) -> str:
    """The file name to load from every folder of a run.

    Args:
        epoch: -1 is the newest epoch that all folders have; None is model-best, else the newest.

    Raises:
        MissingFileError: (a UserError) a folder or the epoch is not there; lists what is.
    """
    for folder in folders:
        place = directory / folder
        if not place.is_dir():
            others = sorted(path.parent.name for path in directory.glob("*/model*.pth.tar*"))
            found = ", ".join(dict.fromkeys(others)) or "no model"
            hint = near_folders_hint(directory, folders) or "; check --model-dir and --trainer"
            raise MissingFileError(f'Model not found at "{place}": {directory} holds {found}{hint}')
    if epoch is None and all((directory / folder / BEST_NAME).is_file() for folder in folders):
        return BEST_NAME
    saved = set.intersection(*(set(numbered_epochs(directory / folder)) for folder in folders))
    wanted = max(saved, default=0) if epoch in (None, -1) else int(epoch)
    name = f"{NUMBERED_PREFIX}{wanted}"
    if wanted not in saved:
        have = ", ".join(map(str, sorted(saved))) or "none"
        path = directory / folders[0] / name
        raise MissingFileError(
            f'Model not found at "{path}": epochs there are {have}; check --load-epoch'
        )
    return name


def initial_files(place: Path, folders: Sequence[str]) -> dict[str, Path]:
    """The files to start training from, by folder.

    Args:
        place: folder of a run, which gives its best epoch, else its newest; or a file, which of a
            run with several folders stands for its namesakes in the others too.

    Raises:
        MissingFileError: (a UserError) the folder holds no model of the folders.
    """
    if place.is_dir():
        name = checkpoint_name(place, folders, None)
        return {folder: place / folder / name for folder in folders}
    if len(folders) > 1 and place.parent.name in folders:
        return {folder: place.parent.parent / folder / place.name for folder in folders}
    return {folders[0]: place}


def saved_tensors(model: nn.Module, within: str | tuple[str, ...] = "") -> dict[str, Tensor]:
    """What a checkpoint of a model holds, and what is read back from one: parameters and persistent
    buffers by their keys in the state dict, the model's own tensors.

    Args:
        within: only keys that begin so.
    """
    state = model.state_dict(keep_vars=True)
    return trained_tensors({k: v for k, v in state.items() if k.startswith(within)})


@torch.no_grad()
def restore(
    model: nn.Module,
    state: dict[str, Tensor],
    *,
    within: str | tuple[str, ...],
    path: Path,
    ignored: tuple[str, ...] = (),
) -> None:
    """Copies tensors into the model's own in place (an optimizer keeps hold of them).

    Args:
        within: only the model's keys that begin so are expected in `state`.
        ignored: beginnings of keys that published files of the method hold and nothing uses.

    Raises:
        CheckpointMismatchError: (a UserError) keys are missing, belong to no part of this method,
            or have other shapes.
        BadFileError: (a UserError) a parameter is infinite or not a number.
    """
    own = saved_tensors(model, within)
    problems = [
        f"{key} has shape {list(state[key].shape)}, this run needs {list(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    missing = [key for key in own if key not in state]
    strange = [
        key
        for key in state
        if key not in own and not _TOWERS.match(key) and not key.startswith(ignored)
    ]
    if missing:
        problems.append(f"lacks {_some(missing)}")
    if strange:
        problems.append(f"holds {_some(strange)}, which this method does not have")
    if problems:
        raise CheckpointMismatchError(
            f"{path} does not fit this run: {'; '.join(problems[:3])}; "
            f"use the trainer, context length, depth and backbone that it was trained with"
        )
    # a buffer may hold -inf on purpose, as a mask does
    parameters = [key for key, value in own.items() if isinstance(value, nn.Parameter)]
    require_finite({key: state[key] for key in parameters}, path)
    for key, value in own.items():
        value.copy_(state[key])


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
