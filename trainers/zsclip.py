"""Zero-shot CLIP: one hand-written prompt per class, nothing trained (arXiv:2103.00020)."""

import logging

from torch import Tensor

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, PromptModel
from trainers.parts.prompts import encode_texts
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)


class ZeroshotModel(PromptModel):
    """Text features of the dataset's template; logits = s cos(f, u)."""

    def build(self) -> None:
        name = self.cfg.DATASET.NAME
        self.template = getattr(DATASET_REGISTRY.get(name), "template", "")
        if not self.template:
            raise UserError(
                f"DATASET.NAME = {name}: no hand-written prompt is known; "
                f"give the dataset class an attribute such as template = 'a photo of a {{}}.'"
            )

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
