"""IVLP: independent prompts in both towers, each with its own in every prompted block (the
independent baseline of MaPLe, arXiv:2210.03117).

n text tokens, m visual tokens, W text width, V vision width.
"""

import clip
from trainers.parts.deep_prompts import DeepPrompts, InputContext, check_depth, vision_prompts
from trainers.parts.model import PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC
from trainers.parts.prompts import TextPrompts
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer


def prompt_options(num_tokens: int) -> dict[str, Option]:
    """The keys that every method with independent prompts has."""
    return {
        "N_CTX_VISION": Option(num_tokens, "m, tokens a layer of the image tower", minimum=0),
        "N_CTX_TEXT": Option(num_tokens, "n, tokens a layer of the text tower", minimum=1),
        "CTX_INIT": Option("a photo of a", "words that start the context; read for n up to 4"),
        "PREC": PREC,
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


class IVLPModel(PromptModel):
    """logits = s cos(f, w) of both prompted towers.

    Trained: `prompt_learner.ctx` [n, W], `image_encoder.VPT` [m, V], and for each further prompted
    block {i} `{text,image}_encoder.transformer.resblocks.{i}.VPT_shallow`.
    """

    node = "IVLP"  # of the config, below TRAINER

    def build(self) -> None:
        options, text, node = self.cfg.TRAINER[self.node], self.clip.text, f"TRAINER.{self.node}"
        depth = options.PROMPT_DEPTH_TEXT
        check_depth(f"{node}.PROMPT_DEPTH_TEXT", depth, text.layers)
        self.prompt_learner = InputContext(
            text,
            options.CTX_INIT,
            options.N_CTX_TEXT,
            f"{node}.N_CTX_TEXT",
            self.precision.trained_dtype,
        )
        self.text_encoder = DeepPrompts(depth, options.N_CTX_TEXT, text.width)
        self.image_encoder = None
        if options.PROMPT_DEPTH_VISION:
            self.image_encoder = vision_prompts(self.node, options, self.clip)

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner.shared_prompts(self.prompt_learner.ctx)

    def text_change(self) -> clip.TowerChange:
        return clip.deep_prompts(self.text_encoder.deep())

    def image_change(self) -> clip.TowerChange:
        return super().image_change() if self.image_encoder is None else self.image_encoder.change()


@register_method(dept=True)
class IVLP(PromptTrainer):
    """Trains the prompts of both towers."""

    model_class = IVLPModel
    options = (IVLP_OPTIONS,)
    precision_key = "TRAINER.IVLP.PREC"
    checkpoint = {"VLPromptLearner": ""}  # noqa: RUF012
