"""CoOp: one learned context in front of (or around) every classname (arXiv:2109.01134).

C classes, n context tokens, W text width.
"""

import logging
from typing import Any

from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS, Precision
from trainers.parts.prompts import (
    ContextLearner,
    TextPrompts,
    context_from_words,
    init_words,
    random_context,
)
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

POSITIONS = ("end", "middle", "front")


def ctx_init_text(value: Any) -> str:
    """CTX_INIT as text: KgCoOp's YAML files say True for `a photo of a`."""
    return {"True": "a photo of a", "False": ""}.get(str(value), str(value))


COOP_OPTIONS = Options(
    "TRAINER.COOP",
    N_CTX=Option(16, "context tokens; CTX_INIT's words decide where it is set", minimum=1),
    CSC=Option(False, "class-specific contexts: one per class instead of one for all"),
    CTX_INIT=Option("", "words whose embeddings start the context", convert=ctx_init_text),
    PREC=Option("fp16", "precision", PRECISIONS),
    CLASS_TOKEN_POSITION=Option("end", "where the classname stands", POSITIONS),
)


class CoOpPromptLearner(ContextLearner):
    """The context `ctx`, [n, W] or class-specific [C, n, W], and the prompts it makes.

    The start is N(0, 0.02^2), or with CTX_INIT the embeddings of its words; then n is their number.

    Raises:
        PromptTooLongError: context and classname do not fit in the context length.
    """

    def __init__(
        self, options: CfgNode, clip_model: clip.CLIP, num_classes: int, precision: Precision
    ):
        words, n_ctx = init_words(options.CTX_INIT), options.N_CTX
        if words:
            n_ctx = len(words.split(" "))
            warn_overridden(options, n_ctx)
        super().__init__(clip_model.text, words or " ".join(["X"] * n_ctx), n_ctx)
        self.position = options.CLASS_TOKEN_POSITION
        dtype = precision.trained_dtype
        if words:
            ctx = context_from_words(clip_model.text, words, n_ctx).to(dtype)
        elif options.CSC:
            ctx = random_context(num_classes, n_ctx, clip_model.text.width, dtype=dtype)
        else:
            ctx = random_context(n_ctx, clip_model.text.width, dtype=dtype)
        self.ctx = nn.Parameter(ctx)

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


class CoOpModel(PromptModel):
    """w_c = text tower of [ctx; name_c]; logits = s cos(f, w_c)."""

    trained_space: ClassSpace | None = None

    def build(self) -> None:
        options = self.cfg.TRAINER.COOP
        self.prompt_learner = CoOpPromptLearner(options, self.clip, len(self.space), self.precision)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self.prompt_learner.set_classes(space)

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner()

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        super().prepare_load(state, extra)
        if not self.prompt_learner.class_specific:
            return
        if "classnames" in extra:
            self.trained_space = ClassSpace.from_plain(extra)
        ctx = state.get("prompt_learner.ctx")
        if ctx is not None and ctx.dim() == 3 and len(ctx) != len(self.space):
            raise UserError(self._not_transferable(f"{len(ctx)} classes"))

    def check_scorable(self) -> None:
        trained = self.trained_space
        if trained is not None and self.space.rows_in(trained) is None:
            raise UserError(
                self._not_transferable(f"the classes {', '.join(trained.names[:3])}, ...")
            )

    def _not_transferable(self, trained: str) -> str:
        return (
            f"TRAINER.COOP.CSC: the checkpoint's class-specific contexts are of {trained}, not of "
            f"the {len(self.space)} classes of this run, and do not transfer; test the classes of "
            f"the training, or train with CSC False"
        )


@register_method(dept=True, dept_aliases=("ExtrasLinearProbeCoOp",))
class CoOp(PromptTrainer):
    """Trains the context alone."""

    model_class = CoOpModel
    options = (COOP_OPTIONS,)
    precision_key = "TRAINER.COOP.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
