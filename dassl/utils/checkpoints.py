"""Checkpoint files: read with weights_only=True, always; written whole or not at all."""

import io
import logging
import os
import pickle
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dassl.optim.lr_scheduler import advance_schedule
from dassl.utils.checkpoint_watch import tell_watchers
from dassl.utils.errors import (
    BadFileError,
    BadValueError,
    CheckpointMismatchError,
    MissingFileError,
)
from dassl.utils.files import StrPath, atomic_write

logger = logging.getLogger(__name__)

BEST_NAME = "model-best.pth.tar"
NUMBERED_PREFIX = "model.pth.tar-"


class _StandIn:
    """Takes the place of an optimizer or schedule that the public engine pickled as an object."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _ordered_dict(*_: Any) -> "OrderedDict[Any, Any]":
    return OrderedDict()  # for a defaultdict, which weights_only cannot fill


# A warm-up of the public engine saves its inner schedule, and that its optimizer, as objects.
# Nothing of them is used; the stand-ins let the rest be read without running the file's code.
_OPTIMIZER_CLASSES = [
    "torch.optim.sgd.SGD",
    "torch.optim.adam.Adam",
    "torch.optim.adamw.AdamW",
    "torch.optim.rmsprop.RMSprop",
    "torch.optim.radam.RAdam",
    "dassl.optim.radam.RAdam",
]
_SCHEDULE_CLASSES = [
    f"torch.optim.lr_scheduler.{name}" for name in ("CosineAnnealingLR", "StepLR", "MultiStepLR")
]
_PUBLISHED_GLOBALS: list[Any] = [
    *[(_StandIn, name) for name in _OPTIMIZER_CLASSES + _SCHEDULE_CLASSES],
    (dict, "builtins.dict"),
    (_ordered_dict, "collections.defaultdict"),
]


def load_checkpoint(fpath: StrPath | None) -> Any:
    """Read a checkpoint onto the CPU, ours or one of the public engine.

    Raises:
        BadValueError: (a ValueError) `fpath` is None.
        MissingFileError: (a FileNotFoundError) there is no such file.
        BadFileError: the file is cut short, no checkpoint, or holds objects other than tensors and
            plain data.
    """
    if fpath is None:
        raise BadValueError("no checkpoint file is given (the path is None)")
    if not os.path.isfile(fpath):
        raise MissingFileError(f"no checkpoint file {fpath}")
    try:
        with torch.serialization.safe_globals(_PUBLISHED_GLOBALS):
            checkpoint = torch.load(fpath, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first = next((line for line in str(error).splitlines() if "GLOBAL" in line), "")
        if first:
            raise BadFileError(
                f"{fpath} holds objects that are not read for safety ({first.strip()}); "
                "save tensors and plain data only"
            ) from error
        raise BadFileError(_cut_short(fpath)) from error
    except Exception as error:  # damaged bytes make torch's reader fail in a dozen ways
        raise BadFileError(_cut_short(fpath)) from error
    tell_watchers(fpath, checkpoint, written=False)
    return checkpoint


def load_model_file(fpath: StrPath) -> dict[str, Any]:
    """`load_checkpoint` of a file that holds `state_dict` and `epoch`.

    Raises:
        BadFileError: it holds something else.
    """
    checkpoint = load_checkpoint(fpath)
    if not isinstance(checkpoint, dict) or not {"state_dict", "epoch"} <= set(checkpoint):
        raise BadFileError(f"{fpath} is no model of a training run: no state_dict and epoch in it")
    return checkpoint


def _cut_short(fpath: StrPath) -> str:
    size = os.path.getsize(fpath)
    return f"{fpath} ({size:,} bytes) is cut short or not a checkpoint; copy or train it again"


def save_torch(obj: Any, path: StrPath) -> None:
    """`torch.save`, whole or not at all.

    Raises:
        WriteError: names the path and the reason, e.g. no space left on device.
    """
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    atomic_write(path, buffer.getbuffer())


def save_checkpoint(
    state: dict[str, Any],
    save_dir: StrPath,
    is_best: bool = False,
    remove_module_from_keys: bool = True,
    model_name: str = "",
) -> None:
    """Write `model.pth.tar-<epoch>` (or `model_name`) and the text file `checkpoint` that names it.

    Args:
        state: state_dict, epoch, optimizer, scheduler, val_result ...
        save_dir: folder, made if missing.
        is_best: also copy to model-best.pth.tar.
        remove_module_from_keys: cut a leading "module." from the keys.
        model_name: file name instead of the numbered one.
    """
    if remove_module_from_keys:
        state = {**state, "state_dict": without_module_prefix(state["state_dict"])}
    path = Path(save_dir) / (model_name or f"{NUMBERED_PREFIX}{state['epoch']}")
    save_torch(state, path)
    tell_watchers(path, state, written=True)
    logger.info("Checkpoint saved to %s", path)
    atomic_write(path.with_name("checkpoint"), f"{path.name}\n")
    if is_best:
        shutil.copy(path, path.with_name(BEST_NAME))
        logger.info("Best checkpoint saved to %s", path.with_name(BEST_NAME))


def without_module_prefix(state_dict: Any) -> "OrderedDict[str, Any]":
    """Keys without the leading "module." of DataParallel."""
    return OrderedDict((key.removeprefix("module."), value) for key, value in state_dict.items())


def require_finite(tensors: Mapping[str, Any], path: StrPath) -> None:
    """Check that tensors of a file which a model takes over are finite.

    Raises:
        BadFileError: names the file and the first tensors that are not.
    """
    bad = [
        name
        for name, tensor in tensors.items()
        if torch.is_tensor(tensor)
        and tensor.is_floating_point()
        and not torch.isfinite(tensor).all()
    ]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise BadFileError(
            f"{path}: {', '.join(bad[:3])}{more}: infinite or not a number; take an earlier epoch, "
            "or train again with a lower OPTIM.LR"
        )


def numbered_epochs(folder: StrPath) -> list[int]:
    """Epochs of the files `model.pth.tar-<epoch>` of a folder, ascending."""
    if not os.path.isdir(folder):
        return []
    names = [name.removeprefix(NUMBERED_PREFIX) for name in os.listdir(folder)]
    return sorted(int(name) for name in names if name.isdigit())


def load_strict(model: nn.Module, state_dict: Any, path: StrPath) -> None:
    """Load weights that must fit exactly.

    Raises:
        CheckpointMismatchError: (a RuntimeError) names the file and the first keys that do not fit.
    """
    target = model.module if isinstance(model, nn.DataParallel) else model
    state_dict = without_module_prefix(state_dict)
    own = target.state_dict()
    missing = [key for key in own if key not in state_dict]
    unexpected = [key for key in state_dict if key not in own]
    shapes = [
        f"{key} is {tuple(value.shape)}, the model has {tuple(own[key].shape)}"
        for key, value in state_dict.items()
        if key in own and value.shape != own[key].shape
    ]
    problems = []
    for title, found in (("missing", missing), ("not in the model", unexpected), ("", shapes)):
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            problems.append(f"{title} {', '.join(found[:3])}{more}".strip())
    if problems:
        raise CheckpointMismatchError(
            f"weights in {path} do not fit the model: {'; '.join(problems)}"
        )
    require_finite({name: state_dict[name] for name, _ in target.named_parameters()}, path)
    target.load_state_dict(state_dict)


def load_training_state(
    checkpoint: dict[str, Any], path: StrPath, optimizer: Any = None, scheduler: Any = None
) -> None:
    """Take over the optimizer's memory and bring a new schedule to the checkpoint's epoch.

    The schedule is rebuilt, since the entry `scheduler` of a published file may be stale.

    Raises:
        CheckpointMismatchError: (a RuntimeError) the optimizer's parameters are others.
    """
    if scheduler is not None and checkpoint.get("epoch"):
        advance_schedule(scheduler, checkpoint["epoch"])
        logger.info("Loaded scheduler")
    if optimizer is None or not checkpoint.get("optimizer"):
        return
    rates = [(group["lr"], group.get("initial_lr")) for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(checkpoint["optimizer"])
    except (ValueError, KeyError) as error:
        raise CheckpointMismatchError(
            f"the optimizer in {path} has other parameters than this run's ({error}); "
            "train into another OUTPUT_DIR"
        ) from error
    if scheduler is not None:
        for group, (rate, initial) in zip(optimizer.param_groups, rates, strict=True):
            group["lr"], group["initial_lr"] = rate, initial
    logger.info("Loaded optimizer")


def resume_from_checkpoint(
    fdir: StrPath, model: nn.Module, optimizer: Any = None, scheduler: Any = None
) -> int:
    """Load the checkpoint that the text file `checkpoint` in `fdir` names; returns its epoch.

    Without that file the highest numbered checkpoint is taken.

    Raises:
        MissingFileError: (a FileNotFoundError) there is no checkpoint.
        CheckpointMismatchError: (a RuntimeError) it does not fit.
    """
    pointer = Path(fdir) / "checkpoint"
    epochs = numbered_epochs(fdir)
    if pointer.is_file():
        path = Path(fdir) / pointer.read_text().strip()
    elif epochs:
        path = Path(fdir) / f"{NUMBERED_PREFIX}{epochs[-1]}"
    else:
        raise MissingFileError(f"no checkpoint in {fdir}")
    logger.info('Loading checkpoint from "%s"', path)
    checkpoint = load_model_file(path)
    load_strict(model, checkpoint["state_dict"], path)
    logger.info("Loaded model weights")
    load_training_state(checkpoint, path, optimizer, scheduler)
    logger.info("Previous epoch: %s", checkpoint["epoch"])
    return checkpoint["epoch"]
