"""Helpers for modules; checkpoint functions are importable from here too."""

import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from dassl.utils.checkpoints import (
    load_checkpoint,
    require_finite,
    resume_from_checkpoint,
    save_checkpoint,
    without_module_prefix,
)
from dassl.utils.errors import BadValueError, CheckFailedError
from dassl.utils.files import StrPath

__all__ = [
    "count_num_param",
    "init_network_weights",
    "load_checkpoint",
    "load_pretrained_weights",
    "open_all_layers",
    "open_specified_layers",
    "resume_from_checkpoint",
    "save_checkpoint",
]

logger = logging.getLogger(__name__)


def load_pretrained_weights(model: nn.Module, weight_path: StrPath) -> None:
    """Load what matches in name and shape, buffers too; the rest is left as it is.

    Args:
        model: changed in place.
        weight_path: a checkpoint with the entry `state_dict`, or a bare state dict.

    Raises:
        BadFileError: a parameter of the file is not finite.
    """
    checkpoint = load_checkpoint(weight_path)
    weights = without_module_prefix(checkpoint.get("state_dict", checkpoint))
    own = model.state_dict()
    matched = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    if not matched:
        logger.warning(
            "Cannot load %s: no key and shape matches the model (nothing is loaded)", weight_path
        )
        return
    trained = {name for name, _ in model.named_parameters()}
    require_finite({k: v for k, v in matched.items() if k in trained}, weight_path)
    own.update(matched)
    model.load_state_dict(own)
    logger.info("Successfully loaded pretrained weights from %s", weight_path)
    discarded = [key for key in weights if key not in matched]
    if discarded:
        logger.info("Layers discarded due to unmatched keys or size: %s", discarded)


def count_num_param(
    model: nn.Module | None = None, params: nn.Parameter | Iterable[Any] | None = None
) -> int:
    """Number of values of a module, a parameter, or an iterable of parameters or groups.

    Raises:
        BadValueError: (a ValueError) neither is given.
    """
    if model is not None:
        return sum(parameter.numel() for parameter in model.parameters())
    if params is None:
        raise BadValueError("count_num_param needs a model or parameters")
    if isinstance(params, torch.Tensor):
        return params.numel()
    total = 0
    for entry in params:
        tensors = entry["params"] if isinstance(entry, dict) else [entry]
        total += sum(tensor.numel() for tensor in tensors)
    return total


def open_all_layers(model: nn.Module) -> None:
    """Train everything: training mode, gradients for all parameters."""
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad = True


def open_specified_layers(model: nn.Module, open_layers: str | list[str]) -> None:
    """Train the named direct children, freeze the others and put them in eval mode.

    Raises:
        CheckFailedError: (an AssertionError) the model has no such child.
    """
    target = model.module if isinstance(model, nn.DataParallel) else model
    names = [open_layers] if isinstance(open_layers, str) else open_layers
    children = dict(target.named_children())
    unknown = [name for name in names if name not in children]
    if unknown:
        raise CheckFailedError(
            f"no layer {', '.join(unknown)}; the model has {', '.join(children)}"
        )
    for name, child in children.items():
        child.train(name in names)
        for parameter in child.parameters():
            parameter.requires_grad = name in names


def init_network_weights(model: nn.Module, init_type: str = "normal", gain: float = 0.02) -> None:
    """Draw new weights: convolutions and linear layers by `init_type`, norm layers 1 and 0.

    Args:
        model: changed in place.
        init_type: normal, xavier, kaiming or orthogonal.
        gain: standard deviation (normal) or gain.

    Raises:
        BadValueError: (a ValueError) another `init_type`.
    """
    draw = {
        "normal": lambda weight: nn.init.normal_(weight, 0.0, gain),
        "xavier": lambda weight: nn.init.xavier_normal_(weight, gain=gain),
        "kaiming": lambda weight: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
        "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain=gain),
    }
    if init_type not in draw:
        raise BadValueError(f"init_type {init_type!r}: not one of {', '.join(draw)}")
    for module in model.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            draw[init_type](weight)
        elif isinstance(module, nn.modules.batchnorm._NormBase) and weight is not None:
            nn.init.constant_(weight, 1.0)
        else:
            continue
        if bias is not None:
            nn.init.constant_(bias, 0.0)
