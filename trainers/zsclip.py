"""Zero-shot CLIP: hand-written prompts, nothing trained (arXiv:2103.00020).

B images, C classes, T templates of a class, D joint width.
"""

import logging

import torch.nn.functional as F
from torch import Tensor

from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, PromptModel
from trainers.parts.prompts import encode_texts
from trainers.parts.register import register_method
from trainers.parts.templates import IMAGENET_TEMPLATES_SELECT, class_templates, filled
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)


class ZeroshotModel(PromptModel):
    """u_c = text tower of class c's hand-written prompt; logits = s cos(f, u_c)."""

    def build(self) -> None:
        """Nothing is trained."""

    def templates(self, space: ClassSpace) -> list[list[str]]:
        """T lists with one template for each class."""
        return [class_templates(space, self.cfg.DATASET)]

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        prompts = [filled(templates, space) for templates in self.templates(space)]
        logger.info(f"Prompts: {prompts[-1]}")
        texts = [text for texts in prompts for text in texts]
        features = F.normalize(encode_texts(self.clip, texts), dim=-1)  # [T * C, D]
        self.references = features.unflatten(0, (len(prompts), -1)).mean(dim=0)  # [C, D]

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        return self.references


class ZeroshotEnsembleModel(ZeroshotModel):
    """u_c = mean over T prompts of class c of the unit text features; logits = s cos(f, u_c).

    Seven of ImageNet's templates and the class's own, which ImageNet itself has from
    DATASET.TEMPLATE alone.
    """

    def templates(self, space: ClassSpace) -> list[list[str]]:
        selected = [[template] * len(space) for template in IMAGENET_TEMPLATES_SELECT]
        logger.info(f"Prompt ensemble of {', '.join(IMAGENET_TEMPLATES_SELECT)}")
        if self.cfg.DATASET.NAME == "ImageNet" and not self.cfg.DATASET.TEMPLATE:
            return selected
        return [*selected, *super().templates(space)]


@register_method()
class ZeroshotCLIP(PromptTrainer):
    """Tests CLIP as it is; call with --eval-only.

    Half precision on a GPU, float32 on a CPU.
    """

    model_class = ZeroshotModel
    trainable = False


@register_method()
class ZeroshotCLIP2(ZeroshotCLIP):
    """Tests CLIP with an ensemble of prompts; call with --eval-only."""

    model_class = ZeroshotEnsembleModel
