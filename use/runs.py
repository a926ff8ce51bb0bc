"""A trained model without its dataset: from the files that a run leaves, or from a published
checkpoint and what the command line says of it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from yacs.config import CfgNode  # type: ignore[import-untyped]

import datasets  # noqa: F401  their classes know the hand-written prompts
import trainers  # noqa: F401  registers the methods
from dassl.config import merge_checked
from dassl.engine import TRAINER_REGISTRY
from dassl.utils.checkpoints import BEST_NAME
from dassl.utils.errors import CheckpointMismatchError, MissingFileError, UserError
from trainers.parts.checkpoint import read_checkpoint
from trainers.parts.classes import ClassSpace, Task
from trainers.parts.model import PromptModel
from trainers.parts.options import OPTIONS
from trainers.parts.run_config import build_config, typed_pairs
from use.run_file import FILE_NAME, image_tower, read_run_file


@dataclass(frozen=True)
class Changes:
    """What of a run is to be otherwise.

    Attributes:
        epoch: of the checkpoints, as `--load-epoch`; None leaves the run's own choice.
        backbone: where CLIP's weights lie now.
        options: KEY VALUE ... of the config.
    """

    epoch: int | None = None
    backbone: str = ""
    options: Sequence[str] = ()


UNCHANGED = Changes()


@dataclass(frozen=True)
class TrainedRun:
    """What a model is built from.

    Attributes:
        cfg: the config of the run, frozen.
        space: the classes to tell apart.
        model_dir: folder of the checkpoints.
        epoch: of them, as `--load-epoch`; None is the best, else the newest.
        image_tower: digest of the image tower that the run had; "" where it is not known.
    """

    cfg: CfgNode
    space: ClassSpace
    model_dir: Path
    epoch: int | None = None
    image_tower: str = ""

    @classmethod
    def read(cls, folder: str | Path, changes: Changes = UNCHANGED) -> "TrainedRun":
        """The run that left `folder`.

        Raises:
            UserError: the folder has no `run.yaml`, one that is not whole, or one of a test whose
                checkpoints are gone.
        """
        folder = Path(folder)
        known = read_run_file(folder)
        cfg = known.cfg()
        typed = {**_backbone(changes), **dict(typed_pairs(changes.options))}
        converted = {key: OPTIONS.convert(key, value) for key, value in typed.items()}
        if problems := merge_checked(cfg, "the command line", converted):
            raise UserError(problems)
        own = Path(known.model_dir) if known.model_dir else folder
        if not own.is_dir():
            raise MissingFileError(
                f"{folder} is a test of the checkpoints in {own}, which is not there; give the "
                f"folder of the training, and --classnames for the classes of this test"
            )
        epoch = known.epoch if changes.epoch is None else changes.epoch
        return cls(_settled(cfg), known.space, own, epoch, known.image_tower)

    @classmethod
    def describe(
        cls,
        folder: str | Path,
        *,
        trainer: str,
        files: Sequence[str],
        classnames: Sequence[str] = (),
        changes: Changes = UNCHANGED,
    ) -> "TrainedRun":
        """A checkpoint without `run.yaml`, such as a published one.

        Args:
            trainer: the method.
            files: its YAML and its dataset's, the dataset's first.
            classnames: in label order; default those that the checkpoint lists.

        Raises:
            UserError: unknown options, or no class names.
        """
        asked, _ = build_config(trainer, files, _backbone(changes), changes.options)
        folder = Path(folder)
        space = ClassSpace(tuple(classnames)) if classnames else _listed_classes(folder)
        return cls(_settled(asked.cfg), space, folder, changes.epoch)

    def with_classes(self, names: Sequence[str], task: str | None = None) -> "TrainedRun":
        """The same model on other classes.

        Args:
            names: C classnames.
            task: of a run of several tasks, the one whose prompt the names get.

        Raises:
            UserError: a name is empty or stands there twice; the task is not given or not known.
        """
        _check_names(names)
        if tuple(names) == self.space.names:
            return self
        tasks: tuple[Task, ...] = ()
        if self.space.tasks:
            chosen = find_task(self.space, task)
            tasks = (Task(chosen.name, 0, len(names), chosen.template),)
        cfg = self.cfg.clone()
        cfg.defrost()
        # A published DePT file has no class list: this says that the names are not its head's.
        cfg.DATASET.SUBSAMPLE_CLASSES = "new"
        cfg.freeze()
        return replace(self, cfg=cfg, space=ClassSpace(tuple(names), tasks=tasks))

    def build(self, device: str | None = None) -> Any:
        """The run's trainer with the checkpoint's tensors, in evaluation mode, without any data.

        Args:
            device: "cpu" or "cuda"; default a GPU if the run's config and the machine have one.

        Raises:
            UserError: the checkpoint is of another method, backbone or, where the method is bound
                to its classes, of other classes.
        """
        cfg = self.cfg.clone()
        cfg.defrost()
        if device is not None:
            cfg.USE_CUDA = _has_gpu(device)
        cfg.freeze()
        base = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
        attributes = {"__module__": base.__module__, "dataset": named_classes(self.space)}
        with quiet():
            trainer = type(base.__name__, (_WithoutImages, base), attributes)(cfg)
            self._check_image_tower(trainer)
            trainer.load_model(str(self.model_dir), epoch=self._epoch())
        trainer.set_model_mode("eval")
        model = getattr(trainer, "model", None)
        if isinstance(model, PromptModel):
            model.check_scorable()
        return trainer

    def _epoch(self) -> int | None:
        """What the engine's `load_model` is told: None is for it the best, and only that."""
        best = any(self.model_dir.glob(f"*/{BEST_NAME}"))
        return self.epoch if self.epoch is not None or best else -1

    def _check_image_tower(self, trainer: Any) -> None:
        found = image_tower(trainer)
        if self.image_tower and found and found != self.image_tower:
            raise CheckpointMismatchError(
                f"{self.cfg.MODEL.BACKBONE.NAME}: not the CLIP that the run in {self.model_dir} "
                f"had (its image tower differs); give the right weights with --backbone"
            )


class _WithoutImages:
    """Stands in front of a trainer whose dataset only knows classnames."""

    dataset: SimpleNamespace

    def build_data_loader(self) -> None:
        """In place of the engine's: no image is looked for."""
        names = getattr(self.dataset, "taskid2cname", self.dataset.classnames)
        self.dm = SimpleNamespace(dataset=self.dataset)
        self.num_classes = len(self.dataset.classnames)
        self.num_source_domains = 0
        self.lab2cname = dict(enumerate(names))
        self.train_loader_x = self.train_loader_u = self.val_loader = self.test_loader = None


def named_classes(space: ClassSpace) -> SimpleNamespace:
    """The attributes of a dataset object from which `ClassSpace.of` makes the given classes."""
    known: dict[str, Any] = {
        "classnames": list(space.names),
        "class_ids": list(space.ids or ()),
        "all_class_ids": list(space.all_ids),
    }
    if space.tasks:
        known |= {
            "taskid2tname": [task.name for task in space.tasks],
            "taskid2cname": [list(space.names_of(task)) for task in space.tasks],
            "taskid2type": ["sl"] * len(space.tasks),
            "taskid2metric": ["overall_acc"] * len(space.tasks),
            "task_templates": [task.template for task in space.tasks],
        }
    return SimpleNamespace(**known)


def find_task(space: ClassSpace, wanted: str | None) -> Task:
    """A task by its name or number; the only one where none is named.

    Raises:
        UserError: there are several and none is named, or no such task.
    """
    names = [task.name for task in space.tasks]
    known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
    if wanted is None:
        if len(names) == 1:
            return space.tasks[0]
        raise UserError(f"the run has several tasks: {known}; name one with --task")
    for number, name in enumerate(names):
        if wanted in (name, str(number)):
            return space.tasks[number]
    if not names:
        raise UserError(f"--task {wanted}: the run has one task; leave --task out")
    raise UserError(f"--task {wanted}: no such task; use one of {known}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, engine and methods log warnings only."""
    loggers = [logging.getLogger(name) for name in ("dassl", "trainers", "datasets")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _backbone(changes: Changes) -> dict[str, Any]:
    return {"MODEL.BACKBONE.NAME": changes.backbone} if changes.backbone else {}


def _settled(cfg: CfgNode) -> CfgNode:
    """The frozen config without what only training reads, and a limit that was for it."""
    cfg.RESUME = cfg.OUTPUT_DIR = cfg.MODEL.INIT_WEIGHTS = cfg.MODEL.MEMORY_LIMIT = ""
    cfg.freeze()
    return cfg


def _listed_classes(folder: Path) -> ClassSpace:
    """The classes that the newest checkpoint below a folder lists."""
    for path in sorted(folder.glob("*/model*.pth.tar*"), key=lambda path: path.stat().st_mtime):
        extra: Mapping[str, Any] = read_checkpoint(path).extra
        if "classnames" in extra:
            return ClassSpace.from_plain(dict(extra))
    raise UserError(
        f"{folder} says nowhere what its classes are (no {FILE_NAME}, no list in a checkpoint); "
        f"give --classnames a,b,c or a file with a name a line"
    )


def _check_names(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"--classnames: {', '.join(repeated[:3])} stands there twice; name it once")
    if not names or not all(name.strip() for name in names):
        raise UserError("--classnames: a name is empty; give names with commas between, as cat,dog")


def _has_gpu(device: str) -> bool:
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: use cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU that torch sees; use cpu")
    return device == "cuda"
