"""What a result is of: backbone, weights, data, transforms, precision, torch and GPU."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from dassl.engine import resume_state
from dassl.utils.checkpoint_watch import FileUse
from dassl.utils.checkpoints import NUMBERED_PREFIX

UNTRAINED = "untrained"
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_digests: dict[tuple[str, int, int], str] = {}


def provenance(
    cfg: CfgNode, trainer: Any, *, files: Sequence[FileUse], trained: bool
) -> dict[str, Any]:
    """The entry `provenance` of result.json; docs/train.md describes it.

    Args:
        trainer: any trainer of the public engine; what it does not know is null.
        files: the checkpoints that were read and written since it was built.
        trained: whether the run trained what it tested.
    """
    device = trainer.device
    return {
        "backbone": _backbone(cfg, trainer),
        "checkpoint": evaluated_checkpoint(cfg, trainer, files, trained=trained),
        "initial_weights": _initial_weights(cfg, trainer),
        "dataset": dataset_facts(cfg, trainer),
        "transforms": {
            "train": _transform(getattr(trainer, "train_loader_x", None)),
            "test": _transform(getattr(trainer, "test_loader", None)),
        },
        "precision": getattr(getattr(trainer, "precision", None), "name", None),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file, kept while it does not change; None where there is no file."""
    try:
        found = path.stat()
        key = (str(path.absolute()), found.st_size, found.st_mtime_ns)
        if key not in _digests:
            with open(path, "rb") as file:
                _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    return _digests[key]


def _named_file(path: Path, start: Path) -> dict[str, Any]:
    return {"path": os.path.relpath(path, start), "sha256": file_sha256(path)}


def _initial_weights(cfg: CfgNode, trainer: Any) -> dict[str, Any] | None:
    """The file that training started from; of several, what was asked for and one digest."""
    asked, output = cfg.MODEL.INIT_WEIGHTS, Path(cfg.OUTPUT_DIR)
    files = getattr(trainer, "initial_files", [Path(asked)] if asked else [])
    if len(files) == 1:
        return _named_file(files[0], output)
    if not files:
        return None
    digests = "".join(f"{file_sha256(file)}\n" for file in sorted(files))
    digest = hashlib.sha256(digests.encode()).hexdigest()
    return {"path": os.path.relpath(asked, output), "sha256": digest}


def _backbone(cfg: CfgNode, trainer: Any) -> dict[str, Any] | None:
    facts = getattr(trainer, "backbone_facts", lambda: None)()
    if facts is not None:
        return facts
    name = cfg.MODEL.BACKBONE.NAME
    if not name:
        return None
    unknown = {"activation": None, "activation_from": None, "layout": None}
    return {"name": Path(name).name, "sha256": file_sha256(Path(name)), **unknown}


def evaluated_checkpoint(
    cfg: CfgNode, trainer: Any, files: Sequence[FileUse], *, trained: bool
) -> str | dict[str, Any]:
    """The files of the model that was tested, or `UNTRAINED`.

    After a training these are the files read last, where a best model was deployed, else those
    written last; of a finished run that only tested again, the files of the epoch that its resume
    state is of.
    """
    written = [place for place, use in enumerate(files) if use.written]
    after = files[written[-1] + 1 :] if trained and written else files
    state = [use for use in after if use.path.name == resume_state.FILE_NAME]
    models = [use for use in after if use not in state]
    if not models and written:
        models = [use for use in files if use.written]
    elif not models and state:
        models = _beside(state[-1], trainer) or state[-1:]
    models = [use for use in models if use.path.name == models[-1].path.name]
    if not models:
        # a trainer may save in ways of its own
        return {"files": [], "epoch": trainer.max_epoch} if trained and _steps(cfg) else UNTRAINED
    output = Path(cfg.OUTPUT_DIR)
    paths = sorted({use.path for use in models})
    epochs = [use.epoch for use in models if use.epoch is not None]
    return {
        "files": [_named_file(path, output) for path in paths],
        "epoch": epochs[0] if epochs else _epoch_of(paths[0]),
    }


def _steps(cfg: CfgNode) -> bool:
    return cfg.OPTIM.MAX_EPOCH > 0


def _beside(state: FileUse, trainer: Any) -> list[FileUse]:
    """The numbered files of the epoch of a resume state, where every model has one."""
    names = trainer.get_model_names()
    paths = [state.path.parent / name / f"{NUMBERED_PREFIX}{state.epoch}" for name in names]
    return [FileUse(p, state.epoch, False) for p in paths] if all(map(Path.is_file, paths)) else []


def _epoch_of(path: Path) -> int | None:
    number = path.name.removeprefix(NUMBERED_PREFIX)
    return int(number) if number.isdigit() else None


def dataset_facts(cfg: CfgNode, trainer: Any) -> dict[str, Any] | None:
    """The data of a run; None for a trainer that built its loaders without a data manager."""
    dataset = getattr(getattr(trainer, "dm", None), "dataset", None)
    if dataset is None:
        return None
    root = Path(cfg.DATASET.ROOT or ".").expanduser()
    few = cfg.DATASET.NUM_SHOTS >= 1
    splits = {split: getattr(dataset, name, None) or () for split, name in _SPLITS.items()}
    drawn = {split: splits[split] for split in ("train", "val")}
    drawn = getattr(trainer, "drawn_items", drawn)  # of a trainer that draws for itself
    return {
        "split_file": _split_files(dataset, root),
        "classnames_sha256": _names_sha256(dataset, trainer),
        **{f"num_{split}": len(items) for split, items in splits.items()},
        "fewshot_sha256": fewshot_sha256(drawn, root) if few and drawn else None,
        "partial": getattr(dataset, "partial", None),
    }


_SPLITS = {"train": "train_x", "val": "val", "test": "test"}


def _split_files(dataset: Any, root: Path) -> Any:
    """Path below the data root and digest of the split file; a list, by task, of several."""

    def named(path: Any) -> dict[str, Any] | None:
        return _named_file(Path(path), root) if path else None

    tasks = getattr(dataset, "task_split_files", None)
    if tasks:
        return [named(path) for path in tasks]
    # `split_path` is the name in published readers; a bare file name says not where it lies
    paths = [getattr(dataset, name, None) for name in ("split_file", "split_path")]
    whole = [p for p in paths if isinstance(p, str | Path) and Path(p).is_absolute()]
    return named(next(filter(os.path.isfile, whole), None))


def _names_sha256(dataset: Any, trainer: Any) -> str | None:
    """SHA-256 of the class names in the order of the labels, one a line."""
    names = getattr(dataset, "classnames", None)
    if not names:
        by_label = getattr(trainer, "lab2cname", None) or {}
        names = [by_label[label] for label in sorted(by_label)]
    if not names:
        return None
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def fewshot_sha256(drawn: Mapping[str, Iterable[Any]], root: Path) -> str:
    """SHA-256 of the sorted lines `split label path` of images, paths below the data root."""
    lines = [
        f"{split} {_label(item)} {_below(item.impath, root)}\n"
        for split, items in drawn.items()
        for item in items
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _label(item: Any) -> str:
    """The class, or `task:class` of an image of several tasks."""
    key = getattr(item, "key", None)
    return ",".join(f"{task}:{label}" for task, label in key) if key else str(item.label)


def _below(path: str, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _transform(loader: Any) -> str | None:
    """A loader's transform in one line; None where there is none, or it cannot be told."""
    transform = getattr(getattr(loader, "dataset", None), "transform", None)
    return None if transform is None else _told(transform)


def _told(transform: Any) -> str:
    if isinstance(transform, list | tuple):
        return "[" + ", ".join(map(_told, transform)) + "]"
    steps = getattr(transform, "transforms", None)
    if isinstance(steps, list | tuple):
        return " > ".join(map(_told, steps))
    text = repr(transform)
    if type(transform).__repr__ is object.__repr__:
        values = ", ".join(f"{name}={value}" for name, value in vars(transform).items())
        text = f"{type(transform).__name__}({values})"
    return " ".join(_ADDRESS.sub("", text).split())
