"""DePT (arXiv:2309.07439): a second, linear head in a feature space of its own, over any prompt
method.

FiLM scales and shifts the raw features per channel, a = f * s_img + t_img and b = w * s_txt +
t_txt; one linear classifier h reads both. Training minimises

    (1 - v) CE(z_sim, y) + v CE(h([b_y; a]), [y; y]) + the method's own terms

with v = TRAINER.LINEAR_PROBE.WEIGHT. Tests on the classes of the head use (1 - v) z_sim + v h(a);
on all other classes z_sim alone.

B images, C classes, D joint width.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

from dassl.optim import build_optimizer
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features, Objective, PromptModel, cosine_logits
from trainers.parts.options import Option, Options
from trainers.parts.trainer import PromptTrainer

DEPT_OPTIONS = (
    Options(
        "TRAINER.LINEAR_PROBE",
        TYPE=Option(
            "linear", "second head: linear, or cosine similarity", ("linear", "similarity")
        ),
        WEIGHT=Option(
            0.7,
            "v, the second head's share in the loss and in the logits of its classes",
            minimum=0,
            maximum=1,
        ),
        TEST_TIME_FUSION=Option(True, "test with both heads; False tests with the second alone"),
    ),
    Options("TRAINER.FILM", LINEAR_PROBE=Option(True, "scale and shift the features first")),
    Options("OPTIM", LR_EXP=Option(6.5, "LR of head and FiLM as a multiple of OPTIM.LR")),
)


class FiLM(nn.Module):
    """X * scale + bias per channel, [.., D] -> [.., D], in x's dtype; starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.to(x.dtype) + self.bias.to(x.dtype)


class DePTModel(PromptModel):
    """The layer that stands in front of a method's model and adds FiLM and the second head.

    Keys added to the state dict: `film_lp_img.{scale,bias}`, `film_lp_text.{scale,bias}` [D],
    `linear_probe_proj.{weight,bias}` [C, D] and [C].
    """

    def build(self) -> None:
        super().build()
        width = self.clip.visual.output_dim
        options = self.cfg.TRAINER
        self.weight = options.LINEAR_PROBE.WEIGHT
        self.fuses = options.LINEAR_PROBE.TEST_TIME_FUSION
        self.head_space = self.space
        if options.FILM.LINEAR_PROBE:
            self.film_lp_img = FiLM(width)
            self.film_lp_text = FiLM(width)
        else:
            self.film_lp_img = self.film_lp_text = nn.Identity()
        self.linear_probe_proj = None
        if options.LINEAR_PROBE.TYPE == "linear":
            self._make_head(len(self.space))

    def _make_head(self, num_classes: int) -> None:
        head = nn.Linear(self.clip.visual.output_dim, num_classes)
        device = self.clip.logit_scale.device
        self.linear_probe_proj = head.to(device, self.precision.trained_dtype)

    def head_rows(self) -> list[int] | None:
        """The head's rows that are this run's classes; None where the head knows other classes."""
        return self.space.rows_in(self.head_space) if self.head_space else None

    def linear_logits(self, x: Tensor) -> Tensor:
        """The linear head on FiLM features [N, D] -> [N, C]."""
        head = self.linear_probe_proj
        return F.linear(x.to(head.weight.dtype), head.weight, head.bias)

    def _head_loss(self, features: Features, batch: Batch) -> Tensor:
        text, image = self.film_lp_text, self.film_lp_img
        if self.linear_probe_proj is None:
            logits = self._film_similarity(features)
            return self.classification_loss(logits, batch.label)
        own_text = features.text_of(batch.label).to(features.image.dtype)
        rows = torch.cat([text(own_text), image(features.image)])  # [2B, D]
        return self.classification_loss(self.linear_logits(rows), batch.label.repeat(2))

    def _film_similarity(self, features: Features) -> Tensor:
        image, text = self.film_lp_img(features.image), self.film_lp_text(features.text)
        return cosine_logits(image, text, self.clip.logit_scale.exp())

    def objective(self, features: Features, batch: Batch) -> Objective:
        base = super().objective(features, batch)
        head = self._head_loss(features, batch)
        return Objective(
            main=(1 - self.weight) * base.main + self.weight * head,
            others=base.others,
            guides=base.guides,
            parts={"ce": base.main, "lp": head},
            logits=base.logits,
        )

    def logits(self, features: Features) -> Tensor:
        similarity = super().logits(features)
        rows = self._cached("head_rows", self.head_rows)
        if rows is None:
            return similarity
        second = self.head_logits(features, rows)
        if not self.fuses:
            return second
        return (1 - self.weight) * similarity + self.weight * second

    def head_logits(self, features: Features, rows: list[int]) -> Tensor:
        """The second head on images [B, D] -> [B, C]; FiLM is folded into the linear layer."""
        if self.linear_probe_proj is None:
            return self._film_similarity(features)
        weight, bias = self._cached("folded_head", lambda: self.folded_head(rows))
        return F.linear(features.image.to(weight.dtype), weight, bias)

    def folded_head(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """W' = W s_img [C, D] and c' = c + W t_img [C]: h(f s_img + t_img) = f W'^T + c'."""
        weight, bias = self.linear_probe_proj.weight[rows], self.linear_probe_proj.bias[rows]
        film = self.film_lp_img
        if not isinstance(film, FiLM):
            return weight, bias
        shift = weight @ film.bias.to(weight.dtype)
        return weight * film.scale.to(weight.dtype), bias + shift

    def checkpoint_extra(self) -> dict[str, Any]:
        head = self.head_space.to_plain() if self.head_space else None
        return {**super().checkpoint_extra(), "head": head}

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Takes over the file's head: its size, and the classes it was trained on.

        A published file has no class list. There a run on base classes, or on all classes of an
        ImageNet variant, is taken to be on the head's classes, as the published code does.

        Raises:
            UserError: the file's head has another number of classes than such a run.
        """
        super().prepare_load(state, extra)
        weight = state.get("linear_probe_proj.weight")
        num_rows = len(self.head_space or ()) if weight is None else len(weight)
        if extra.get("head"):
            self.head_space = ClassSpace.from_plain(extra["head"])
        elif trained_on_these_classes(self.cfg):
            if num_rows != len(self.space):
                raise UserError(
                    f"the head in the checkpoint has {num_rows} classes, this run has "
                    f"{len(self.space)}; "
                    f"check DATASET.NAME and DATASET.SUBSAMPLE_CLASSES"
                )
            self.head_space = self.space
        else:
            self.head_space = None
        head = self.linear_probe_proj
        if head is not None and weight is not None and len(weight) != head.out_features:
            self._make_head(len(weight))


def trained_on_these_classes(cfg: CfgNode) -> bool:
    """The published rule, by names, for files that do not list their classes."""
    subset = cfg.DATASET.SUBSAMPLE_CLASSES
    return subset == "base" or (subset == "all" and "ImageNet" in cfg.DATASET.NAME)


class DePTTrainer(PromptTrainer):
    """The trainer layer: head and FiLM form a second optimizer group at LR * LR_EXP, prompts keep
    LR."""

    def build_optimizer(self, cfg: CfgNode) -> torch.optim.Optimizer:
        groups = staged_groups(self.model, cfg.OPTIM)
        optim = cfg.OPTIM.clone()
        optim.defrost()
        optim.STAGED_LR = False  # the groups are made: the engine's own staging means another thing
        return build_optimizer(self.model, optim, param_groups=groups)


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


def dept_variant(trainer: type[PromptTrainer]) -> type[PromptTrainer]:
    """The DePT variant of a method: both of its classes with DePT's layer in front."""
    name = f"{trainer.__name__}DePT"
    base = trainer.model_class
    folder = next((f for f, child in trainer.checkpoint.items() if child == ""), "PromptLearner")
    attributes: dict[str, ClassVar[Any] | Any] = {
        "__doc__": f"{trainer.__name__} with DePT's second head (trainers/parts/dept.py).",
        "__module__": trainer.__module__,
        "model_class": type(f"{base.__name__}DePT", (DePTModel, base), {}),
        "options": (*trainer.options, *DEPT_OPTIONS),
        "checkpoint": {folder: ""},
        "defaults": {**DEPT_DEFAULTS, **trainer.defaults},
    }
    return type(name, (DePTTrainer, trainer), attributes)


DEPT_DEFAULTS: Mapping[str, Any] = {
    "OPTIM.STAGED_LR": True,
    "OPTIM.NEW_LAYERS": ("linear_probe", "film"),
    "OPTIM.BASE_LR_MULT": 1.0,
}
