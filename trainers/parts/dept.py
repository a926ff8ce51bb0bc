"""DePT (arXiv:2309.07439): a second, linear head in a feature space of its own, over any prompt
method.

FiLM scales and shifts the raw features per channel, a = f * s_img + t_img and b = w * s_txt +
t_txt; one linear classifier h reads both. Training minimises

    (1 - v) CE(z_sim, y) + v CE(h([b_y; a]), [y; y]) + the method's own terms

with v = TRAINER.LINEAR_PROBE.WEIGHT. Tests on the classes of the head use (1 - v) z_sim + v h(a);
on all other classes z_sim alone.

Over several tasks (ours; the references have no such variant) every task has a FiLM pair and a
block of the head's rows; cross-entropies run inside the sample's task, and fusion is decided for
each task.

B images, C classes, D joint width, T tasks.
"""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

from dassl.optim import build_optimizer
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.film import FiLM, Same
from trainers.parts.model import Batch, Features, Objective, PromptModel, cosine_logits
from trainers.parts.options import Option, Options
from trainers.parts.staged_groups import staged_groups
from trainers.parts.trained_parts import Children
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

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
    Options(
        "OPTIM", LR_EXP=Option(6.5, "LR of head and FiLM as a multiple of OPTIM.LR", minimum=0)
    ),
)


SHARE_FILM_OPTIONS = Options(
    "TRAINER.LINEAR_PROBE", SHARE_FILM=Option(False, "one FiLM pair for all tasks")
)


HEAD_CHILDREN = ("film_lp_img", "film_lp_text", "linear_probe_proj")


class DePTModel(PromptModel):
    """The layer that stands in front of a method's model and adds FiLM and the second head.

    Keys added to the state dict: `film_lp_img.{scale,bias}`, `film_lp_text.{scale,bias}` [D] or
    [T, D], `linear_probe_proj.{weight,bias}` [C, D] and [C].
    """

    def build(self) -> None:
        super().build()
        options = self.cfg.TRAINER
        self.weight = options.LINEAR_PROBE.WEIGHT
        self.fuses = options.LINEAR_PROBE.TEST_TIME_FUSION
        self.head_space = self.space
        self.linear_probe_proj = None
        self._make_films(len(self.space.tasks))
        if options.LINEAR_PROBE.TYPE == "linear":
            self._make_head(len(self.space))

    def _make_films(self, num_tasks: int) -> None:
        if not self.cfg.TRAINER.FILM.LINEAR_PROBE:
            self.film_lp_img, self.film_lp_text = Same(), Same()
            return
        width = self.clip.visual.output_dim
        shared = self.cfg.TRAINER.LINEAR_PROBE.get("SHARE_FILM", False)
        pairs = 1 if shared else num_tasks
        shape = (pairs, width) if num_tasks else (width,)
        device = self.clip.logit_scale.device
        self.film_lp_img, self.film_lp_text = FiLM(*shape).to(device), FiLM(*shape).to(device)

    def _make_head(self, num_classes: int) -> None:
        head = nn.Linear(self.clip.visual.output_dim, num_classes)
        dtype = torch.float32 if self.space.tasks else self.precision.trained_dtype
        self.linear_probe_proj = head.to(self.clip.logit_scale.device, dtype)

    def _pair(self, task: Tensor) -> Tensor | None:
        """Which FiLM pair rows of the given tasks take; None where there is one for all."""
        scale = getattr(self.film_lp_img, "scale", None)
        if scale is None or scale.dim() == 1:
            return None
        return task % len(scale)  # one shared pair: always 0

    def head_rows(self) -> list[int] | None:
        """The head's rows that are this run's classes, -1 where it has none; None where the head
        knows other classes only."""
        return self.space.rows_in(self.head_space) if self.head_space else None

    def linear_logits(self, x: Tensor) -> Tensor:
        """The linear head on FiLM features [N, D] -> [N, C]."""
        head = self.linear_probe_proj
        return F.linear(x.to(head.weight.dtype), head.weight, head.bias)

    def _head_loss(self, features: Features, batch: Batch) -> Tensor:
        text, image = self.film_lp_text, self.film_lp_img
        if self.linear_probe_proj is None:
            logits = self._film_similarity(features, self.task_of_class)
            return self.classification_loss(logits, batch.label, features.columns)
        pair = self._pair(self.task_of(batch.label))
        own_text = features.text_of(batch.label).to(features.image.dtype)
        rows = torch.cat([text(own_text, pair), image(features.image, pair)])  # [2B, D]
        return self.classification_loss(self.linear_logits(rows), batch.label.repeat(2))

    def _head_tasks(self, rows: list[int]) -> Tensor:
        """The head's task of each of its given rows."""
        return torch.tensor(self.head_space.task_of_class(), device=self.task_of_class.device)[rows]

    def _film_similarity(self, features: Features, tasks: Tensor) -> Tensor:
        """Cosine head [B, C] on FiLM features; an image passes through the FiLM of the task [C] of
        each class."""
        scale = self.clip.logit_scale.exp()
        pair = self._pair(tasks)
        text = self.film_lp_text(features.text, pair)
        if pair is None:
            return cosine_logits(self.film_lp_img(features.image), text, scale)
        image = F.normalize(self.film_lp_img(features.image[:, None], pair), dim=-1)  # [B, C, D]
        return scale * (image * F.normalize(text, dim=-1)).sum(dim=-1)

    def objective(self, features: Features, batch: Batch) -> Objective:
        base = super().objective(features, batch)
        head = self._head_loss(features, batch)
        return Objective(
            main=(1 - self.weight) * base.main + self.weight * head,
            others=base.others,
            guides=base.guides,
            parts={"loss_ce": base.main, "loss_lp": head},
            logits=base.logits,
        )

    def logits(self, features: Features) -> Tensor:
        similarity = super().logits(features)
        rows = self.cached("head_rows", self.head_rows)
        if rows is None:
            return similarity
        second = self.head_logits(features, rows)
        mixed = (1 - self.weight) * similarity + self.weight * second if self.fuses else second
        if min(rows) >= 0:
            return mixed
        in_head = self.cached("in_head", lambda: torch.tensor(rows, device=mixed.device) >= 0)
        return torch.where(in_head, mixed, similarity)

    def head_logits(self, features: Features, rows: list[int]) -> Tensor:
        """The second head on images [B, D] -> [B, C]; FiLM is folded into the linear layer."""
        if self.linear_probe_proj is None:
            tasks = self.cached("head_tasks", lambda: self._head_tasks(rows))
            return self._film_similarity(features, tasks)
        weight, bias = self.cached("folded_head", lambda: self.folded_head(rows))
        return F.linear(features.image.to(weight.dtype), weight, bias)

    def folded_head(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """W' = W s_img [C, D] and c' = c + W t_img [C]: h(f s_img + t_img) = f W'^T + c'."""
        weight, bias = self.linear_probe_proj.weight[rows], self.linear_probe_proj.bias[rows]
        film = self.film_lp_img
        if not isinstance(film, FiLM):
            return weight, bias
        scale, shift = film.of(self._pair(self._head_tasks(rows)))
        return weight * scale.to(weight.dtype), bias + (weight * shift.to(weight.dtype)).sum(-1)

    def checkpoint_extra(self) -> dict[str, Any]:
        head = self.head_space.to_plain() if self.head_space else None
        return {**super().checkpoint_extra(), "head": head}

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Takes over the file's head: its size, and the classes it was trained on.

        A published file has no class list. There a run on base classes, or on all classes of an
        ImageNet variant, is taken to be on the head's classes, or by folder id on some of
        ImageNet's, as the published code does.

        Raises:
            UserError: the file's head has another number of classes than such a run.
        """
        super().prepare_load(state, extra)
        weight = state.get("linear_probe_proj.weight")
        num_rows = len(self.head_space or ()) if weight is None else len(weight)
        if extra.get("head"):
            self.head_space = ClassSpace.from_plain(extra["head"])
        elif trained_on_these_classes(self.cfg):
            part = num_rows != len(self.space)
            if part and num_rows != len(self.space.all_ids):
                raise UserError(
                    f"the head in the checkpoint has {num_rows} classes, this run has "
                    f"{len(self.space)}; "
                    f"check DATASET.NAME and DATASET.SUBSAMPLE_CLASSES"
                )
            self.head_space = self.space.whole() if part else self.space
        else:
            self.head_space = None
        head = self.linear_probe_proj
        if head is not None and weight is not None and len(weight) != head.out_features:
            self._make_head(len(weight))
        if self.head_space and len(self.head_space.tasks) != len(self.space.tasks):
            self._make_films(len(self.head_space.tasks))

    def initial_tensors(self, state: dict[str, Tensor], extra: dict[str, Any]) -> dict[str, Tensor]:
        """All but a head of other classes, which starts anew."""
        state = super().initial_tensors(state, extra)
        head = self.linear_probe_proj
        weight = state.get("linear_probe_proj.weight")
        if head is None or weight is None:
            return state
        same = len(weight) == head.out_features
        if not same or extra.get("head") not in (None, self.head_space.to_plain()):
            logger.info("Notice: the head in the checkpoint is of other classes and starts anew")
            own = {f"linear_probe_proj.{key}": value for key, value in head.state_dict().items()}
            state = {**state, **own}
        return state


def trained_on_these_classes(cfg: CfgNode) -> bool:
    """The published rule, by names, for files that do not list their classes."""
    subset = cfg.DATASET.SUBSAMPLE_CLASSES
    return subset == "base" or (subset == "all" and "ImageNet" in cfg.DATASET.NAME)


class DePTTrainer(PromptTrainer):
    """The trainer layer: head and FiLM form a second optimizer group at LR * LR_EXP, prompts keep
    LR."""

    def checkpoint_folders(self) -> Mapping[str, Children]:
        """One folder with the whole model, the published one; a method whose parts lie in several
        keeps them and gets `linear_probe` beside."""
        folders = super().checkpoint_folders()
        if len(folders) > 1:
            return {**folders, "linear_probe": HEAD_CHILDREN}
        return {next((f for f, child in folders.items() if child == ""), "PromptLearner"): ""}

    def build_optimizer(self, cfg: CfgNode) -> torch.optim.Optimizer:
        groups = staged_groups(self.model, cfg.OPTIM)
        optim = cfg.OPTIM.clone()
        optim.defrost()
        optim.STAGED_LR = False  # the groups are made: the engine's own staging means another thing
        return build_optimizer(self.model, optim, param_groups=groups, fused=self.precision.scales)


def dept_variant(trainer: type[PromptTrainer]) -> type[PromptTrainer]:
    """The DePT variant of a method: both of its classes with DePT's layer in front."""
    name = f"{trainer.__name__}DePT"
    base = trainer.model_class
    attributes: dict[str, ClassVar[Any] | Any] = {
        "__doc__": f"{trainer.__name__} with DePT's second head (trainers/parts/dept.py).",
        "__module__": trainer.__module__,
        "model_class": type(f"{base.__name__}DePT", (DePTModel, base), {}),
        "options": (*trainer.options, *dept_options(trainer)),
        "defaults": {**DEPT_DEFAULTS, **trainer.defaults},
    }
    return type(name, (DePTTrainer, trainer), attributes)


def dept_options(trainer: type[PromptTrainer]) -> tuple[Options, ...]:
    """The config keys that a method's DePT variant has beside the method's own."""
    return (*DEPT_OPTIONS, *trainer.dept_options)


DEPT_DEFAULTS: Mapping[str, Any] = {
    "OPTIM.STAGED_LR": True,
    "OPTIM.NEW_LAYERS": ("linear_probe", "film"),
    "OPTIM.BASE_LR_MULT": 1.0,
}
