"""A cache of the few shots' features: what Tip-Adapter's variants fill, search and save.

B images, C classes, N entries, V validation images, D joint width.
"""

import logging
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip import CLIP
from dassl.data.datasets import build_dataset
from dassl.utils.errors import CheckpointMismatchError, UserError
from trainers.parts.cache_files import PublishedCache, published_cache
from trainers.parts.cache_search import Scores, candidates, search
from trainers.parts.class_rows import ClassBoundModel
from trainers.parts.classes import ClassSpace
from trainers.parts.fitted import check_shots
from trainers.parts.frozen_features import encode
from trainers.parts.model import Features, PromptModel
from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC
from trainers.parts.probe_blocks import joint_labels
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

NODE = "TRAINER.TIPADAPTER"
CACHE_OPTIONS = Options(
    NODE,
    INIT_ALPHA=Option(1.17, "weight of the cache before the search, and while keys are trained"),
    INIT_BETA=Option(1.0, "sharpness of the cache before the search", minimum=0),
    SEARCH_HP=Option(True, "search alpha and beta on validation images; False keeps INIT_*"),
    SEARCH_SCALE=Option((7.0, 3.0), "where the grids of beta and of alpha end; they begin at 0.1"),
    SEARCH_STEP=Option((200, 20), "how many values of beta and of alpha are tried"),
    WHOLE_VAL=Option(True, "all validation images, as published; False: as many as shots, up to 4"),
    AUGMENT_EPOCH=Option(10, "augmented views that a key is the mean of", minimum=1),
    PREC=PREC,
)


class CacheModel(ClassBoundModel):
    """Keys `adapter.weight` [N, D], float32 in every precision, the class of each, alpha and beta.

    Only the keys are tensors of the state dict; the rest stands beside it, in a checkpoint's
    `extra`.
    """

    def build(self) -> None:
        options = self.cfg.TRAINER.TIPADAPTER
        self.alpha, self.beta = float(options.INIT_ALPHA), float(options.INIT_BETA)
        self.make_cache(torch.zeros(0, dtype=torch.long))

    def make_cache(self, labels: Tensor) -> None:
        """An empty cache for images of these classes [N]."""
        device, width = self.clip.logit_scale.device, self.clip.visual.output_dim
        self.labels = labels.to(device)
        self._values: Tensor | None = None  # made when first asked for
        self.adapter = nn.Module()
        self.adapter.weight = nn.Parameter(torch.zeros(len(labels), width, device=device))

    @property
    def values(self) -> Tensor:
        """The class of each entry among the run's, one-hot [N, C]; 0 where it is none of them."""
        if self._values is None:
            trained = F.one_hot(self.labels, len(self.trained_space or self.space))
            self._values = self.own_rows(trained.t().float()).t()
        return self._values

    def affinity(self, image: Tensor) -> Tensor:
        """Raw image features [B, D] -> their product with the keys [B, N]."""
        return F.normalize(image.float(), dim=-1) @ self.adapter.weight.t()

    def clip_logits(self, features: Features) -> Tensor:
        """The zero-shot part of the logits [B, C]."""
        raise NotImplementedError

    def check_scorable(self) -> None:
        """Raises UserError where the cache is empty."""
        if not self.adapter.weight.any():
            raise UserError(
                "the cache is empty; train, or give the folder of a trained one (--model-dir)"
            )

    def checkpoint_extra(self) -> dict[str, Any]:
        cache = {"alpha": self.alpha, "beta": self.beta, "labels": self.labels.cpu()}
        return {**super().checkpoint_extra(), "cache": cache}

    @torch.no_grad()
    def take_published(self, found: PublishedCache) -> None:
        """The public code's cache in place of this one.

        Raises:
            CheckpointMismatchError: (a UserError) it is of another number of classes or width.
        """
        width = self.adapter.weight.shape[1]
        if found.keys.shape[1] != width:
            raise CheckpointMismatchError(
                f"the cache has keys of width {found.keys.shape[1]}, this backbone's features have "
                f"{width}; set MODEL.BACKBONE.NAME"
            )
        self.trained_space = self.published_space(found.num_classes)
        self.make_cache(found.labels)
        self.adapter.weight.copy_(found.keys)

    def take_numbers(self, cache: dict[str, Any]) -> None:
        """alpha and beta of a checkpoint."""
        self.alpha, self.beta = cache["alpha"], cache["beta"]

    def rows_in_file(self, state: dict[str, Tensor]) -> int | None:
        return None  # N says nothing of C

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Raises:
        CheckpointMismatchError: (a UserError) the file is of another method.
        """
        if "cache" not in extra:
            raise CheckpointMismatchError("the checkpoint holds no cache; check --model-dir")
        super().prepare_load(state, extra)
        self.take_numbers(extra["cache"])
        labels = extra["cache"]["labels"]
        if len(labels) != len(self.labels):
            self.make_cache(labels)
        self.labels, self._values = labels.to(self.labels.device), None


class Best:
    """The best epoch so far, and its tensors."""

    def __init__(self) -> None:
        self.accuracy, self.epoch = -1.0, 0
        self.tensors: dict[str, Tensor] = {}

    def offer(self, accuracy: float, epoch: int, tensors: dict[str, Tensor]) -> None:
        """Keeps them if they are better than all before."""
        if accuracy > self.accuracy:
            self.accuracy, self.epoch = accuracy, epoch
            self.tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    @torch.no_grad()
    def copy_to(self, tensors: dict[str, Tensor]) -> None:
        """Puts the best ones in their place."""
        logger.info(f"Epoch {self.epoch} is the best on validation: {self.accuracy:.2f}%")
        for name, tensor in tensors.items():
            tensor.copy_(self.tensors[name])
        self.tensors = {}

    def state(self) -> dict[str, Any]:
        """Plain values of it."""
        return dict(vars(self))

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from `state()`."""
        vars(self).update(state)


class CacheTrainer(PromptTrainer):
    """The part of a trainer that fills a cache from the training images and validates."""

    model: CacheModel
    _validation: tuple[Tensor, Tensor] | None = None

    def make_model(self, clip_model: CLIP, space: ClassSpace) -> PromptModel:
        model = super().make_model(clip_model, space)
        items = getattr(self.dm.dataset, "train_x", None) or []
        model.make_cache(torch.from_numpy(joint_labels(items, space)))
        return model

    def encode(self, items: Any, transform: Any) -> Tensor:
        """Raw image features [N, D] of a dataset's items, on the device of the run."""
        features = encode(self.cfg, self.model.clip, items, transform)
        return torch.from_numpy(features).to(self.device, torch.float32)

    @torch.no_grad()
    def fill_cache(self) -> None:
        """Keys: the unit mean of each training image's features over AUGMENT_EPOCH views."""
        items, views = self.dm.dataset.train_x, self.cfg.TRAINER.TIPADAPTER.AUGMENT_EPOCH
        transform = self.train_loader_x.dataset.transform
        total = sum(self.encode(items, transform) for _ in range(views))
        self.model.adapter.weight.copy_(F.normalize(total, dim=-1))
        logger.info(f"The cache holds {len(items)} images, each the mean of {views} views")

    @property
    def validates(self) -> bool:
        """Whether anything is chosen on validation images."""
        return self.cfg.TRAINER.TIPADAPTER.SEARCH_HP and bool(getattr(self.dm.dataset, "val", None))

    def train(self) -> None:
        """Raises UserError where there are no shots, or nothing to search on."""
        check_shots(self.cfg.DATASET.NUM_SHOTS, "the cache holds that many images of each class")
        if self.cfg.TRAINER.TIPADAPTER.SEARCH_HP and not self.validates:
            raise UserError(
                f"{NODE}.SEARCH_HP True: {self.cfg.DATASET.NAME} has no validation images; "
                f"set {NODE}.SEARCH_HP False and give INIT_ALPHA and INIT_BETA"
            )
        super().train()

    def validation(self) -> tuple[Tensor, Tensor]:
        """Raw features [V, D] and labels [V] of the validation images, encoded once."""
        if self._validation is None:
            items = self.validation_items()
            labels = joint_labels(items, self.model.space)
            transform = self.test_loader.dataset.transform
            self._validation = (
                self.encode(items, transform),
                torch.from_numpy(labels).to(self.device),
            )
        return self._validation

    def validation_items(self) -> Any:
        """The engine's few, or with WHOLE_VAL all of them."""
        data = self.dm.dataset
        if self.cfg.TRAINER.TIPADAPTER.WHOLE_VAL and self.cfg.DATASET.NUM_SHOTS >= 1:
            cfg = self.cfg.clone()
            cfg.defrost()
            cfg.DATASET.NUM_SHOTS = -1
            data = build_dataset(cfg)
        if {item.impath for item in data.val} & {item.impath for item in data.test}:
            logger.warning(
                "Warning: the validation images are test images: alpha and beta fit them"
            )
        return data.val

    @torch.no_grad()
    def validate(self) -> float:
        """Accuracy in percent on the validation images, with the alpha and beta of now."""
        features, labels = self.validation()
        with self.model.fixed_weights():
            right = [
                (self.model.within_tasks(self._logits(f), y).argmax(1) == y).sum()
                for f, y in zip(features.split(1024), labels.split(1024), strict=True)
            ]
        return 100 * float(sum(right)) / len(labels)

    def _logits(self, features: Tensor) -> Tensor:
        return self.model.logits(Features(features, self.model.references))

    @torch.no_grad()
    def search_on_validation(self) -> None:
        """Sets the model's alpha and beta to those of the grid that are best."""
        if not self.validates:
            return
        options, (features, labels) = self.cfg.TRAINER.TIPADAPTER, self.validation()
        both = Features(features, self.model.references)
        scores = Scores(
            clip=self.model.within_tasks(self.model.clip_logits(both), labels),
            affinity=self.model.affinity(features),
            values=self.model.values,
            labels=labels,
        )
        grids = map(candidates, options.SEARCH_SCALE, options.SEARCH_STEP)
        self.model.beta, self.model.alpha, accuracy = search(scores, *grids)
        logger.info(
            f"Searched on {len(labels)} validation images: beta {self.model.beta:.2f}, "
            f"alpha {self.model.alpha:.2f}; accuracy {accuracy:.2f}%"
        )

    def load_extra(self, extra: dict[str, Any]) -> None:
        super().load_extra(extra)
        self.model.take_numbers(extra["cache"])

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Loads a trained run, or the cache that the public code left; that holds no alpha and
        beta, which are then searched again, as the public code does."""
        shots = self.cfg.DATASET.NUM_SHOTS
        found = directory and published_cache(Path(directory), shots, trained=self.trainable)
        if not found:
            super().load_model(directory, epoch)
            return
        self.model.take_published(found)
        logger.info(f"Loading the cache of {len(found.labels)} images in {directory}")
        self.search_on_validation()
