"""KgCoOp: CoOp held near the hand-written prompts (arXiv:2303.13283).

C classes, D joint width.
"""

import logging

import torch.nn.functional as F
from torch import Tensor
from yacs.config import CfgNode

from trainers.coop import COOP_OPTIONS, CoOpModel, CoOpPromptLearner
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features
from trainers.parts.options import Option, Options
from trainers.parts.prompts import encode_texts
from trainers.parts.register import register_method
from trainers.parts.templates import class_templates, filled
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

INIT_WORDS = "a photo of a"
# What the context is pulled to: the datasets' own templates, except for the textures'.
TEMPLATES = {"DescribableTextures": "a photo of a {}, a type of texture."}
DEFAULT_TEMPLATE = "a photo of a {}."  # of a dataset without one

KGCOOP_OPTIONS = Options(
    "TRAINER.COOP",
    W=Option(1.0, "weight of the pull to the hand-written prompts; the paper's is 8.0", minimum=0),
    ALPHA=Option(1.0, "not used: published files set it, and no formula has it"),
)


def as_read(options: CfgNode) -> CfgNode:
    """TRAINER.COOP as KgCoOp reads it: the classname at the end, and `a photo of a` for any
    CTX_INIT; says what it does not read."""
    if options.CTX_INIT not in ("", INIT_WORDS):
        logger.info(f"Notice: KgCoOp reads CTX_INIT {options.CTX_INIT!r} as {INIT_WORDS!r}")
    if options.CLASS_TOKEN_POSITION != "end":
        logger.info(
            "Notice: KgCoOp puts the classname at the end; CLASS_TOKEN_POSITION is not used"
        )
    words = INIT_WORDS if options.CTX_INIT else ""
    return CfgNode({**options, "CTX_INIT": words, "CLASS_TOKEN_POSITION": "end"})


class KgCoOpModel(CoOpModel):
    """Loss = CE(z, y) + W (1 - mean_c cos(w_c, u_c)), u_c the text feature of class c's
    hand-written prompt; the mean is over all C classes in every step."""

    # The published code makes these beside the context and uses none of them.
    ignored_keys = (
        "prompt_learner.bias_vectors",
        "prompt_learner.meta_net.",
        "meta_net.",
        "adapter.",
    )

    def build(self) -> None:
        options = as_read(self.cfg.TRAINER.COOP)
        self.prompt_learner = CoOpPromptLearner(options, self.clip, len(self.space), self.precision)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self._references: Tensor | None = None

    def reference_texts(self) -> list[str]:
        """The hand-written prompt of each class."""
        templates = class_templates(self.space, self.cfg.DATASET, DEFAULT_TEMPLATE, TEMPLATES)
        return filled(templates, self.space)

    def references(self) -> Tensor:
        """Unit text features of `reference_texts` [C, D], float32; made when a loss first needs
        them."""
        if self._references is None:
            features = encode_texts(self.clip, self.reference_texts())
            self._references = F.normalize(features.float(), dim=-1)
        return self._references

    def regularisers(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        cosine = F.cosine_similarity(features.text.float(), self.references(), dim=-1, eps=1e-7)
        return {"loss_kg": self.cfg.TRAINER.COOP.W * (1 - cosine.mean())}


@register_method(dept=True, dept_aliases=("ExtrasLinearProbeKgCoOp",))
class KgCoOp(PromptTrainer):
    """Trains the context alone."""

    model_class = KgCoOpModel
    options = (COOP_OPTIONS, KGCOOP_OPTIONS)
    precision_key = "TRAINER.COOP.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
