"""The trainer behind every method: builds the model, takes the step, tests, saves and loads."""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from yacs.config import CfgNode

from clip import CLIP
from dassl.config import config_sha256
from dassl.engine import TrainerX
from dassl.engine.result import peak_memory_mb
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils.errors import UserError
from trainers.parts.backbone import BACKBONE_OPTIONS, load_backbone
from trainers.parts.checkpoint import (
    checkpoint_name,
    initial_files,
    read_checkpoint,
    restore,
    trained_tensors,
)
from trainers.parts.classes import ClassSpace
from trainers.parts.data_options import DATA_OPTIONS
from trainers.parts.model import Batch, Objective, PromptModel
from trainers.parts.options import OPTIONS, Option, Options, read_key
from trainers.parts.precision import Precision
from trainers.parts.stored_features import stored_batches
from trainers.parts.text_memory import MEMORY_OPTIONS
from trainers.parts.trained_parts import Children, folder_module, narrow_to_names
from trainers.parts.views import check_num_views, to_batch

logger = logging.getLogger(__name__)


BACKBONE_FACTS = ("name", "sha256", "activation", "activation_from", "layout")  # in result.json
SHARED_OPTIONS = (
    Options(
        "TRAINER",
        NAMES_TO_UPDATE=Option((), "words; only tensors whose name has one train; () = all"),
    ),
    *DATA_OPTIONS,
    *BACKBONE_OPTIONS,
    *MEMORY_OPTIONS,
)


def own_keys(trainer: type) -> set[str]:
    """The config keys that a trainer declares; empty for one written for the public engine."""
    declared = getattr(trainer, "options", None)
    if declared is None:
        return set()
    return {key for options in (*declared, *SHARED_OPTIONS) for key, _ in options.items()}


class PromptTrainer(TrainerX):
    """Trains a `PromptModel`.

    A method sets the class attributes and, rarely, overrides `backward` or `end_epoch`.

    Attributes:
        model_class: the method's model.
        options: the config keys that the method declares.
        precision_key: the config key of the precision; "" means half on a GPU and float32 on a CPU.
        checkpoint: folder name -> name of the model's child that is saved in it, or names of
            several; "" is the whole model.
        dept_options: further config keys of the DePT variant.
        defaults: values of engine keys that hold while this trainer is chosen and nobody sets them.
        trainable: False for a method that is only tested.
        half_is_float32: True for a method whose published code runs in float32 under PREC fp16.
    """

    multitask = True  # the losses and heads follow the tasks of the label space
    model_class: ClassVar[type[PromptModel]]
    options: ClassVar[tuple[Options, ...]] = ()
    precision_key: ClassVar[str] = ""
    checkpoint: ClassVar[Mapping[str, Children]] = {}
    dept_options: ClassVar[tuple[Options, ...]] = ()
    defaults: ClassVar[Mapping[str, Any]] = {}
    trainable: ClassVar[bool] = True
    half_is_float32: ClassVar[bool] = False

    def check_cfg(self, cfg: CfgNode) -> None:
        """Raises UserError where the method reads more views of an image than are made."""
        check_num_views(cfg, self.model_class.num_views)

    def build_model(self) -> None:
        """Loads CLIP, builds the model for the dataset's classes, registers what is trained."""
        cfg = self.cfg
        self.precision = Precision(self.precision_name(), self.device)
        clip_model = load_backbone(cfg, self.device, self.precision)
        space = ClassSpace.of(self.dm.dataset)
        wanted = cfg.DATASET.SUBSAMPLE_TASKS
        if not space.tasks and wanted not in ("all", "task0"):
            raise UserError(
                f"DATASET.SUBSAMPLE_TASKS = {wanted}: {cfg.DATASET.NAME} is one task; use all"
            )
        self.model = self.make_model(clip_model, space).to(self.device)
        if not self.trainable:
            return
        narrow_to_names(self.model, cfg)
        if cfg.MODEL.INIT_WEIGHTS:
            self._load_init_weights(cfg.MODEL.INIT_WEIGHTS)
        self.optim = self.build_optimizer(cfg)
        self.sched = self.build_scheduler(self.optim)
        optimizer, schedule = self.optim, self.sched
        for folder, children in self.checkpoint_folders().items():
            module = folder_module(self.model, children)
            self.register_model(folder, module, optimizer, schedule)
            optimizer = schedule = None  # all folders share one, which the first one saves

    @classmethod
    def dataset_values(cls, cfg: CfgNode) -> Mapping[str, Any]:
        """Config keys that the published code sets for single datasets, in place of the YAML's; the
        command line wins."""
        return {}

    def make_model(self, clip_model: CLIP, space: ClassSpace) -> PromptModel:
        """The model, for a method whose tensors depend on the training images (`self.dm`)."""
        return self.model_class(self.cfg, clip_model, space, self.precision)

    def checkpoint_folders(self) -> Mapping[str, Children]:
        """`checkpoint`, for a method whose folders depend on the config."""
        return self.checkpoint

    def step_repeat(self) -> int:
        """How often the optimizer steps on one gradient, and the schedule at the end of an
        epoch."""
        return 1

    def config_digest(self) -> str:
        """SHA-256 of the config without other methods' options: adding a method changes nothing."""
        return config_sha256(OPTIONS.without_foreign(self.cfg, own_keys(type(self))))

    def backbone_facts(self) -> dict[str, Any] | None:
        """What CLIP the run is on; None for one that was not loaded from a file. Of one of
        open_clip's, the images that its tag was trained on too."""
        source = self.model.clip.source
        if source is None:
            return None
        facts = {name: getattr(source, name) for name in BACKBONE_FACTS}
        if source.open_clip and source.pixels and source.resizing:
            (mean, std), (interpolation, resize) = source.pixels, source.resizing
            facts["images"] = {
                "mean": list(mean),
                "std": list(std),
                "interpolation": interpolation,
                "resize": resize,
            }
        return facts

    def build_optimizer(self, cfg: CfgNode) -> torch.optim.Optimizer:
        """The optimizer over everything that trains."""
        return build_optimizer(self.model, cfg.OPTIM, fused=self.precision.scales)

    def build_scheduler(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """The schedule of the learning rate."""
        return build_lr_scheduler(optimizer, self.cfg.OPTIM)

    def precision_name(self) -> str:
        """The name of the run's precision, one of `PRECISIONS`."""
        if self.precision_key:
            name = str(read_key(self.cfg, self.precision_key))
            if name == "fp16" and self.half_is_float32:
                method = type(self).__name__
                logger.info(
                    f"Notice: {method} runs in float32 under PREC fp16, as the published code does"
                )
                return "fp32"
            return name
        return "fp16" if self.device.type == "cuda" else "fp32"

    def parse_batch_train(self, batch: dict[str, Any]) -> Batch:
        """The engine's batch on the device of the run."""
        return to_batch(batch, self.device)

    def forward_backward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """One training step; the schedule moves after the last batch of an epoch.

        Returns:
            detached values to log: `loss`, each term where there are several, and `display`.
        """
        parsed = self.parse_batch_train(batch)
        with self.precision.autocast():
            objective = self.model.objective(self.model.features(parsed.image, parsed), parsed)
        self.optim.zero_grad(set_to_none=True)
        self.backward(objective)
        self.precision.step(self.optim, self.step_repeat())
        if self.batch_idx + 1 == self.num_batches:
            self.check_losses()
            for _ in range(self.step_repeat()):
                self.update_lr()
            self.end_epoch()
        report = {"loss": objective.total().detach(), **objective.report()}
        return {**report, **self.display(objective, parsed)}

    def display(self, objective: Objective, batch: Batch) -> dict[str, Tensor]:
        """What is logged of a step beside the loss: `acc`, percent, of the similarity head."""
        scored = self.model.within_tasks(objective.logits.detach(), batch.label)
        return {"acc": compute_accuracy(scored, batch.label)[0].squeeze()}

    def backward(self, objective: Objective) -> None:
        """Fills `.grad`; a method may change the gradients, but never steps.

        `self.precision.gradients(term, self.trained())`, called before, gives those of another
        term, such as one of `objective.guides`.

        Raises:
            NonFiniteLossError: (a FloatingPointError) the loss is not finite.
        """
        loss = objective.total()
        self.detect_anomaly(loss)
        self.precision.backward(loss)

    def trained(self) -> list[Tensor]:
        """The tensors that train."""
        return [tensor for tensor in self.model.parameters() if tensor.requires_grad]

    def after_epoch(self) -> None:
        """The engine's; the first epoch of a run also tells what is to come."""
        super().after_epoch()
        if self.epoch == self.start_epoch:
            seconds = time.time() - self.time_start
            memory = peak_memory_mb(self.device)
            parts = [f"First epoch: {seconds:.1f} s", f"peak memory {memory:,.0f} MiB"]
            if left := self.max_epoch - self.epoch - 1:
                rest = timedelta(seconds=round(left * seconds))
                parts.append(f"{left} epoch{'s' if left > 1 else ''} left, about {rest}")
            logger.info(", ".join(parts))

    def end_epoch(self) -> None:
        """Called after the last step of an epoch, before anything is tested or saved."""

    def model_inference(self, input: Tensor) -> Tensor:
        """Images [B, 3, H, H] -> logits [B, C]."""
        with self.precision.autocast():
            return self.model(input)

    def test_batches(self, loader: Any) -> Any:
        """The loader's batches; of a frozen image tower with the features that the store keeps in
        place of images."""
        found = None
        if self.model.takes_features() and self._parses_as_ever():
            name = self.precision.name
            found = stored_batches(loader, self.model.clip, self._encode, name, self.device)
        return super().test_batches(loader) if found is None else found

    def _encode(self, image: Tensor) -> Tensor:
        """Raw features [B, D] of images on the device, as in `model_inference`."""
        with self.precision.autocast():
            return self.model.encode_image(image)

    def _parses_as_ever(self) -> bool:
        """Whether a batch reaches the model as `StoredBatches` hands it out."""
        names, kind = ("model_inference", "parse_batch_test"), type(self)
        return all(getattr(kind, name) is getattr(PromptTrainer, name) for name in names)

    def train(self) -> None:
        """The engine's loop.

        Raises:
            UserError: the method has nothing to train.
        """
        if not self.trainable:
            name = type(self).__name__
            raise UserError(f"{name} has nothing to train; add --eval-only (or --no-train)")
        super().train()

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Accuracy in percent; text features and visual prompts are computed once for the whole
        split."""
        self.model.check_scorable()
        with self.model.fixed_weights():
            return super().test(split)

    def checkpoint_extra(self) -> dict[str, Any]:
        """The classes the tensors belong to, and the gradient scaler's state."""
        scaler = self.precision.state()
        return {**self.model.checkpoint_extra(), **({"scaler": scaler} if scaler else {})}

    def load_extra(self, extra: dict[str, Any]) -> None:
        """Continues from `checkpoint_extra()`."""
        self.precision.load_state(extra.get("scaler", {}))

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Loads trained tensors from `<directory>/<folder>/model.pth.tar-<epoch>`.

        Args:
            epoch: -1 is the newest that all folders have; None is model-best, else the newest.

        Raises:
            UserError: no such file, or one of another method, context length, depth or width.
        """
        if not directory:
            logger.info("Note that load_model() is skipped as no pretrained model is given")
            return
        folders = self.checkpoint_folders()
        if not folders:
            method = type(self).__name__
            logger.info(f"Note that {method} has nothing to load; {directory} is not read")
            return
        name = checkpoint_name(Path(directory), list(folders), epoch)
        files = {folder: read_checkpoint(Path(directory) / folder / name) for folder in folders}
        keyed = {folder: self._keyed(folder, file.state) for folder, file in files.items()}
        together = {key: value for state in keyed.values() for key, value in state.items()}
        self.model.prepare_load(together, next(iter(files.values())).extra)
        for folder, file in files.items():
            logger.info(f'Loading weights to {folder} from "{file.path}" (epoch = {file.epoch})')
            self._restore(folder, keyed[folder], file.path)

    def load_weights(self, name: str, state_dict: Mapping[str, Any], path: Path) -> None:
        """The engine's hook for resuming from a checkpoint of one folder, ours or a published
        one."""
        self._restore(name, self._keyed(name, trained_tensors(state_dict)), path)

    def _keyed(self, folder: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A folder's tensors under the keys that they have in the model's state dict."""
        children = self.checkpoint_folders()[folder]
        prefix = f"{children}." if isinstance(children, str) and children else ""
        return {prefix + key: value for key, value in state.items()}

    def _restore(self, folder: str, keyed: dict[str, Tensor], path: Path) -> None:
        children = self.checkpoint_folders()[folder]
        names = (children,) if isinstance(children, str) else children
        within = tuple(f"{name}." if name else "" for name in names)
        ignored = self.model.ignored_keys
        restore(self.model, keyed, within=within, path=path, ignored=ignored)

    def _load_init_weights(self, path: str) -> None:
        """MODEL.INIT_WEIGHTS: tensors of this method to start from."""
        files = initial_files(Path(path), list(self.checkpoint_folders()))
        for name, file in files.items():
            found = read_checkpoint(file)
            keyed = self.model.initial_tensors(self._keyed(name, found.state), found.extra)
            self._restore(name, keyed, found.path)
            logger.info(f'Initial weights from "{found.path}" (epoch = {found.epoch})')
        self.initial_files = list(files.values())
