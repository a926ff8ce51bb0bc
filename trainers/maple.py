"""MaPLe: coupled prompts in both towers (arXiv:2210.03117).

n context tokens, J prompted blocks, W text width, V vision width.
"""

import copy
import logging

from torch import nn
from yacs.config import CfgNode

import clip
from trainers.parts.deep_prompts import InputContext, check_depth
from trainers.parts.model import PromptModel, require_transformer
from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC, Precision
from trainers.parts.prompts import TextPrompts, random_context
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

PUBLISHED_DEPTH = 9

MAPLE_OPTIONS = Options(
    "TRAINER.MAPLE",
    N_CTX=Option(2, "context tokens a layer, in both towers", minimum=1),
    CTX_INIT=Option("a photo of a", "words that start the context; read for N_CTX up to 4"),
    PREC=PREC,
    PROMPT_DEPTH=Option(PUBLISHED_DEPTH, "J, prompted blocks; 1 is shallow", minimum=1),
)


class MultiModalPromptLearner(InputContext):
    """The text context of every prompted layer and its linear image in the vision width.

    `ctx` [n, W] enters the first text block, `compound_prompts_text.i` [n, W] replaces it before
    block i + 1; the visual prompts are `proj(ctx)` and
    `compound_prompt_projections.i(compound_prompts_text.i)`, [n, V], so that gradients of both
    towers meet in the text context.
    """

    def __init__(self, options: CfgNode, clip_model: clip.CLIP, precision: Precision):
        text, vision_width = clip_model.text, clip_model.visual.width
        n_ctx, dtype = options.N_CTX, precision.trained_dtype
        super().__init__(text, options.CTX_INIT, n_ctx, "TRAINER.MAPLE.N_CTX", dtype)
        self.proj = nn.Linear(text.width, vision_width).to(dtype)
        num_deep = options.PROMPT_DEPTH - 1
        self.compound_prompts_text = nn.ParameterList(
            nn.Parameter(random_context(n_ctx, text.width)) for _ in range(num_deep)
        )
        projection = nn.Linear(text.width, vision_width)
        self.compound_prompt_projections = nn.ModuleList(
            copy.deepcopy(projection)
            for _ in range(num_deep)  # quirk: all start equal
        )
        self._num_deep_visual = clip_model.visual.layers - 1

    def text_prompts(self) -> TextPrompts:
        """Class prompts with the context of the first text block."""
        return self.shared_prompts(self.ctx)

    def text_change(self) -> clip.TowerChange:
        """The contexts of the other prompted text blocks."""
        return clip.deep_prompts(self.compound_prompts_text)

    def image_change(self) -> clip.TowerChange:
        """The projected context of every prompted vision block; idle prompts are not projected."""
        pairs = zip(self.compound_prompt_projections, self.compound_prompts_text, strict=True)
        used = list(pairs)[: self._num_deep_visual]
        deep = [project(prompt) for project, prompt in used]
        first = self.proj(self.ctx.to(self.proj.weight.dtype))
        return clip.deep_prompts(deep, first, at_end=True)


class MaPLeModel(PromptModel):
    """Text prompts of J layers, visual prompts as their projections; logits = s cos(f, w)."""

    def build(self) -> None:
        options = self.cfg.TRAINER.MAPLE
        require_transformer(self.clip, "MaPLe")
        num_blocks = min(self.clip.text.layers, self.clip.visual.layers)
        if options.PROMPT_DEPTH != PUBLISHED_DEPTH:
            check_depth("TRAINER.MAPLE.PROMPT_DEPTH", options.PROMPT_DEPTH, num_blocks)
        elif num_blocks < PUBLISHED_DEPTH:  # checkpoints hold its idle prompts too
            logger.info(
                f"Notice: PROMPT_DEPTH {PUBLISHED_DEPTH} is over the {num_blocks} blocks of this "
                f"backbone; prompts behind the last block stay idle"
            )
        self.prompt_learner = MultiModalPromptLearner(options, self.clip, self.precision)

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner.text_prompts()

    def text_change(self) -> clip.TowerChange:
        return self.prompt_learner.text_change()

    def image_change(self) -> clip.TowerChange:
        return self.prompt_learner.image_change()


@register_method(dept=True, dept_aliases=("ExtrasLinearProbeMaPLe",))
class MaPLe(PromptTrainer):
    """Trains the contexts and their projections."""

    model_class = MaPLeModel
    options = (MAPLE_OPTIONS,)
    precision_key = "TRAINER.MAPLE.PREC"
    checkpoint = {"MultiModalPromptLearner": ""}  # noqa: RUF012
