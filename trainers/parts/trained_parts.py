"""Which parts of a model train, and which of them lie in one checkpoint folder."""

from torch import nn
from yacs.config import CfgNode

from dassl.utils.errors import UserError
from trainers.parts.model import PromptModel

Children = str | tuple[str, ...]  # what of a model lies in one checkpoint folder


def folder_module(model: PromptModel, children: Children) -> nn.Module:
    """The part of a model that one checkpoint folder holds; several children keep their names."""
    if isinstance(children, str):
        return model.get_submodule(children)
    parts = {name: getattr(model, name) for name in children}
    return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})


def narrow_to_names(model: PromptModel, cfg: CfgNode) -> None:
    """TRAINER.NAMES_TO_UPDATE: of what a method trains, keep the tensors whose name contains one of
    the words.

    Raises:
        UserError: no trained tensor is left.
    """
    words = cfg.TRAINER.NAMES_TO_UPDATE
    if not words:
        return
    trained = [name for name, tensor in model.named_parameters() if tensor.requires_grad]
    kept = {name for name in trained if any(word in name for word in words)}
    if not kept:
        raise UserError(
            f"TRAINER.NAMES_TO_UPDATE = {list(words)} names no trained tensor; "
            f"use words of {trained}"
        )
    for name, tensor in model.named_parameters():
        tensor.requires_grad_(name in kept)
