"""CoPrompt: MaPLe with an adapter behind each tower, held near the frozen CLIP's view of other
views and other texts (arXiv:2306.01195).

B images, C classes, S sentences of a class, D joint width.
"""

import random

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.clip_adapter import Adapter
from trainers.maple import MaPLe, MaPLeModel, maple_options
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features
from trainers.parts.options import Option, Options
from trainers.parts.register import register_method
from trainers.parts.sentences import read_sentences, sentence_features

IMAGE_SHARE, TEXT_SHARE = 0.1, 0.2  # of an adapter's output in its feature; constants as published
SENTENCES = "TRAINER.CoPrompt.SENTENCES"

COPROMPT_OPTIONS = (
    Options(
        "TRAINER.CoPrompt",
        **maple_options(),
        SENTENCES=Option(
            "gpt_file",
            "JSON of class name -> sentences, or a folder with <dataset>_prompt.json",
        ),
    ),
    Options(
        "TRAINER",
        W=Option(8.0, "lambda, weight of the two consistency terms; published by dataset"),
        DISTILL=Option("cosine", "distance of the consistency terms", ("cosine", "mse")),
    ),
)


class CoPromptModel(MaPLeModel):
    """logits = s cos(f', w') with f' = 0.1 A(f) + 0.9 f, w' = 0.2 A(w) + 0.8 w, f and w MaPLe's;

        loss = CE + W (mean_c d(w'_c, u_c) + mean_b d(f'_b, g_b)),  d = 1 - cos

    with u_c [D] the frozen CLIP's feature of a sentence of class c, in each step the same one of S
    for all classes, and g_b [D] its feature of a second augmented view of the image. With DISTILL
    mse, d is the mean squared difference of the unit features' entries.
    """

    node = "CoPrompt"
    published_depths = (9, 12)
    num_views = 2
    ignored_keys = ("model_distill.",)  # a second CLIP, without prompts

    def build(self) -> None:
        super().build()
        device, dtype = self.clip.logit_scale.device, self.precision.trained_dtype
        self.adapter_image = Adapter(self.clip.visual.output_dim).to(device, dtype)
        self.adapter_text = Adapter(self.clip.visual.output_dim).to(device, dtype)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self._sentences: Tensor | None = None

    def sentences(self) -> Tensor:
        """Unit features [S, C, D]; read and encoded when first asked for: only training needs
        them.

        Raises:
            UserError: there is no such file, or it does not fit the classes.
        """
        if self._sentences is None:
            place, dataset = self.cfg.TRAINER.CoPrompt.SENTENCES, self.cfg.DATASET.NAME
            texts = read_sentences(place, SENTENCES, dataset, self.space.words())
            self._sentences = self.precision.feature(sentence_features(self.clip, texts))
        return self._sentences

    def adapt_image(self, image_features: Tensor) -> Tensor:
        return blend(self.adapter_image(image_features), image_features, IMAGE_SHARE)

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        text = self.precision.feature(super().text_features(image_features, batch))
        return blend(self.adapter_text(text), text, TEXT_SHARE)

    def regularisers(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        sentences = self.sentences()
        text = sentences[random.randint(0, len(sentences) - 1)]
        with torch.no_grad():
            image = self.precision.feature(self.clip.encode_image(batch.views[0]))
        weight = self.cfg.TRAINER.W
        return {
            "loss_distill_text": weight * self.distance(features.text, text),
            "loss_distill_image": weight * self.distance(features.image, image),
        }

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean distance of features [N, D], as DISTILL says."""
        if self.cfg.TRAINER.DISTILL == "cosine":
            return 1 - F.cosine_similarity(student, teacher, dim=-1, eps=1e-7).mean()
        return F.mse_loss(F.normalize(student, dim=-1), F.normalize(teacher, dim=-1))


def blend(adapted: Tensor, feature: Tensor, share: float) -> Tensor:
    """share of the first and the rest of the second."""
    return share * adapted + (1 - share) * feature


@register_method(dept=True)
class CoPrompt(MaPLe):
    """Trains MaPLe's prompts and projections and both adapters."""

    model_class = CoPromptModel
    options = COPROMPT_OPTIONS
    precision_key = "TRAINER.CoPrompt.PREC"

    def before_train(self) -> None:
        self.model.sentences()  # what is wrong with them is said before the first step
        super().before_train()
