"""MMA: adapters in the upper blocks of both towers, with a part that the towers share (CVPR 2024,
Multi-Modal Adapter for Vision-Language Models).

m width inside the adapters.
"""

import clip
from dassl.utils.errors import UserError
from trainers.parts.adapters import SharedAdapters
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel, require_transformer
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS
from trainers.parts.prompts import TextPrompts, fixed_prompts, init_words
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

NODE = "TRAINER.MMADAPTER"

MMA_OPTIONS = Options(
    NODE,
    TEXT_CTX_INIT=Option("a photo of a", "words in front of the classname in the fixed text"),
    ADAPTER_START=Option(5, "first block, from 1, with adapters; 0 also the input", minimum=0),
    ADAPTER_END=Option(12, "last block with adapters", minimum=0),
    ADAPTER_DIM=Option(32, "m, width inside the adapters", minimum=1),
    ADAPTER_SCALE=Option(0.001, "a, share of the adapters in a block's output", minimum=1e-9),
    PREC=Option("amp", "precision; the adapters are float32 in all", PRECISIONS),
)


class MMAModel(PromptModel):
    """A block's output h + mlp(ln_2 h) becomes h + mlp(ln_2 h) + a A_i(ln_1 x) in blocks
    ADAPTER_START to ADAPTER_END of both towers, A_i(x) = up_i(relu(S_i relu(down_i x))) with one
    S_i for both; z = s cos(f, w), w of the texts `a photo of a name.`; L = cross-entropy."""

    ignored_keys = ("adapter_learner.token_embedding", "adapter_learner.tokenized_prompts")

    def build(self) -> None:
        options = self.cfg.TRAINER.MMADAPTER
        require_transformer(self.clip, "MMA", "adapters")
        num_blocks = min(self.clip.text.layers, self.clip.visual.layers)
        start, end = options.ADAPTER_START, options.ADAPTER_END
        if end > num_blocks:
            raise UserError(
                f"{NODE}.ADAPTER_END = {end}: the towers have {num_blocks} blocks; "
                f"use {start} to {num_blocks}"
            )
        if start > end:
            raise UserError(f"{NODE}.ADAPTER_START = {start}: behind ADAPTER_END {end}; use {end}")
        places, dim, scale = range(start, end + 1), options.ADAPTER_DIM, options.ADAPTER_SCALE
        learner = SharedAdapters(self.clip, places, dim, scale)
        self.adapter_learner = learner.to(self.clip.logit_scale.device)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        words = init_words(self.cfg.TRAINER.MMADAPTER.TEXT_CTX_INIT)
        texts = [f"{words} {name}.".strip() for name in space.words()]
        self.texts = fixed_prompts(self.clip.text, texts)

    def text_prompts(self) -> TextPrompts:
        return self.texts

    def text_change(self) -> clip.TowerChange:
        return self.adapter_learner.change("text")

    def image_change(self) -> clip.TowerChange:
        return self.adapter_learner.change("visual")


@register_method(dept=True, aliases=("MultiModalAdapter",))
class MMA(PromptTrainer):
    """Trains the adapters alone."""

    model_class = MMAModel
    options = (MMA_OPTIONS,)
    precision_key = f"{NODE}.PREC"
    checkpoint = {"adapter_learner": "adapter_learner"}  # noqa: RUF012
