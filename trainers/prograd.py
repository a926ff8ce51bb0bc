"""ProGrad: CoOp that takes no step against zero-shot CLIP (arXiv:2205.14865).

B images, C classes, D joint width, n context tokens, W text width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from yacs.config import CfgNode

from dassl.utils.errors import UserError
from trainers.coop import COOP_OPTIONS, CoOp, CoOpModel, CoOpPromptLearner
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features, Objective
from trainers.parts.options import Option, Options
from trainers.parts.prompts import encode_texts, in_float32
from trainers.parts.register import register_method
from trainers.parts.templates import class_templates, filled

TEMPLATES = {  # of teacher and start; other datasets keep their own
    "OxfordPets": "a type of pet, a photo of a {}.",
    "OxfordFlowers": "a type of flower, a photo of a {}.",
    "FGVCAircraft": "a type of aircraft, a photo of a {}.",
    "Food101": "a type of food, a photo of {}.",
    "DescribableTextures": "a texture of {}.",
}

LOSS_OPTIONS = Options(
    "LOSS",
    NAME=Option("prograd", "what guides the gradient; nothing else is published", ("prograd",)),
    T=Option(1.0, "temperature of teacher and student in the guide", minimum=0.01),
    LAMBDA=Option(1.0, "share of the part against the guide that is taken out", minimum=0),
    GM=Option(False, "not used: the published command line has it, and no formula"),
    ALPHA=Option(0.0, "not used: the published command line has it, and no formula"),
)
PROGRAD_OPTIONS = Options(
    "TRAINER.PROGRAD",
    TEMPLATE_START=Option(
        True, "a true CTX_INIT means the words of the dataset's prompt; False: its own words"
    ),
)


def projected(gradient: Tensor, guide: Tensor, share: float) -> Tensor:
    """a - share (a.u) u where a.u < 0, else a, u = b / |b|: gradient a less its part against b."""
    exact = gradient.float()
    unit = guide.float() / guide.float().norm()
    along = (exact * unit).sum()
    # quirk: a guide of 0 makes `along` NaN, which is not below 0, and the gradient stays
    return torch.where(along < 0, exact - share * along * unit, exact).to(gradient.dtype)


class ProGradModel(CoOpModel):
    """Loss = CE(z, y); guide = T^2 mean_i sum_c -softmax(t/T) log softmax(z/T), t = s cos(f, u)
    with u_c the text feature of class c's hand-written prompt. Over several tasks the softmaxes run
    inside the image's own, and the start is CTX_INIT's words."""

    def build(self) -> None:
        options, num_free = self.cfg.TRAINER.COOP, 0
        if options.CTX_INIT and self.cfg.TRAINER.PROGRAD.TEMPLATE_START:
            words = "" if self.space.tasks else self.templates()[0].partition("{}")[0].strip()
            words = words or options.CTX_INIT
            num_free = options.N_CTX - len(words.split(" "))
            if num_free < 0:
                raise UserError(
                    f"TRAINER.COOP.N_CTX = {options.N_CTX}: the start {words!r} has more words; "
                    f"raise it, or set TRAINER.PROGRAD.TEMPLATE_START False"
                )
            options = CfgNode({**options, "CTX_INIT": "X " * num_free + words})
        self.prompt_learner = CoOpPromptLearner(options, self.clip, len(self.space), self.precision)
        with torch.no_grad():
            self.prompt_learner.ctx[:num_free] = 0

    def templates(self) -> list[str]:
        """The hand-written prompt of each class, with {} for its name."""
        return class_templates(self.space, self.cfg.DATASET, "a photo of a {}.", TEMPLATES)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self._teacher_text: Tensor | None = None

    def teacher_text(self) -> Tensor:
        """Text features u [C, D], float32 in every precision; made when a step first needs them."""
        if self._teacher_text is None:
            texts = filled(self.templates(), self.space)
            with torch.autocast(self.clip.logit_scale.device.type, enabled=False):
                self._teacher_text = encode_texts(in_float32(self.clip), texts)
        return self._teacher_text

    def guides(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        heat, label = self.cfg.LOSS.T, batch.label
        with torch.no_grad():
            teacher = self.similarity(Features(features.image.float(), self.teacher_text()))
        target = F.log_softmax(self.within_tasks(teacher.float() / heat, label), dim=-1)
        student = F.log_softmax(self.within_tasks(logits.float() / heat, label), dim=-1)
        terms = torch.where(target > -torch.inf, target.exp() * student, 0)  # [B, C]
        return {"kl_loss": -heat * heat * terms.sum(dim=-1).mean()}


@register_method(dept=True)
class ProGrad(CoOp):
    """Trains the context alone, its gradient without the part against the guide's. DePT's head and
    FiLM, which no guide reaches, keep theirs."""

    model_class = ProGradModel
    options = (COOP_OPTIONS, LOSS_OPTIONS, PROGRAD_OPTIONS)

    def backward(self, objective: Objective) -> None:
        trained = self.trained()
        guides = self.precision.gradients(objective.guides["kl_loss"], trained)
        super().backward(objective)
        for tensor, guide in zip(trained, guides, strict=True):
            if guide is not None:
                tensor.grad.copy_(projected(tensor.grad, guide, self.cfg.LOSS.LAMBDA))
