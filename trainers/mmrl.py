"""MMRL: tokens of a space shared by both towers enter their upper blocks, and are features of their
own (arXiv:2503.08497).

B images, C classes, D joint width, V vision width, n tokens.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from trainers.parts.classes import ClassSpace
from trainers.parts.mmrl_settings import TASK, representation_options, weights_of
from trainers.parts.model import (
    Batch,
    Features,
    Objective,
    PromptModel,
    cosine_logits,
    require_transformer,
)
from trainers.parts.options import Options
from trainers.parts.prompts import TextPrompts, encode_texts, fixed_prompts
from trainers.parts.register import register_method
from trainers.parts.representation import Representations, checked_layers, entering
from trainers.parts.templates import class_templates, filled
from trainers.parts.trainer import PromptTrainer

TEMPERATURE = 100.0  # quirk: a constant, not the checkpoint's


class RepresentationHead(nn.Module):
    """P_r = `proj_rep` [V, D], N(0, 1/V)."""

    def __init__(self, visual: clip.VisionTransformer):
        super().__init__()
        drawn = torch.randn(visual.width, visual.output_dim)
        self.proj_rep = nn.Parameter(visual.width**-0.5 * drawn)

    def forward(self, frozen: Tensor) -> Tensor:
        return self.proj_rep


class MMRLModel(PromptModel):
    """Tokens t_i = map_i(R) and v_i enter behind the first position of the text and the image tower
    before block REP_LAYERS[0] and take each other's place before the later ones. With f, w the
    towers' features, r the mean of the n final states times P_r, and f0, w0 those of frozen CLIP:
    z = 100 cos(f, w), z_r = 100 cos(r, w), z_f = a z + (1 - a) z_r and

        L = a CE(z, y) + (1 - a) CE(z_r, y) + g (1 - mean cos(f, f0)) + g (1 - mean cos(w, w0)),

    a = ALPHA, g = REG_WEIGHT. Tests score by z_f on the classes of the training (TASK), else by z.
    """

    node, ignored_keys = "MMRL", ("prompt_embeddings",)
    share = 1.0  # of tokens in what they replace

    @property
    def options(self) -> CfgNode:
        return self.cfg.TRAINER[self.node]

    def build(self) -> None:
        require_transformer(self.clip, self.node, "representation tokens")
        text, visual, options = self.clip.text, self.clip.visual, self.options
        key, num_blocks = f"TRAINER.{self.node}.REP_LAYERS", min(text.layers, visual.layers)
        self.layers = checked_layers(key, options.REP_LAYERS, num_blocks)
        sizes = (options.N_REP_TOKENS, options.REP_DIM, len(self.layers), text.width, visual.width)
        device = self.clip.logit_scale.device
        self.representation_learner = self.representations(*sizes).to(device)
        self.image_encoder = self.head().to(device)

    def representations(self, *sizes: int) -> nn.Module:
        return Representations(*sizes)

    def head(self) -> nn.Module:
        return RepresentationHead(self.clip.visual)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self.texts = filled(class_templates(space, self.cfg.DATASET), space)
        self.fixed, self._teacher = fixed_prompts(self.clip.text, self.texts), None

    def teacher_text(self) -> Tensor:
        """w0 [C, D]; made when a loss first needs it."""
        if self._teacher is None:
            self._teacher = encode_texts(self.clip, self.texts)
        return self._teacher

    def text_prompts(self) -> TextPrompts:
        return self.fixed

    def text_change(self) -> clip.TowerChange:
        return entering(self.representation_learner.text(), self.layers, self.share)

    def image_change(self) -> clip.TowerChange:
        states = slice(1, 1 + self.options.N_REP_TOKENS)
        tokens = self.representation_learner.visual()
        return entering(tokens, self.layers, self.share, states)

    def both_logits(self, features: Features) -> tuple[Tensor, Tensor]:
        """z and z_r [B, C]."""
        matrix = self.image_encoder(self.clip.visual.proj)
        own = features.states.mean(dim=1).to(matrix.dtype) @ matrix  # r [B, D]
        images = (features.image, own.to(features.image.dtype))
        z, z_r = (cosine_logits(image, features.text, TEMPERATURE) for image in images)
        return z, z_r

    def fused(self, z: Tensor, z_r: Tensor) -> Tensor:
        """z_f [B, C]."""
        return self.options.ALPHA * z + (1 - self.options.ALPHA) * z_r

    def objective(self, features: Features, batch: Batch) -> Objective:
        z, z_r = self.both_logits(features)
        by_class, by_tokens = (
            self.classification_loss(logits, batch.label, features.columns) for logits in (z, z_r)
        )
        with torch.no_grad():
            image = self.clip.encode_image(batch.image)
        pairs = {"image": (features.image, image), "text": (features.text, self.teacher_text())}
        weight = self.options.REG_WEIGHT
        others = {
            f"loss_reg_{name}": weight * (1 - F.cosine_similarity(own, frozen).mean())
            for name, (own, frozen) in pairs.items()
        }
        parts = {"loss_ce": by_class, "loss_ce_rep": by_tokens}
        main = self.fused(by_class, by_tokens)
        return Objective(main, self.fused(z, z_r), others, parts=parts)

    def logits(self, features: Features) -> Tensor:
        z, z_r = self.both_logits(features)
        return self.fused(z, z_r) if self.knows_these_classes() else z

    def knows_these_classes(self) -> bool:
        """Whether a test is on the classes of the training, by TASK and the names of the run."""
        data = self.cfg.DATASET
        by_task = {"FS": True, "CD": data.NAME == "ImageNet"}
        return by_task.get(self.cfg.TASK, data.SUBSAMPLE_CLASSES == "base")


@register_method(dept=True)
class MMRL(PromptTrainer):
    """Trains the tokens, their maps, and the projection of their states."""

    model_class = MMRLModel
    options = (TASK, Options("TRAINER.MMRL", **representation_options()))
    precision_key = "TRAINER.MMRL.PREC"
    checkpoint = {"MultiModalRepresentationLearner": ""}  # noqa: RUF012

    @classmethod
    def dataset_values(cls, cfg: CfgNode) -> Mapping[str, Any]:
        return weights_of("MMRL", cfg)
