"""VPT: prompts in the image tower alone, for a fixed text (the vision-only baseline of MaPLe,
arXiv:2210.03117)."""

from torch import Tensor

import clip
from trainers.parts.classes import ClassSpace
from trainers.parts.deep_prompts import vision_prompts
from trainers.parts.model import Batch, PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS
from trainers.parts.prompts import encode_texts, init_words
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

VPT_OPTIONS = Options(
    "TRAINER.VPT",
    N_CTX_VISION=Option(2, "m, tokens a layer of the image tower", minimum=1),
    CTX_INIT=Option("a photo of a", "words in front of the classname in the fixed text"),
    PREC=Option("fp16", "precision; fp16 runs in float32, as in the published code", PRECISIONS),
    PROMPT_DEPTH_VISION=Option(1, "prompted blocks of the image tower; 1 is shallow", minimum=1),
)


class VPTModel(PromptModel):
    """logits = s cos(f, u): f from the prompted image tower, u of the texts `a photo of a name.`

    Trained: `image_encoder.VPT` [m, V] and `image_encoder.transformer.resblocks.{i}.VPT_shallow`.
    """

    def build(self) -> None:
        self.image_encoder = vision_prompts("VPT", self.cfg.TRAINER.VPT, self.clip)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        words = init_words(self.cfg.TRAINER.VPT.CTX_INIT)
        self.references = encode_texts(
            self.clip, [f"{words} {name}.".strip() for name in space.words()]
        )

    def image_change(self) -> clip.TowerChange:
        return self.image_encoder.change()

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        return self.references


@register_method(dept=True)
class VPT(PromptTrainer):
    """Trains the prompts of the image tower, in float32 where PREC is fp16: the published code
    turns the whole of CLIP to float32 whatever PREC says."""

    model_class = VPTModel
    options = (VPT_OPTIONS,)
    precision_key = "TRAINER.VPT.PREC"
    half_is_float32 = True
    checkpoint = {"prompt_learner": ""}  # noqa: RUF012
