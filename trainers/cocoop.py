"""CoCoOp: a context that every image shifts for itself (arXiv:2203.05557).

B images, C classes, n context tokens, D joint width, W text width.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from trainers.coop import CoOpPromptLearner, ctx_init_text
from trainers.parts.model import Batch, PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC, Precision
from trainers.parts.prompts import TextPrompts
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

# Texts encoded in one pass of a test: B images have B * C of them, 100,000 for a batch of ImageNet.
TEXTS_AT_ONCE = 4096
REDUCTION = 16  # the meta-net's hidden layer is so much narrower than the image feature

COCOOP_OPTIONS = Options(
    "TRAINER.COCOOP",
    N_CTX=Option(16, "context tokens; CTX_INIT's words decide where it is set", minimum=1),
    CTX_INIT=Option("", "words whose embeddings start the context", convert=ctx_init_text),
    PREC=PREC,
)


class CoCoOpPromptLearner(CoOpPromptLearner):
    """CoOp's shared context `ctx` [n, W], in front of the classname, and the meta-net that shifts
    it.

    `meta_net.linear1` [D // 16, D] and `meta_net.linear2` [W, D // 16] have biases and a ReLU
    between them.

    Raises:
        PromptTooLongError: context and classname do not fit in the context length.
    """

    key = "TRAINER.COCOOP.N_CTX"

    def __init__(self, options: CfgNode, clip_model: clip.CLIP, precision: Precision):
        shared = CfgNode({**options, "CSC": False, "CLASS_TOKEN_POSITION": "end"})
        super().__init__(shared, clip_model, 1, precision)
        width = clip_model.visual.output_dim
        layers = OrderedDict(
            linear1=nn.Linear(width, width // REDUCTION),
            relu=nn.ReLU(),
            linear2=nn.Linear(width // REDUCTION, clip_model.text.width),
        )
        self.meta_net = nn.Sequential(layers).to(precision.trained_dtype)

    def forward(self, image_features: Tensor) -> TextPrompts:
        """Prompts of all classes for each of the raw image features [B, D]: B * C rows, image by
        image, on one prefix stream per image."""
        unit = F.normalize(image_features, dim=-1).to(self.ctx.dtype)
        shift = self.meta_net(unit)  # [B, W], the same for all n tokens
        images = torch.arange(len(shift), device=shift.device)
        classes = torch.arange(len(self.eot), device=shift.device)
        return self.shared_prompts(
            self.ctx + shift[:, None],  # [B, n, W]
            group=images.repeat_interleave(len(classes)),
            classes=classes.repeat(len(images)),
        )


class CoCoOpModel(PromptModel):
    """w_ic = text tower of [ctx + meta_net(f_i / |f_i|); name_c]; logits_ic = s cos(f_i, w_ic)."""

    image_conditioned = True

    def build(self) -> None:
        self.prompt_learner = CoCoOpPromptLearner(
            self.cfg.TRAINER.COCOOP, self.clip, self.precision
        )

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        """Raw text features [B, C, D]; without gradient a few images at a time, so that memory does
        not grow with B * C."""
        at_once = max(1, TEXTS_AT_ONCE // len(self.space))
        if torch.is_grad_enabled():
            at_once = len(image_features)
        parts = [
            self.encode_text(self.prompt_learner(images)).unflatten(0, (len(images), -1))
            for images in image_features.split(at_once)
        ]
        return torch.cat(parts)


@register_method(dept=True, dept_aliases=("ExtrasLinearProbeCoCoOp",))
class CoCoOp(PromptTrainer):
    """Trains the context and the meta-net. Every image has texts of its own: a step costs B times
    CoOp's text encoding, so that the published batch is 1."""

    model_class = CoCoOpModel
    options = (COCOOP_OPTIONS,)
    precision_key = "TRAINER.COCOOP.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
