"""Finding, reading and copying in checkpoints: ours, which hold what trains, and published ones,
which hold CLIP too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dassl.utils.checkpoints import BEST_NAME, NUMBERED_PREFIX, load_checkpoint, numbered_epochs
from dassl.utils.errors import CheckpointMismatchError, MissingFileError, UserError

# Buffers made from the classnames of the run, and the frozen towers that published files carry
# along.
_REMADE = re.compile(r"(^|\.)token_(prefix|suffix)$")
_FROZEN = re.compile(r"^(image_encoder|text_encoder|logit_scale|dtype|meta_net\.|adapter\.)")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, the epoch they are of, and plain values beside them (empty in published
    files)."""

    path: Path
    state: dict[str, Tensor]
    epoch: int
    extra: dict[str, Any]


def read_checkpoint(
    directory: str | Path, folder: str | None = None, epoch: int | None = None
) -> Checkpoint:
    """Reads `<directory>/<folder>/model.pth.tar-<epoch>`, or the file itself when no folder is
    named.

    Raises:
        MissingFileError: what was asked for is not there; the message lists what is.
        UserError: the file is cut short or holds no tensors.
    """
    path = Path(directory) if folder is None else find_checkpoint(Path(directory), folder, epoch)
    content = load_checkpoint(str(path))
    state = content.get("state_dict", content)
    tensors = trained_tensors(state)
    if not tensors:
        raise UserError(f"{path}: holds no trained tensors; is it a checkpoint?")
    return Checkpoint(path, tensors, int(content.get("epoch", 0)), content.get("extra") or {})


def trained_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict without those that are made anew from the run's classnames."""
    return {
        key.removeprefix("module."): value
        for key, value in state.items()
        if isinstance(value, Tensor) and not _REMADE.search(key)
    }


def find_checkpoint(directory: Path, folder: str, epoch: int | None) -> Path:
    """The file of an epoch; None is model-best or else the newest, -1 the newest."""
    place = directory / folder
    if not place.is_dir():
        others = sorted(p.parent.name for p in directory.glob("*/model*.pth.tar*"))
        found = f"it holds {', '.join(dict.fromkeys(others))}" if others else "it holds no model"
        raise MissingFileError(
            f'Model not found at "{place}": {found}; check --model-dir and --trainer'
        )
    if epoch is None and (place / BEST_NAME).is_file():
        return place / BEST_NAME
    saved = numbered_epochs(place)
    wanted = max(saved, default=0) if epoch in (None, -1) else int(epoch)
    path = place / f"{NUMBERED_PREFIX}{wanted}"
    if wanted not in saved:
        have = ", ".join(map(str, sorted(saved))) or "none"
        raise MissingFileError(
            f'Model not found at "{path}": epochs there are {have}; check --load-epoch'
        )
    return path


@torch.no_grad()
def restore(model: nn.Module, state: dict[str, Tensor], *, within: str, path: Path) -> None:
    """Copies tensors into the model's parameters in place (an optimizer keeps hold of them).

    Args:
        within: only the model's keys with this prefix are expected in `state`.

    Raises:
        CheckpointMismatchError: keys are missing, belong to no part of this method, or have other
            shapes.
    """
    own = {key: value for key, value in model.named_parameters() if key.startswith(within)}
    problems = [
        f"{key} has shape {list(state[key].shape)}, this run needs {list(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    missing = [key for key in own if key not in state]
    strange = [
        key for key in state if key not in own and not _FROZEN.match(key.removeprefix(within))
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
    for key, value in own.items():
        value.copy_(state[key])


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
