"""Tip-Adapter and Tip-Adapter-F: zero-shot CLIP beside a cache of the few shots' features
(arXiv:2207.09519).

B images, C classes, N cache entries (the training images), D joint width, T templates.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from trainers.parts.cache import CACHE_OPTIONS, Best, CacheModel, CacheTrainer
from trainers.parts.cache_search import cache_logits
from trainers.parts.classes import ClassSpace
from trainers.parts.fitted import FittedTrainer
from trainers.parts.model import Features
from trainers.parts.register import register_method
from trainers.parts.templates import IMAGENET_TEMPLATES_SELECT, class_templates
from trainers.parts.trainer import PromptTrainer
from trainers.zsclip import ZeroshotModel

SCALE = 100.0  # of the zero-shot logits, whatever CLIP's temperature: alpha was searched beside it


class TipAdapterModel(CacheModel, ZeroshotModel):
    """logits = 100 f u^T + alpha exp(-beta (1 - f k^T)) v.

    f [B, D] and u [C, D] are unit features of images and hand-written prompts, k [N, D] the keys:
    unit features of the training images, each a mean over augmented views; v [N, C] their classes,
    one-hot. Classes without an entry keep zero-shot CLIP's logits.
    """

    def templates(self, space: ClassSpace) -> list[list[str]]:
        if self.cfg.DATASET.NAME == "ImageNet" and not self.cfg.DATASET.TEMPLATE:
            return [[template] * len(space) for template in IMAGENET_TEMPLATES_SELECT]
        return [class_templates(space, self.cfg.DATASET)]

    def clip_logits(self, features: Features) -> Tensor:
        """The zero-shot part [B, C]."""
        image, text = (F.normalize(f.float(), dim=-1) for f in (features.image, features.text))
        return SCALE * image @ text.t()

    def similarity(self, features: Features) -> Tensor:
        cache = cache_logits(self.affinity(features.image), self.values, self.beta)
        return self.clip_logits(features) + self.alpha * cache


@register_method()
class TipAdapter(CacheTrainer, FittedTrainer):
    """Fills the cache, then searches alpha and beta on validation; trains nothing, so that there is
    no DePT variant."""

    model_class = TipAdapterModel
    options = (CACHE_OPTIONS,)
    precision_key = "TRAINER.TIPADAPTER.PREC"
    checkpoint = {"tip_adapter": ""}  # noqa: RUF012

    def fit(self) -> None:
        self.fill_cache()
        self.search_on_validation()


@register_method(dept=True)
class TipAdapterF(CacheTrainer, PromptTrainer):
    """Trains the keys with INIT_ALPHA and INIT_BETA, keeps the epoch that is best on validation,
    then searches alpha and beta there; the schedule moves at every step."""

    model_class = TipAdapterModel
    options = (CACHE_OPTIONS,)
    precision_key = "TRAINER.TIPADAPTER.PREC"
    checkpoint = {"tip_adapter": ""}  # noqa: RUF012
    defaults = {"OPTIM.ADAM_EPS": 1e-4}  # noqa: RUF012  published

    def build_model(self) -> None:
        super().build_model()
        self.best = Best()

    def build_data_loader(self) -> None:
        super().build_data_loader()
        if self.train_loader_x is not None:  # the last short batch is trained on, as published
            self.train_loader_x.batch_sampler.drop_last = False

    def build_scheduler(self, optimizer: Optimizer) -> CosineAnnealingLR:
        steps = len(self.train_loader_x or ()) or 1
        return CosineAnnealingLR(optimizer, max(1, self.max_epoch) * steps)

    def before_train(self) -> None:
        super().before_train()
        if self.start_epoch == 0:
            self.fill_cache()

    def forward_backward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        report = super().forward_backward(batch)
        if self.batch_idx + 1 < self.num_batches:  # after the last one it has moved
            self.update_lr()
        return report

    @torch.no_grad()
    def end_epoch(self) -> None:
        super().end_epoch()
        if not self.validates:
            return
        trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.best.offer(self.validate(), self.epoch + 1, trained)
        if self.epoch + 1 == self.max_epoch:
            self.best.copy_to(trained)
            self.search_on_validation()

    def checkpoint_extra(self) -> dict[str, Any]:
        return {**super().checkpoint_extra(), "best": self.best.state()}

    def load_extra(self, extra: dict[str, Any]) -> None:
        super().load_extra(extra)
        self.best.load_state(extra["best"])
