"""The model every method is: prompts, features of the frozen towers, a head, an objective.

B images, C classes, D joint width, V vision width, k states of an image.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from yacs.config import CfgNode

import clip
from clip import ImageOutput, TowerChange
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.precision import Precision
from trainers.parts.prompts import TextPrompts
from trainers.parts.stored_features import EncodedImages
from trainers.parts.text_memory import TextMemory, limit_in_bytes


@dataclass(frozen=True)
class Batch:
    """Training images [B, 3, H, H] and their labels [B].

    `views` are further augmented views of the same images, each [B, 3, H, H]; `index` [B] are the
    images' places in the training set, None in a batch that does not say. `host_label` are the
    labels on the host, where the batch came from there: what is chosen by them need not wait for
    the device.
    """

    image: Tensor
    label: Tensor
    views: tuple[Tensor, ...] = ()
    index: Tensor | None = None
    host_label: Tensor | None = None

    def labels_on_host(self) -> list[int]:
        """The B labels as numbers; read from the device where they are only there."""
        return (self.label if self.host_label is None else self.host_label).tolist()


@dataclass(frozen=True)
class Features:
    """Raw outputs of the towers: image [B, D]; text [C, D], or [B, C, D] where every image has its
    own prompts. `columns` [C] is True for the classes that a step computed; None means all.
    `states` [B, k, V] are those that `image_change` asks for."""

    image: Tensor
    text: Tensor
    columns: Tensor | None = None
    states: Tensor | None = None

    def text_of(self, label: Tensor) -> Tensor:
        """The text feature [B, D] of each image's own class."""
        if self.text.dim() == 2:
            return self.text[label]
        return self.text[torch.arange(len(label), device=label.device), label]


@dataclass(frozen=True)
class Objective:
    """The loss, in named parts.

    `main` is the classification loss (a wrapper such as DePT replaces it) and `logits` [B, C] are
    those of the similarity head; `others` are a method's regularisers, `guides` are computed but
    never added; `parts` are only reported.
    """

    main: Tensor
    logits: Tensor
    others: dict[str, Tensor] = field(default_factory=dict)
    guides: dict[str, Tensor] = field(default_factory=dict)
    parts: dict[str, Tensor] = field(default_factory=dict)

    def total(self) -> Tensor:
        """What is minimised: main plus others."""
        return self.main + sum(self.others.values()) if self.others else self.main

    def report(self) -> dict[str, Tensor]:
        """The named parts, regularisers and guides, detached."""
        named = {**self.parts, **self.others, **self.guides}
        return {name: value.detach() for name, value in named.items()}


def cosine_logits(image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
    """`scale` times the cosine between image [B, D] and text [C, D] or [B, C, D] -> [B, C]."""
    image = F.normalize(image, dim=-1)
    text = F.normalize(text, dim=-1)
    if text.dim() == 2:
        return scale * image @ text.t()
    return scale * torch.einsum("bd,bcd->bc", image, text)


class PromptModel(nn.Module):
    """Prompts + features + loss on a frozen CLIP. A method overrides the parts that are its own.

    Children carry the published names, so state-dict keys are the published ones. CLIP is not a
    child: it is never trained, saved or switched out of evaluation mode.

    Args:
        cfg: the frozen config of the run.
        clip_model: frozen CLIP in the precision's dtype, on the device of the run.
        space: the classes of the run.
        precision: dtype of the trained tensors.
    """

    image_conditioned = False  # True where text features depend on the image
    class_bound = False  # True where other classes than those trained on get zero-shot scores
    # True where `forward` or `features` is a method's own and sees images by `read_image` alone.
    reads_by_read_image = False
    num_views = 1  # augmented views of each training image that a step reads
    ignored_keys: tuple[str, ...] = ()  # beginnings of keys in published files that nothing uses

    def __init__(
        self, cfg: CfgNode, clip_model: clip.CLIP, space: ClassSpace, precision: Precision
    ):
        super().__init__()
        self.cfg = cfg
        self.precision = precision
        self._clip = (clip_model,)  # a tuple keeps it out of the children
        self.space = space
        self._cache: dict[str, Any] | None = None
        limit = limit_in_bytes(cfg.MODEL.MEMORY_LIMIT, clip_model.logit_scale.device)
        self.text_memory = None if limit is None else TextMemory(limit)
        self.build()
        self.set_classes(space)

    @property
    def clip(self) -> clip.CLIP:
        """The frozen CLIP."""
        return self._clip[0]

    # What a method says of itself.

    def build(self) -> None:
        """Makes the trained tensors; `self.space`, `self.cfg`, `self.clip` and `self.precision` are
        there."""
        raise NotImplementedError

    def set_classes(self, space: ClassSpace) -> None:
        """Makes the prompts of the given classes; a child `prompt_learner` makes its own."""
        self.space = space
        device = self.clip.logit_scale.device
        self.task_of_class = torch.tensor(space.task_of_class(), device=device)  # [C]
        if "prompt_learner" in self._modules:
            self.prompt_learner.set_classes(space)

    def text_prompts(self) -> TextPrompts:
        """Text prompts of all classes."""
        raise NotImplementedError

    def text_change(self) -> TowerChange:
        """What changes the text tower: deep prompts, adapters, updates of projections."""
        return TowerChange()

    def image_change(self) -> TowerChange:
        """What changes the image tower: prompts, adapters, updates of projections; and which states
        of it the method reads."""
        return TowerChange()

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        """Raw text features [C, D], or [B, C, D] where `image_conditioned`."""
        return self.encode_text(self.text_prompts())

    def adapt_image(self, image_features: Tensor) -> Tensor:
        """What the method does with raw image features [B, D]."""
        return image_features

    def similarity(self, features: Features) -> Tensor:
        """Logits [B, C]: cosine similarity times CLIP's temperature."""
        return cosine_logits(features.image, features.text, self.clip.logit_scale.exp())

    def classification_loss(
        self, logits: Tensor, label: Tensor, columns: Tensor | None = None
    ) -> Tensor:
        """Mean cross-entropy of logits [N, C], over the columns of `within_tasks`."""
        return F.cross_entropy(self.within_tasks(logits, label, columns), label)

    def within_tasks(self, logits: Tensor, label: Tensor, columns: Tensor | None = None) -> Tensor:
        """Logits [N, C] in which only classes of the label's own task, and of `columns` [C], count;
        the others are -inf. Without tasks and `columns` nothing changes."""
        allowed = columns
        if self.space.tasks:
            own = self.task_of_class == self.task_of(label)[:, None]  # [N, C]
            allowed = own if columns is None else own & columns
        return logits if allowed is None else logits.masked_fill(~allowed, -torch.inf)

    def task_of(self, label: Tensor) -> Tensor:
        """The task [N] of labels [N]."""
        return self.task_of_class[label]

    def regularisers(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Named terms added to the cross-entropy."""
        return {}

    def guides(self, features: Features, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Named terms that a method's `backward` uses without adding them."""
        return {}

    def check_scorable(self) -> None:
        """Raises UserError where the trained tensors cannot score the classes of the run."""

    def checkpoint_extra(self) -> dict[str, Any]:
        """Plain values that stand beside the tensors in a checkpoint."""
        return self.space.to_plain()

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Hears of a checkpoint before its tensors are copied in; `extra` is empty for published
        files."""

    def initial_tensors(self, state: dict[str, Tensor], extra: dict[str, Any]) -> dict[str, Tensor]:
        """The tensors of a checkpoint that training starts from (MODEL.INIT_WEIGHTS), perhaps of
        other classes."""
        return state

    # What stands here once for all methods.

    def encode_text(self, prompts: TextPrompts) -> Tensor:
        """Raw text features [R, D] of the method's own view of the text tower."""
        change = self._change("text", self.text_change)
        if self.text_memory is None:
            return prompts.encode(self.clip, change)
        return self.text_memory.encode(self.clip, prompts, change)

    def takes_features(self) -> bool:
        """Whether a test may hand over `EncodedImages`: nothing changes the image tower, and no
        method of this class sees images in another way."""
        names = ["read_image", "encode_image", "image_features"]
        names += [] if self.reads_by_read_image else ["forward", "features"]
        plain = all(getattr(type(self), n) is getattr(PromptModel, n) for n in names)
        return plain and not self._change("visual", self.image_change)

    def encode_image(self, image: Tensor | EncodedImages) -> Tensor:
        """Raw image features [B, D]."""
        return self.read_image(image).feature

    def read_image(self, image: Tensor | EncodedImages) -> ImageOutput:
        """Raw image features [B, D] of the method's own view of the image tower, and the states
        that it asks for; with gradient exactly when something changes the tower."""
        if isinstance(image, EncodedImages):
            return ImageOutput(image.feature)
        change = self._change("visual", self.image_change)
        if change:
            return self.clip.visual.encode(image, change)
        with torch.no_grad():
            return self.clip.visual.encode(image)

    def _change(self, tower: str, describe: Callable[[], TowerChange]) -> TowerChange:
        """What changes a tower; where trained tensors are fixed, with its linear parts merged into
        the weights."""
        if self._cache is None:
            return describe()
        blocks = self.clip.blocks(tower)
        return self.cached(f"{tower}_change", lambda: clip.merged(describe(), blocks))

    def image_features(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Image features [B, D] in the dtype of the heads, adapted, and states [B, k, V]."""
        found = self.read_image(image)
        states = None if found.states is None else self.precision.feature(found.states)
        return self.adapt_image(self.precision.feature(found.feature)), states

    def features(self, image: Tensor, batch: Batch | None = None) -> Features:
        """Image and text features of images [B, 3, H, H]."""
        if self.text_memory is not None:
            self.text_memory.make_room(self.clip.logit_scale.device)
        image_features, states = self.image_features(image)

        def text() -> Tensor:
            return self.precision.feature(self.text_features(image_features, batch))

        texts = text() if self.image_conditioned else self.cached("text", text)
        return Features(image_features, texts, states=states)

    def objective(self, features: Features, batch: Batch) -> Objective:
        """Cross-entropy of the similarity logits plus the method's own terms."""
        logits = self.similarity(features)
        others = self.regularisers(features, logits, batch)
        loss = self.classification_loss(logits, batch.label, features.columns)
        return Objective(
            main=loss,
            others=others,
            guides=self.guides(features, logits, batch),
            parts={"loss_ce": loss} if others else {},
            logits=logits,
        )

    def logits(self, features: Features) -> Tensor:
        """Logits [B, C] of evaluation."""
        return self.similarity(features)

    def forward(self, image: Tensor) -> Tensor:
        """Images [B, 3, H, H] -> logits [B, C] of evaluation."""
        return self.logits(self.features(image))

    @contextmanager
    def fixed_weights(self) -> Iterator[None]:
        """Inside, trained tensors do not change: what depends on no image is computed once."""
        self._cache = {}
        try:
            yield
        finally:
            self._cache = None

    def cached(self, name: str, compute: Callable[[], Any]) -> Any:
        """What `compute` returns; inside `fixed_weights` it is called once for each name."""
        if self._cache is None:
            return compute()
        if name not in self._cache:
            self._cache[name] = compute()
        return self._cache[name]


def require_class_token(clip_model: clip.CLIP, method: str) -> None:
    """Raises UserError where the image tower has no class token, by which a method's tokens stand
    and whose projection it trains anew."""
    if not clip_model.visual.has_class_token:
        raise UserError(
            f"{method} needs the class token and projection of an image tower, which SigLIP's has "
            f"not; choose another ViT for MODEL.BACKBONE.NAME"
        )


def require_transformer(clip_model: clip.CLIP, method: str, what: str = "prompts") -> None:
    """Raises UserError where the image tower has no blocks for what a method puts there."""
    if not clip_model.visual.accepts_changes:
        raise UserError(
            f"{method} puts {what} into the image tower, which {clip_model.visual.kind} does not "
            f"take; choose a ViT for MODEL.BACKBONE.NAME"
        )
