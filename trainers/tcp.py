"""TCP: tokens made of frozen class features enter an upper block of the text tower
(arXiv:2311.18231).

C classes, D joint width, n context tokens, W text width.
"""

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from clip.blocks import QuickGELU
from dassl.utils.errors import UserError
from trainers.coop import COOP_OPTIONS
from trainers.parts.classes import ClassSpace
from trainers.parts.deep_prompts import check_depth
from trainers.parts.model import Batch, Features, PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.prompts import ContextLearner, TextPrompts, encode_texts, start_context
from trainers.parts.register import register_method
from trainers.parts.templates import class_templates, filled
from trainers.parts.trainer import PromptTrainer

INIT_WORDS, DEFAULT_TEMPLATE = "a photo of a", "a photo of a {}."  # quirk: whatever CTX_INIT says
TEACHER_TEMPLATES = {  # other datasets keep their own
    "DescribableTextures": "a photo of a {}, a type of texture.",
    "FGVCAircraft": "a photo of an aircraft {}.",
    "Food101": "a photo of a {}, a type of food.",
}
INPUT_TEMPLATES = {  # the context stands in the place of their first four words
    "EuroSAT": "a photo of a {}.",
    "DescribableTextures": "a photo of a {} texture.",
    "FGVCAircraft": "a photo of a {}, a type of aircraft.",
    "Food101": "a photo of a {}, a type of food.",
    "StanfordCars": "a photo of a {}, a type of car",  # quirk: without a full stop
}
TCP_OPTIONS = Options(
    "TRAINER.TCP",
    W=Option(8.0, "weight of the pull to the hand-written prompts", minimum=0),
    BLOCK=Option(9, "text block, from 1, that the class tokens enter", minimum=1),
)


class ClassAwareLearner(ContextLearner):
    """The context `ctx` [n, W] and the network that makes tokens [C, n, W] of class features
    [C, D]: `meta_net.linear1` [D/4, D], QuickGELU, `meta_net.linear2` [nW, D/4], with biases.
    Float32 in every precision."""

    def __init__(self, cfg: CfgNode, clip_model: clip.CLIP):
        options, text = cfg.TRAINER.COOP, clip_model.text
        words, key = INIT_WORDS if options.CTX_INIT else "", "TRAINER.COOP.N_CTX"
        super().__init__(text, words, len(words.split()) or options.N_CTX, key)
        self.dataset = cfg.DATASET
        self.ctx = nn.Parameter(start_context(text, words, self.n_ctx, key).float())
        dim = clip_model.visual.output_dim
        first = nn.Linear(dim, dim // 4)
        second = nn.Linear(dim // 4, self.n_ctx * text.width)
        layers = OrderedDict(linear1=first, gelu=QuickGELU(), linear2=second)
        self.meta_net = nn.Sequential(layers).to(clip_model.logit_scale.device)

    def texts(self, space: ClassSpace) -> list[str]:
        """n words for the context, then each class's template from its fifth word on."""
        templates = class_templates(space, self.dataset, DEFAULT_TEMPLATE, INPUT_TEMPLATES)
        parts = [template.partition("{}") for template in templates]
        rests = [" ".join([*before.split()[4:], "{}"]) + behind for before, _, behind in parts]
        return filled([f"{self.words} {rest}" for rest in rests], space)

    def class_tokens(self, class_features: Tensor) -> Tensor:
        """Unit class features [C, D] -> tokens [C, n, W]."""
        made = self.meta_net(class_features.to(self.ctx.dtype))
        return made.unflatten(-1, (self.n_ctx, -1))


class TCPModel(PromptModel):
    """w_c = text tower of [ctx; name_c; rest of the template], whose positions 1..n the tokens
    t_c = linear2(gelu(linear1 u_c)) replace before block BLOCK; u_c the unit feature of the class's
    hand-written prompt. z = s cos(f, w); L = CE(z, y) + W (1 - mean_c cos(w_c, u_c))."""

    def build(self) -> None:
        options, depth = self.cfg.TRAINER.COOP, self.cfg.TRAINER.TCP.BLOCK
        check_depth("TRAINER.TCP.BLOCK", depth, self.clip.text.layers)
        if options.CSC or options.CLASS_TOKEN_POSITION != "end":
            raise UserError("TRAINER.COOP.CSC, CLASS_TOKEN_POSITION: TCP needs False and end")
        self.prompt_learner = ClassAwareLearner(self.cfg, self.clip)

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        args = (space, self.cfg.DATASET, DEFAULT_TEMPLATE, TEACHER_TEMPLATES)
        features = encode_texts(self.clip, filled(class_templates(*args), space))
        self.references = F.normalize(features.float(), dim=-1)  # u [C, D]

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner.shared_prompts(self.prompt_learner.ctx)

    def text_change(self) -> clip.TowerChange:
        tokens = clip.Tokens(self.prompt_learner.class_tokens(self.references))
        return clip.TowerChange({self.cfg.TRAINER.TCP.BLOCK - 1: clip.BlockChange(tokens=tokens)})

    def regularisers(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        cosine = F.cosine_similarity(features.text.float(), self.references, dim=-1, eps=1e-7)
        return {"loss_kg": self.cfg.TRAINER.TCP.W * (1 - cosine.mean())}


@register_method(dept=True)
class TCP(PromptTrainer):
    """Trains the context and the network."""

    model_class = TCPModel
    options = (COOP_OPTIONS, TCP_OPTIONS)
    precision_key = "TRAINER.COOP.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
    defaults = {"OPTIM.ADAM_EPS": 1e-3}  # noqa: RUF012  as its README asks
