"""CLIP-LoRA: low-rank updates of the attention's projections in both towers (arXiv:2405.18541)."""

from pathlib import Path
from typing import Any

from torch import Tensor

import clip
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.iterations import IterationTrainer
from trainers.parts.low_rank import (
    FILE,
    POSITIONS,
    PROJECTIONS,
    LowRankTowers,
    read_published,
    save_published,
)
from trainers.parts.model import Features, PromptModel, cosine_logits, require_transformer
from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS
from trainers.parts.prompts import TextPrompts, fixed_prompts
from trainers.parts.register import register_method
from trainers.parts.templates import class_templates, filled

NODE = "TRAINER.CLIPLORA"
TEMPLATES = {"ImageNet": "itap of a {}."}  # the first of its published list; others have our own
TEMPERATURE = 100.0  # quirk: a constant, not the checkpoint's
TOWERS = {"text": ("text",), "vision": ("visual",), "both": ("text", "visual")}

CLIP_LORA_OPTIONS = Options(
    NODE,
    R=Option(2, "r, the rank", minimum=1),
    ALPHA=Option(1.0, "scale of the update, divided by the root of r", minimum=0),
    DROPOUT=Option(0.25, "rate of dropout before the update alone", minimum=0, maximum=0.99),
    PARAMS=Option(("q", "k", "v"), f"updated projections, of {', '.join(PROJECTIONS)}"),
    ENCODER=Option("both", "updated towers", tuple(TOWERS)),
    POSITION=Option("all", "updated blocks of a tower", tuple(POSITIONS)),
    N_ITERS=Option(500, "training takes so many iterations for each shot", minimum=1),
    PREC=Option("amp", "precision; the updates are float32 in all", PRECISIONS),
)


class CLIPLoRAModel(PromptModel):
    """W x becomes W x + alpha / sqrt(r) B A dropout(x); z = 100 cos(f, w), w of one hand-written
    prompt a class; L = cross-entropy.

    Trained: `lora.layer_{i}.{q,k,v}_proj.{w_lora_A,w_lora_B}`, i over the updated blocks of the
    text tower, then of the image tower. In tests the updates are merged into the weights.
    """

    def build(self) -> None:
        options = self.cfg.TRAINER.CLIPLORA
        params, names = list(options.PARAMS), TOWERS[options.ENCODER]
        if not params or set(params) - set(PROJECTIONS):
            raise UserError(f"{NODE}.PARAMS = {params}: use some of {', '.join(PROJECTIONS)}")
        if "visual" in names:
            what = f"low-rank updates of {', '.join(params)}"
            require_transformer(self.clip, f"{NODE}.ENCODER = {options.ENCODER}", what)
        towers = {name: getattr(self.clip, name) for name in names}
        settings = {"rank": options.R, "alpha": options.ALPHA, "dropout": options.DROPOUT}
        lora = LowRankTowers(towers, options.POSITION, params, **settings, key=f"{NODE}.R")
        if not lora:
            raise UserError(f"{NODE}.POSITION = {options.POSITION}: no block there; use all")
        self.lora = lora.to(self.clip.logit_scale.device)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        texts = filled(class_templates(space, self.cfg.DATASET, "", TEMPLATES), space)
        # with dropout every text draws for itself, so that none may share its beginning
        shared = self.cfg.TRAINER.CLIPLORA.DROPOUT == 0
        self.texts = fixed_prompts(self.clip.text, texts, shared)

    def text_prompts(self) -> TextPrompts:
        return self.texts

    def text_change(self) -> clip.TowerChange:
        return self.lora.change("text")

    def image_change(self) -> clip.TowerChange:
        return self.lora.change("visual")

    def similarity(self, features: Features) -> Tensor:
        return cosine_logits(features.image, features.text, TEMPERATURE)


@register_method(dept=True)
class CLIPLoRA(IterationTrainer):
    """Trains the updates alone, for N_ITERS x shots iterations. Beside its checkpoint it writes the
    published `lora_weights.pt` [weights by layer, metadata], and loads either."""

    model_class = CLIPLoRAModel
    options = (CLIP_LORA_OPTIONS,)
    precision_key = f"{NODE}.PREC"
    checkpoint = {"lora_weights": "lora"}  # noqa: RUF012
    iterations_key = f"{NODE}.N_ITERS"

    def save_model(self, epoch: int, directory: str, *args: Any, **kwargs: Any) -> None:
        super().save_model(epoch, directory, *args, **kwargs)
        save_published(self.model.lora, self.settings(), Path(directory))

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        (folder,) = self.checkpoint_folders()
        published = directory and (Path(directory) / FILE).is_file()
        if not published or (Path(directory) / folder).is_dir():
            super().load_model(directory, epoch)
        else:
            path, state = read_published(Path(directory), self.settings())
            self.load_weights(folder, state, path)

    def settings(self) -> dict[str, Any]:
        """What the published file says of itself, and what has to agree."""
        options = self.cfg.TRAINER.CLIPLORA
        return {
            **{"r": options.R, "alpha": options.ALPHA, "encoder": options.ENCODER},
            **{"params": list(options.PARAMS), "position": options.POSITION},
        }
