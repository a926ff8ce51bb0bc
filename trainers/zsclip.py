"""Zero-shot CLIP: one hand-written prompt per class, nothing trained (arXiv:2103.00020)."""

import logging

from torch import Tensor

from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, PromptModel
from trainers.parts.prompts import dataset_template, encode_texts
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)


class ZeroshotModel(PromptModel):
    """Text features of the dataset's template; logits = s cos(f, u)."""

    def build(self) -> None:
        self.template = dataset_template(self.cfg.DATASET.NAME)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        prompts = [self.template.format(name) for name in space.words()]
        logger.info(f"Prompts: {prompts}")
        self.references = encode_texts(self.clip, prompts)

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        return self.references


@register_method()
class ZeroshotCLIP(PromptTrainer):
    """Tests CLIP as it is; call with --eval-only.

    Half precision on a GPU, float32 on a CPU.
    """

    model_class = ZeroshotModel
    trainable = False
