"""IVLP: independent prompts in both towers, each with its own in every prompted block (the
independent baseline of MaPLe, arXiv:2210.03117).

n text tokens, m visual tokens, W text width, V vision width.
"""

import logging

from torch import nn
from yacs.config import CfgNode

from trainers.parts.classes import ClassSpace
from trainers.parts.deep_prompts import DeepPrompts, check_depth, vision_prompts
from trainers.parts.model import PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS, Precision
from trainers.parts.prompts import (
    ContextLearner,
    TextPrompts,
    VisualPrompts,
    context_from_words,
    init_words,
    random_context,
)
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

MAX_INIT_TOKENS = 4  # the published code reads CTX_INIT only for so many context tokens


def prompt_options(num_tokens: int) -> dict[str, Option]:
    """The keys that every method with independent prompts has."""
    return {
        "N_CTX_VISION": Option(num_tokens, "m, tokens a layer of the image tower", minimum=0),
        "N_CTX_TEXT": Option(num_tokens, "n, tokens a layer of the text tower", minimum=1),
        "CTX_INIT": Option("a photo of a", "words that start the context; read for n up to 4"),
        "PREC": Option("fp16", "precision", PRECISIONS),
        "PROMPT_DEPTH_VISION": Option(
            9, "prompted blocks of the image tower; 1 is shallow, 0 is none", minimum=0
        ),
        "PROMPT_DEPTH_TEXT": Option(
            9,
            "prompted blocks of the text tower, 1 is shallow; trainer VPT has image prompts alone",
            minimum=1,
        ),
    }


IVLP_OPTIONS = Options("TRAINER.IVLP", **prompt_options(2))


class VLPromptLearner(ContextLearner):
    """The context `ctx` [n, W] of the text tower's input.

    The start is N(0, 0.02^2), or the embeddings of CTX_INIT's first n tokens.

    quirk: with n = 2 and CTX_INIT `a photo of a`, two words are learned and `of a` stays fixed
    behind them; the published numbers depend on it.

    Raises:
        UserError: CTX_INIT has fewer tokens than n.
    """

    def __init__(self, options: CfgNode, text_tower: nn.Module, precision: Precision):
        words, n_ctx = init_words(options.CTX_INIT), options.N_CTX_TEXT
        if words and n_ctx > MAX_INIT_TOKENS:
            logger.info(
                f"Notice: N_CTX_TEXT {n_ctx} is over {MAX_INIT_TOKENS}; CTX_INIT is not used"
            )
            words = ""
        super().__init__(text_tower, words or " ".join(["X"] * n_ctx), n_ctx)
        if words:
            ctx = context_from_words(text_tower, words, n_ctx)
        else:
            ctx = random_context(n_ctx, text_tower.width)
        self.ctx = nn.Parameter(ctx.to(precision.trained_dtype))


class IVLPModel(PromptModel):
    """logits = s cos(f, w) of both prompted towers.

    Trained: `prompt_learner.ctx` [n, W], `image_encoder.VPT` [m, V], and for each further prompted
    block {i} `{text,image}_encoder.transformer.resblocks.{i}.VPT_shallow`.
    """

    node = "IVLP"  # of the config, below TRAINER

    def build(self) -> None:
        options, text = self.cfg.TRAINER[self.node], self.clip.text
        depth = options.PROMPT_DEPTH_TEXT
        check_depth(f"TRAINER.{self.node}.PROMPT_DEPTH_TEXT", depth, text.layers)
        self.prompt_learner = VLPromptLearner(options, text, self.precision)
        self.text_encoder = DeepPrompts(depth, options.N_CTX_TEXT, text.width)
        self.image_encoder = None
        if options.PROMPT_DEPTH_VISION:
            self.image_encoder = vision_prompts(self.node, options, self.clip)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self.prompt_learner.set_classes(space)

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner.shared_prompts(self.prompt_learner.ctx, self.text_encoder.deep())

    def visual_prompts(self) -> VisualPrompts | None:
        return self.image_encoder() if self.image_encoder is not None else None


@register_method(dept=True)
class IVLP(PromptTrainer):
    """Trains the prompts of both towers."""

    model_class = IVLPModel
    options = (IVLP_OPTIONS,)
    precision_key = "TRAINER.IVLP.PREC"
    checkpoint = {"VLPromptLearner": ""}  # noqa: RUF012
    multitask = True
