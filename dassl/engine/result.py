"""`result.json`: what a finished run leaves for machines to read."""

import dataclasses
import json
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from yacs.config import CfgNode

from dassl.engine.provenance import UNTRAINED, provenance
from dassl.utils.checkpoint_watch import FileUse
from dassl.utils.files import atomic_write

FILE_NAME = "result.json"
FORMAT = 1


def write_result(
    cfg: CfgNode,
    trainer: Any,
    *,
    seconds: dict[str, float],
    job_key: str | None,
    files: Sequence[FileUse] = (),
    trained: bool = True,
) -> Path:
    """Writes `<OUTPUT_DIR>/result.json`, whole or not at all.

    Accuracy, error rate and macro F1 are percent, unrounded, of the last test; null where nothing
    was tested. Of a multi-task dataset the accuracy is the mean of the tasks' metrics, and `tasks`
    lists them. `val_accuracy` is null unless TEST.VALIDATE_AT_END; `trainable_parameters` counts
    numbers, 0 where nothing trains. `epoch` is that of the tested model, 0 of an untrained one;
    `epochs`, how many a training was to have, is null of a test. `split_note` says who made the
    split file of the dataset, or of a task's; null for the published one. `provenance` is that of
    `dassl.engine.provenance`.

    Args:
        files: the checkpoints that the run read and wrote since its trainer was built.
        trained: whether the run trained, or only tested.

    Raises:
        UserError: the file cannot be written.
    """
    record = getattr(trainer, "test_record", None)
    results = record.results if record else {}
    dataset = getattr(getattr(trainer, "dm", None), "dataset", None)
    origin = provenance(cfg, trainer, files=files, trained=trained)
    checkpoint = origin["checkpoint"]
    content = {
        "format": FORMAT,
        "trainer": cfg.TRAINER.NAME,
        "dataset": cfg.DATASET.NAME,
        "seed": cfg.SEED,
        "shots": cfg.DATASET.NUM_SHOTS,
        "split": record.split if record else None,
        "split_note": getattr(dataset, "split_note", "") or None,
        "subsample_classes": cfg.DATASET.get("SUBSAMPLE_CLASSES", "all"),
        "subsample_tasks": cfg.DATASET.get("SUBSAMPLE_TASKS", "all"),
        "accuracy": results.get("accuracy", results.get("metric")),
        "val_accuracy": getattr(trainer, "val_accuracy", None),
        "error_rate": results.get("error_rate"),
        "macro_f1": results.get("macro_f1"),
        "tasks": _tasks(record, getattr(dataset, "task_split_notes", [])) if record else None,
        "num_test": record.num_images if record else None,
        "trainable_parameters": trainable_parameters(trainer),
        "epoch": 0 if checkpoint == UNTRAINED else checkpoint["epoch"],
        "epochs": cfg.OPTIM.MAX_EPOCH if trained else None,
        "precision": getattr(getattr(trainer, "precision", None), "name", None),
        "device": device_name(trainer.device),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_mb": round(peak_memory_mb(trainer.device), 1),
        "versions": versions(),
        "commit": git_commit(),
        "config_sha256": trainer.config_digest(),
        "provenance": origin,
        "job_key": job_key,
    }
    path = Path(cfg.OUTPUT_DIR) / FILE_NAME
    atomic_write(path, json.dumps(content, indent=2) + "\n")
    return path


def _tasks(record: Any, notes: Sequence[str]) -> list[dict[str, Any]] | None:
    """The metric of each task, and the note on its split file; None for a dataset of one task."""
    marks = [*notes, *[""] * len(record.tasks)]
    return [
        {**dataclasses.asdict(task), "split_note": note or None}
        for task, note in zip(record.tasks, marks, strict=False)
    ] or None


def trainable_parameters(trainer: Any) -> int | None:
    """How many numbers train, each counted once; None for a trainer that registers no model."""
    names = trainer.get_model_names() if hasattr(trainer, "get_model_names") else []
    if not names:
        return None if getattr(trainer, "trainable", True) else 0
    trained = {
        id(p): p.numel()
        for name in names
        for p in trainer._models[name].parameters()
        if p.requires_grad
    }
    return sum(trained.values())


def remove_result(cfg: CfgNode) -> None:
    """Removes the result of an earlier run, which the run that now starts will replace."""
    (Path(cfg.OUTPUT_DIR) / FILE_NAME).unlink(missing_ok=True)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"


def peak_memory_mb(device: torch.device) -> float:
    """Most memory in use so far, MiB: of the GPU's allocator, or resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def versions() -> dict[str, str | None]:
    """Of what the numbers may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "cuda": torch.version.cuda,
    }


def git_commit() -> str | None:
    """The commit of the working copy this module stands in; None outside a repository."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True
        )
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
