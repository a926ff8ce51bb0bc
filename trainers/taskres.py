"""TaskRes: a trained residual on each class's fixed text feature (arXiv:2211.10277).

C classes, T templates of a class, D joint width, W text width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dassl.utils.checkpoints import load_checkpoint
from dassl.utils.errors import BadFileError
from trainers.parts.class_rows import ClassBoundModel
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS
from trainers.parts.prompts import encode_texts
from trainers.parts.register import register_method
from trainers.parts.templates import IMAGENET_TEMPLATES_SELECT, class_templates
from trainers.parts.trainer import PromptTrainer

TASKRES_OPTIONS = Options(
    "TRAINER.TaskRes",
    RESIDUAL_SCALE=Option(1.0, "alpha; published: 1.0 on Flowers102, 0.5 elsewhere"),
    ENHANCED_BASE=Option("none", "file of a tuned text projection; none: CLIP's own"),
    PREC=Option("fp16", "precision; fp16 runs in float32, as in the published code", PRECISIONS),
)


class TaskResLearner(nn.Module):
    """The residuals `text_feature_residuals` [C, D], one for each class; they start at 0."""

    def __init__(self, num_classes: int, width: int):
        super().__init__()
        self.text_feature_residuals = nn.Parameter(torch.zeros(num_classes, width))

    def set_classes(self, space: ClassSpace) -> None:
        """Residuals stay with the classes that they were trained on."""


class TaskResModel(ClassBoundModel):
    """logits = s cos(f, t_c + alpha x_c), x_c trained, t_c the mean of class c's T text features.

    t_c is not normalised, so that alpha x_c weighs as much as the feature's length lets it.
    """

    ignored_keys = ("prompt_learner.base_text_features",)  # in published files beside the residuals

    def build(self) -> None:
        self._make_residuals(len(self.space))

    def _make_residuals(self, num_classes: int) -> None:
        learner = TaskResLearner(num_classes, self.clip.visual.output_dim)
        self.prompt_learner = learner.to(self.clip.logit_scale.device)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        ensemble = self.cfg.DATASET.NAME == "ImageNet" and not self.cfg.DATASET.TEMPLATE
        templates = [[t] * len(space) for t in IMAGENET_TEMPLATES_SELECT] if ensemble else []
        templates.append(class_templates(space, self.cfg.DATASET))
        # quirk: names keep their underscores; published numbers depend on it
        pairs = [pair for each in templates for pair in zip(each, space.names, strict=True)]
        texts = [template.replace("{}", name) for template, name in pairs]
        features = self._encode(texts).float()
        self.references = features.unflatten(0, (len(templates), -1)).mean(dim=0)  # [C, D]

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Tensor:
        file = self.cfg.TRAINER.TaskRes.ENHANCED_BASE
        if file == "none":
            return encode_texts(self.clip, texts)
        tower = self.clip.text
        tokens = tower.tokenizer(texts, tower.context_length).to(self.clip.logit_scale.device)
        projection = {"text_projection": enhanced_projection(file, tower.text_projection)}
        return functional_call(tower, projection, (tower.embed(tokens), tower.read_at(tokens)))

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        residuals = self.own_rows(self.prompt_learner.text_feature_residuals)
        return self.references + self.cfg.TRAINER.TaskRes.RESIDUAL_SCALE * residuals

    def rows_in_file(self, state: dict[str, Tensor]) -> int | None:
        residuals = state.get("prompt_learner.text_feature_residuals")
        return None if residuals is None else len(residuals)

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        super().prepare_load(state, extra)
        found = self.rows_in_file(state)
        if found not in (None, len(self.prompt_learner.text_feature_residuals)):
            self._make_residuals(found)


def enhanced_projection(file: str, own: Tensor) -> Tensor:
    """The text projection [W, D] of an enhanced base, which is stored as `weight` [D, W].

    Raises:
        BadFileError: (a UserError) there is none in the file, or one of another CLIP.
    """
    state = load_checkpoint(file)
    weight = state.get("state_dict", {}).get("weight") if isinstance(state, dict) else None
    if not isinstance(weight, Tensor) or weight.t().shape != own.shape:
        raise BadFileError(
            f"TRAINER.TaskRes.ENHANCED_BASE = {file}: holds no text projection `weight` of shape "
            f"{list(own.t().shape)}; give the base of this backbone, or none"
        )
    return weight.t().to(own.device, own.dtype)


@register_method(dept=True)
class TaskRes(PromptTrainer):
    """Trains the residuals alone, in float32 where PREC is fp16, as the published code does."""

    model_class = TaskResModel
    options = (TASKRES_OPTIONS,)
    precision_key = "TRAINER.TaskRes.PREC"
    half_is_float32 = True
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
