"""PromptSRC: IVLP held near the frozen CLIP, its weights averaged over epochs (arXiv:2307.06948).

B images, C classes, D joint width.
"""

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.ivlp import IVLP, IVLPModel, prompt_options
from trainers.parts.averaging import WeightedAverage, gaussian_weights
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features
from trainers.parts.options import Option, Options
from trainers.parts.register import register_method
from trainers.parts.templates import ensemble_features

logger = logging.getLogger(__name__)

PROMPTSRC_OPTIONS = Options(
    "TRAINER.PROMPTSRC",
    **prompt_options(4),
    TEXT_LOSS_WEIGHT=Option(25.0, "weight of the distance between text features", minimum=0),
    IMAGE_LOSS_WEIGHT=Option(10.0, "weight of the distance between image features", minimum=0),
    GPA_MEAN=Option(15.0, "epoch, from 1, that counts most in the average of the weights"),
    GPA_STD=Option(1.0, "width, in epochs, of the Gaussian that weights them", minimum=0.01),
)


class PromptSRCModel(IVLPModel):
    """Cross-entropy plus three distances to the frozen CLIP, the teacher:

        w_text mean|w - u| + w_image mean|f - g| + KL(softmax t || softmax z) / (B C)

    with f, w the normalised features of the prompted towers and z = s f w^T; g [B, D] those of the
    same images without prompts; u [C, D] of the class's 60 hand-written prompts, whose features are
    averaged before they are normalised; t = s g u^T. Over several tasks the softmaxes run inside
    the image's own task, as the cross-entropy does, and the mean is over its classes.
    """

    node = "PROMPTSRC"
    ignored_keys = ("prompt_learner.ZS_image_encoder.",)  # a second image tower, without prompts

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self._teacher_text: Tensor | None = None

    def teacher_text(self) -> Tensor:
        """The teacher's text features [C, D], not normalised, float32 in every precision; made
        when they are first asked for, since only training needs them."""
        if self._teacher_text is None:
            with torch.autocast(self.clip.logit_scale.device.type, enabled=False):
                self._teacher_text = ensemble_features(self.clip, self.space.words())
        return self._teacher_text

    def regularisers(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        options = self.cfg.TRAINER.PROMPTSRC
        with torch.no_grad():
            image = self.precision.feature(self.clip.encode_image(batch.image))
            text = self.teacher_text()
            teacher_logits = self.similarity(Features(image, text.to(image.dtype)))
        return {
            "loss_scl_text": options.TEXT_LOSS_WEIGHT * distance(features.text, text),
            "loss_scl_image": options.IMAGE_LOSS_WEIGHT * distance(features.image, image),
            "loss_scl_logits": self.divergence(logits, teacher_logits, batch.label),
        }

    def divergence(self, student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """KL(teacher || student) of logits [B, C], by the number of logits."""
        student = F.log_softmax(self.within_tasks(student, label), dim=-1)
        teacher = F.log_softmax(self.within_tasks(teacher, label), dim=-1)
        counted = teacher > -torch.inf
        terms = torch.where(counted, teacher.exp() * (teacher - student), 0)
        return terms.sum() / counted.sum()


def distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean absolute difference of the entries of normalised features [N, D]."""
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).abs().mean()


@register_method(dept=True)
class PromptSRC(IVLP):
    """Trains as IVLP does; after the last epoch the trained tensors become their average over all
    epochs, weighted by a Gaussian (GPA). The file of that epoch and the test hold the average;
    earlier files and validations the tensors as they were.
    """

    model_class = PromptSRCModel
    options = (PROMPTSRC_OPTIONS,)
    precision_key = "TRAINER.PROMPTSRC.PREC"

    def build_model(self) -> None:
        super().build_model()
        self.average = WeightedAverage()
        options = self.cfg.TRAINER.PROMPTSRC
        self.gpa_weights = gaussian_weights(options.GPA_MEAN, options.GPA_STD, self.max_epoch)

    def end_epoch(self) -> None:
        super().end_epoch()
        trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.average.add(trained, self.gpa_weights[self.epoch])
        if self.epoch + 1 == self.max_epoch:
            self.average.copy_to(trained)
            logger.info(f"GPA: the model is now the weighted average of {self.max_epoch} epochs")

    def checkpoint_extra(self) -> dict[str, Any]:
        return {**super().checkpoint_extra(), "gpa": self.average.state()}

    def load_extra(self, extra: dict[str, Any]) -> None:
        super().load_extra(extra)
        if "gpa" in extra:
            self.average.load_state(extra["gpa"])
