"""`build_optimizer`: the optimizers of the configuration node OPTIM."""

import logging
import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from dassl.optim.float32_steps import half_tensors, with_float32_steps
from dassl.optim.radam import RAdam
from dassl.utils.errors import BadValueError, UnknownNameError, WrongTypeError
from dassl.utils.tools import get_most_similar_str_to_a_from_b

logger = logging.getLogger(__name__)

ADAPTIVE: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "amsgrad": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "radam": RAdam,
    "adamw": torch.optim.AdamW,
}
OPTIMIZERS = ["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"]
ADAM_EPS = 1e-8  # where the config has no OPTIM.ADAM_EPS, a key that trainers add


def build_optimizer(
    model: Any, optim_cfg: Any, param_groups: Any = None, fused: bool = False
) -> Optimizer:
    """The optimizer `optim_cfg.NAME`. Of half-precision tensors all but sgd step in float32.

    Args:
        model: a module (all its parameters, frozen ones too), or parameters or groups.
        optim_cfg: the node OPTIM.
        param_groups: used instead of `model`'s parameters; STAGED_LR is then ignored
            with a warning.
        fused: adam, amsgrad and adamw step in one kernel, which under a loss scaler also leaves out
            a step without the host's help; radam counts its steps on the device; other optimizers
            are what they are without it.

    Raises:
        UnknownNameError: (a ValueError) no such optimizer.
        BadValueError: (a ValueError) a number out of range.
        WrongTypeError: (a TypeError) STAGED_LR without a module.
    """
    name = optim_cfg.NAME
    if name not in OPTIMIZERS:
        nearest = get_most_similar_str_to_a_from_b(str(name), OPTIMIZERS)
        raise UnknownNameError(
            f"OPTIM.NAME = {name!r}: not one of {', '.join(OPTIMIZERS)} (did you mean {nearest}?)"
        )
    _check_numbers(optim_cfg)
    if param_groups is not None:
        if optim_cfg.STAGED_LR:
            logger.warning("OPTIM.STAGED_LR is ignored: parameter groups are given")
        params = param_groups
    elif optim_cfg.STAGED_LR:
        params = _staged_groups(model, optim_cfg)
    else:
        params = model.parameters() if isinstance(model, nn.Module) else model
    try:
        return _make(name, _as_list(params), optim_cfg, fused)
    except ValueError as error:  # torch checks the numbers
        raise BadValueError(f"OPTIM (NAME {name}): {error}") from error


def _check_numbers(optim_cfg: Any) -> None:
    """What torch lets pass and what would only show as a loss that is not a number."""
    for key in ("LR", "WEIGHT_DECAY", "MOMENTUM", "SGD_DAMPNING", "BASE_LR_MULT"):
        if not math.isfinite(optim_cfg[key]):
            raise BadValueError(f"OPTIM.{key} = {optim_cfg[key]}: must be a finite number")
    if not 0 <= optim_cfg.RMSPROP_ALPHA <= 1:
        raise BadValueError(f"OPTIM.RMSPROP_ALPHA = {optim_cfg.RMSPROP_ALPHA}: must be 0 to 1")
    eps, least = optim_cfg.get("ADAM_EPS", ADAM_EPS), torch.finfo(torch.float32).tiny
    if not least <= eps < math.inf:
        raise BadValueError(
            f"OPTIM.ADAM_EPS = {eps}: steps are in float32, which holds {least:.2g} and more; "
            f"{ADAM_EPS} is usual"
        )


def _staged_groups(model: Any, optim_cfg: Any) -> list[dict[str, Any]]:
    """Children named in NEW_LAYERS get LR, the others LR * BASE_LR_MULT; base group first."""
    if not isinstance(model, nn.Module):
        raise WrongTypeError("OPTIM.STAGED_LR needs a module, got parameters; set it to False")
    if isinstance(model, nn.DataParallel):
        model = model.module
    new_layers = optim_cfg.NEW_LAYERS
    if isinstance(new_layers, str):
        new_layers = [new_layers]
    if not new_layers:
        logger.warning("OPTIM.NEW_LAYERS is empty: OPTIM.STAGED_LR lowers the LR of every layer")
    base: list[torch.Tensor] = []
    new: list[torch.Tensor] = []
    for name, child in model.named_children():
        (new if name in new_layers else base).extend(child.parameters())
    return [
        {"params": base, "lr": optim_cfg.LR * optim_cfg.BASE_LR_MULT},
        {"params": new},
    ]


def _as_list(params: Any) -> list[Any]:
    # a group may hold a generator, which can be read once
    entries = [params] if isinstance(params, torch.Tensor) else list(params)
    return [
        {**entry, "params": _as_list(entry["params"])} if isinstance(entry, dict) else entry
        for entry in entries
    ]


def _make(name: str, params: list[Any], cfg: Any, fused: bool) -> Optimizer:
    common: dict[str, Any] = {"lr": cfg.LR, "weight_decay": cfg.WEIGHT_DECAY}
    if name == "sgd":
        return torch.optim.SGD(
            params,
            momentum=cfg.MOMENTUM,
            dampening=cfg.SGD_DAMPNING,
            nesterov=cfg.SGD_NESTEROV,
            **common,
        )
    kind = ADAPTIVE[name]
    halves = half_tensors(params)
    if halves:
        kind = with_float32_steps(kind)
    if any(tensor.requires_grad for tensor in halves):
        logger.info("Notice: %s steps in float32 with copies of the half-precision tensors", name)
    if name == "rmsprop":
        return kind(params, momentum=cfg.MOMENTUM, alpha=cfg.RMSPROP_ALPHA, **common)
    common |= {"betas": (cfg.ADAM_BETA1, cfg.ADAM_BETA2), "eps": cfg.get("ADAM_EPS", ADAM_EPS)}
    common |= {"amsgrad": True} if name == "amsgrad" else {}
    if not fused or halves:
        return kind(params, **common)
    if name == "radam":
        return kind(params, on_device=True, **common)
    optimizer = kind(params, fused=True, **common)
    optimizer.register_load_state_dict_pre_hook(_stays_fused)
    return optimizer


def _stays_fused(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A file of an optimizer that was not fused would leave one that skips nothing."""
    groups = [{**group, "fused": True, "foreach": None} for group in state["param_groups"]]
    return {**state, "param_groups": groups}
