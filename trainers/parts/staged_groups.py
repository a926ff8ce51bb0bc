"""Which of a model's tensors train at which learning rate, by OPTIM.STAGED_LR and DePT's rule."""

from typing import Any

from torch import nn
from yacs.config import CfgNode

from dassl.utils.errors import UserError


def staged_groups(model: nn.Module, optim: CfgNode) -> list[dict[str, Any]]:
    """DePT's two groups, split by OPTIM.NEW_LAYERS: words in the names of the model's direct
    children.

    Prompts run at LR * BASE_LR_MULT, the new layers at LR * LR_EXP; without STAGED_LR all run at
    LR.

    Raises:
        UserError: NEW_LAYERS names no part of the model.
    """
    if not optim.STAGED_LR:
        return [{"params": list(model.parameters()), "lr": optim.LR}]
    prompts: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, tensor in model.named_parameters():
        child = name.partition(".")[0]
        (new if any(word in child for word in optim.NEW_LAYERS) else prompts).append(tensor)
    if not new:
        raise UserError(
            f"OPTIM.NEW_LAYERS = {list(optim.NEW_LAYERS)} names no part of the model; "
            f"use words of {', '.join(name for name, _ in model.named_children())}"
        )
    groups = [
        {"params": prompts, "lr": optim.LR * optim.BASE_LR_MULT},
        {"params": new, "lr": optim.LR * optim.LR_EXP},
    ]
    return [group for group in groups if group["params"]]
