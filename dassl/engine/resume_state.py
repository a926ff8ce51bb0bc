"""The state of a run after an epoch: all that an unbroken run would go on with.

`<OUTPUT_DIR>/resume.pth.tar` holds tensors and plain data only:
format, epoch (finished epochs), config_sha256, models (name -> weights, optimizer, scheduler),
generators, best_result, best_epoch, scalers (loss scalers of the trainer), extra.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dassl.utils.checkpoints import load_checkpoint, require_finite, save_torch
from dassl.utils.errors import BadFileError, CheckpointMismatchError
from dassl.utils.files import StrPath

FILE_NAME = "resume.pth.tar"
FORMAT = 1

# Every entry of the file, of one model in `models`, and of `generators`.
_ENTRIES = ["epoch", "config_sha256", "models", "generators", "best_result", "best_epoch"]
_ENTRIES += ["scalers", "extra"]
_MODEL_ENTRIES = ["weights", "optimizer", "scheduler"]
_GENERATORS = ["python", "numpy", "torch", "cuda"]


def capture_generators() -> dict[str, Any]:
    """States of the global generators of Python, numpy, torch and every CUDA device."""
    name, keys, position, has_gauss, cached = np.random.get_state()  # type: ignore[misc]
    version, internal, gauss_next = random.getstate()
    return {
        "python": [version, list(internal), gauss_next],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Set the global generators; CUDA devices that the saved run did not have keep theirs."""
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        for device, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, device)


def _unwrap(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, nn.DataParallel) else model


def changing_keys(model: nn.Module, optimizer: Any) -> set[str]:
    """Keys of a state dict that training may change.

    Those are buffers and parameters that have requires_grad or were stepped before they were
    frozen; of a model without an optimizer everything, since what moves it (an average, a
    second optimizer) is unknown.
    """
    model = _unwrap(model)
    keys = set(model.state_dict())
    frozen = {
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if not parameter.requires_grad and (optimizer is None or parameter not in optimizer.state)
    }
    return keys if optimizer is None else keys - frozen


def _capture_model(model: nn.Module, optimizer: Any, scheduler: Any) -> dict[str, Any]:
    keys = changing_keys(model, optimizer)
    weights = {k: v for k, v in _unwrap(model).state_dict().items() if k in keys}
    return {
        # clones: a view would drag its whole storage into the file
        "weights": {k: v.clone() if torch.is_tensor(v) else v for k, v in weights.items()},
        "optimizer": None if optimizer is None else optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
    }


def _scalers(trainer: Any) -> dict[str, Any]:
    scaler_class = torch.amp.GradScaler
    return {name: value for name, value in vars(trainer).items() if isinstance(value, scaler_class)}


def save_resume_state(trainer: Any, epoch: int) -> None:
    """Write the state after `epoch` finished epochs to the trainer's output folder."""
    state = {
        "format": FORMAT,
        "epoch": epoch,
        "config_sha256": trainer.config_digest(),
        "models": {
            name: _capture_model(model, trainer._optims[name], trainer._scheds[name])
            for name, model in trainer._models.items()
        },
        "generators": capture_generators(),
        "best_result": float(trainer.best_result),
        "best_epoch": trainer.best_epoch,
        "scalers": {name: scaler.state_dict() for name, scaler in _scalers(trainer).items()},
        "extra": trainer.checkpoint_extra(),
    }
    save_torch(state, Path(trainer.output_dir) / FILE_NAME)


def read_resume_state(trainer: Any, directory: StrPath) -> dict[str, Any] | None:
    """The state in a folder; None if there is no file.

    Raises:
        BadFileError: the file cannot be read.
        CheckpointMismatchError: it lacks entries, is of another configuration or of other models.
    """
    path = Path(directory) / FILE_NAME
    if not path.is_file():
        return None
    try:
        state = load_checkpoint(path)
    except BadFileError as error:
        raise BadFileError(
            f"{path} ({path.stat().st_size:,} bytes) is cut short or no resume state; delete it: "
            "the run then goes on from its last checkpoint, or starts again"
        ) from error
    remedy = f"continue with the old settings, choose another OUTPUT_DIR, or delete {path}"
    if not _is_whole(state):
        raise CheckpointMismatchError(f"{path} is no resume state of this version; delete it")
    if state["config_sha256"] != trainer.config_digest():
        raise CheckpointMismatchError(f"{path} is of a run with another configuration; {remedy}")
    if list(state["models"]) != list(trainer._models):
        raise CheckpointMismatchError(
            f"{path} is of models {', '.join(state['models'])}, "
            f"this run has {', '.join(trainer._models)}; {remedy}"
        )
    return state


def _is_whole(state: Any) -> bool:
    """Whether a file's content has all entries that this version writes."""

    def has(value: Any, keys: list[str]) -> bool:
        return isinstance(value, dict) and all(key in value for key in keys)

    return (
        has(state, ["format", *_ENTRIES])
        and state["format"] == FORMAT
        and isinstance(state["models"], dict)
        and all(has(saved, _MODEL_ENTRIES) for saved in state["models"].values())
        and has(state["generators"], _GENERATORS)
        and has(state["scalers"], [])
    )


def apply_resume_state(trainer: Any, state: dict[str, Any], path: StrPath) -> None:
    """Put a state into a newly built trainer, all but the generators.

    Raises:
        CheckpointMismatchError: (a RuntimeError) a model has other weights than the file.
        BadFileError: a parameter of the file is not finite.
    """
    for name, saved in state["models"].items():
        _apply_model(trainer, name, saved, path)
    trainer.best_result = state["best_result"]
    trainer.best_epoch = state["best_epoch"]
    for name, scaler in _scalers(trainer).items():
        if state["scalers"].get(name):
            scaler.load_state_dict(state["scalers"][name])
    if state["extra"]:
        trainer.load_extra(state["extra"])


def _apply_model(trainer: Any, name: str, saved: dict[str, Any], path: StrPath) -> None:
    model, optimizer = _unwrap(trainer._models[name]), trainer._optims[name]
    wanted, own = changing_keys(model, optimizer), model.state_dict()
    weights = saved["weights"]
    wrong = (wanted - set(weights)) | (set(weights) - set(own))
    wrong |= {k for k in set(own) & set(weights) if own[k].shape != weights[k].shape}
    if wrong:
        raise CheckpointMismatchError(
            f"{path} does not fit the model {name}: {', '.join(sorted(wrong)[:3])}; delete the file"
        )
    require_finite({k: v for k, v in weights.items() if k in dict(model.named_parameters())}, path)
    model.load_state_dict(weights, strict=False)
    if optimizer is not None and saved["optimizer"] is not None:
        optimizer.load_state_dict(saved["optimizer"])
    if trainer._scheds[name] is not None and saved["scheduler"] is not None:
        trainer._scheds[name].load_state_dict(saved["scheduler"])
