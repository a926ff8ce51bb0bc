"""MMRL: tokens of a space shared by both towers enter their upper blocks, and are features of their
own (arXiv:2503.08497)."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from trainers.parts import mmrl_settings
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features, Objective, PromptModel, cosine_logits
from trainers.parts.options import Options
from trainers.parts.prompts import TextPrompts, encode_texts, fixed_prompts
from trainers.parts.register import register_method
from trainers.parts.representation import FreeHead, Representations, checked_layers, entering
from trainers.parts.templates import class_templates, filled
from trainers.parts.trainer import PromptTrainer

TEMPERATURE = 100.0  # quirk: a constant, not the checkpoint's


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

    def build(self) -> None:
        self.options = self.cfg.TRAINER[self.node]
        options, device = self.options, self.clip.logit_scale.device
        self.layers = checked_layers(self.clip, f"TRAINER.{self.node}", options.REP_LAYERS)
        widths = self.clip.text.width, self.clip.visual.width
        sizes = (options.N_REP_TOKENS, options.REP_DIM, len(self.layers), *widths)
        self.representation_learner = self.representations(*sizes).to(device)
        self.image_encoder = self.head().to(device)

    def representations(self, *sizes: int) -> nn.Module:
        """R and its maps."""
        return Representations(*sizes)

    def head(self) -> nn.Module:
        """P_r."""
        return FreeHead(self.clip.visual.width, self.clip.visual.output_dim)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self.texts = filled(class_templates(space, self.cfg.DATASET), space)
        self.fixed, self._teacher = fixed_prompts(self.clip.text, self.texts), None

    def teacher_text(self) -> Tensor:
        """w0 [C, D]; made when a loss first needs it."""
        if self._teacher is None:
            with torch.autocast(self.clip.logit_scale.device.type, enabled=False):
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
        return tuple(cosine_logits(image, features.text, TEMPERATURE) for image in images)

    def fused(self, z: Tensor, z_r: Tensor) -> Tensor:
        """z_f [B, C]."""
        return self.options.ALPHA * z + (1 - self.options.ALPHA) * z_r

    def objective(self, features: Features, batch: Batch) -> Objective:
        z, z_r = self.both_logits(features)
        scored, label, weight = features.columns, batch.label, self.options.REG_WEIGHT
        by_class, by_tokens = (self.classification_loss(x, label, scored) for x in (z, z_r))
        image = self.clip.encode_image(batch.image)
        pairs = {"image": (features.image, image), "text": (features.text, self.teacher_text())}
        others = {
            f"loss_reg_{name}": weight * (1 - F.cosine_similarity(own, frozen).mean())
            for name, (own, frozen) in pairs.items()
        }
        parts, main = {"loss_ce": by_class, "loss_rep": by_tokens}, self.fused(by_class, by_tokens)
        return Objective(main, self.fused(z, z_r), others, parts=parts)

    def logits(self, features: Features) -> Tensor:
        z, z_r = self.both_logits(features)
        return self.fused(z, z_r) if mmrl_settings.knows_the_classes(self.cfg) else z


@register_method(dept=True)
class MMRL(PromptTrainer):
    """Trains the tokens, their maps, and the projection of their states."""

    model_class = MMRLModel
    options = (mmrl_settings.TASK, Options("TRAINER.MMRL", **mmrl_settings.common_options()))
    precision_key = "TRAINER.MMRL.PREC"
    checkpoint = {"MultiModalRepresentationLearner": ""}  # noqa: RUF012

    @classmethod
    def dataset_values(cls, cfg: CfgNode) -> Mapping[str, Any]:
        return mmrl_settings.weights_of(cls.model_class.node, cfg)
