"""CoOp: one learned context in front of (or around) every classname (arXiv:2109.01134).

C classes, n context tokens, W text width.
"""

import logging
from typing import Any

from torch import nn
from yacs.config import CfgNode

import clip
from trainers.parts.options import Option, Options
from trainers.parts.owned_contexts import OwnedContextsModel, Owners
from trainers.parts.precision import PREC, Precision
from trainers.parts.prompts import (
    POSITIONS,
    ContextLearner,
    TextPrompts,
    init_words,
    start_context,
)
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)


def ctx_init_text(value: Any) -> str:
    """CTX_INIT as text: KgCoOp's YAML files say True for `a photo of a`."""
    return {"True": "a photo of a", "False": ""}.get(str(value), str(value))


COOP_OPTIONS = Options(
    "TRAINER.COOP",
    N_CTX=Option(16, "context tokens; CTX_INIT's words decide where it is set", minimum=1),
    CSC=Option(False, "class-specific contexts: one per class instead of one for all"),
    CTX_INIT=Option("", "words whose embeddings start the context", convert=ctx_init_text),
    PREC=PREC,
    CLASS_TOKEN_POSITION=Option("end", "where the classname stands", POSITIONS),
)


class CoOpPromptLearner(ContextLearner):
    """The context `ctx`, [n, W] or class-specific [C, n, W], and the prompts it makes.

    The start is N(0, 0.02^2), or with CTX_INIT the embeddings of its words; then n is their number.

    Raises:
        PromptTooLongError: context and classname do not fit in the context length.
    """

    key = "TRAINER.COOP.N_CTX"

    def __init__(
        self, options: CfgNode, clip_model: clip.CLIP, num_classes: int, precision: Precision
    ):
        words, n_ctx = init_words(options.CTX_INIT), options.N_CTX
        if words:
            n_ctx = len(words.split(" "))
            warn_overridden(options, n_ctx)
        text, own = clip_model.text, num_classes if options.CSC else None
        super().__init__(text, words, n_ctx, self.key)
        self.position = options.CLASS_TOKEN_POSITION
        ctx = start_context(text, words, n_ctx, self.key, own)
        self.ctx = nn.Parameter(ctx.to(precision.trained_dtype))

    @property
    def class_specific(self) -> bool:
        """Whether every class has a context of its own."""
        return self.ctx.dim() == 3

    def forward(self) -> TextPrompts:
        """Prompts of all classes; a context shared by all at the end needs only one prefix
        stream."""
        if self.position == "end" and not self.class_specific:
            return self.shared_prompts(self.ctx)
        ctx = self.ctx
        if not self.class_specific:
            ctx = ctx.expand(len(self.eot), -1, -1)
        return self.whole_prompts(ctx, self.position)


def warn_overridden(options: CfgNode, n_ctx: int) -> None:
    """Says what CTX_INIT overrides."""
    if n_ctx != options.N_CTX:
        logger.info(
            f"Notice: CTX_INIT sets {n_ctx} context tokens; N_CTX {options.N_CTX} is not used"
        )
    if options.CSC:
        logger.info("Notice: CTX_INIT gives one context for all classes; CSC is not used")


class CoOpModel(OwnedContextsModel):
    """w_c = text tower of [ctx; name_c]; logits = s cos(f, w_c)."""

    def build(self) -> None:
        options = self.cfg.TRAINER.COOP
        self.prompt_learner = CoOpPromptLearner(options, self.clip, len(self.space), self.precision)

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner()

    def owned_contexts(self) -> list[Owners]:
        if not self.prompt_learner.class_specific:
            return []
        return [Owners("TRAINER.COOP.CSC", "classes", "prompt_learner.ctx")]


@register_method(dept=True, dept_aliases=("ExtrasLinearProbeCoOp",))
class CoOp(PromptTrainer):
    """Trains the context alone."""

    model_class = CoOpModel
    options = (COOP_OPTIONS,)
    precision_key = "TRAINER.COOP.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
