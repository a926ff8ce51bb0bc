"""What a run would train, and how often it would step: `train.py --plan`."""

from collections.abc import Iterator
from typing import Any

from tabulate import tabulate
from torch import Tensor

from trainers.parts.rehearsal import forecast
from trainers.parts.trainer import PromptTrainer


def trained_tensors(trainer: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) of all that trains, each tensor once; the name begins with that of the
    registered model, which is the checkpoint's folder."""
    seen = set()
    for model in trainer.get_model_names():
        for name, tensor in trainer._models[model].named_parameters():
            if tensor.requires_grad and id(tensor) not in seen:
                seen.add(id(tensor))
                yield f"{model}.{name}", tensor


def describe(trainer: Any) -> str:
    """Return what a built trainer would do, as lines of text."""
    tensors = list(trained_tensors(trainer))
    total = sum(tensor.numel() for _, tensor in tensors)
    rows = [
        (name, " x ".join(map(str, tensor.shape)), str(tensor.dtype).removeprefix("torch."),
         f"{tensor.numel():,}")
        for name, tensor in tensors
    ]  # fmt: skip
    lines = ["Nothing trains."]
    if rows:
        head = ("trained tensor", "shape", "dtype", "numbers")
        align = ("left", "right", "left", "right")
        table = tabulate(rows, head, colalign=align, disable_numparse=True)
        lines = [table, "", f"{len(rows)} tensors of {total:,} numbers in all"]
        lines.append(_steps(trainer))
        lines += _memory(trainer)
    loader, classes = trainer.test_loader, trainer.num_classes
    images = len(loader.dataset)
    lines.append(
        f"a test: {images:,} images of {classes} classes in batches of {loader.batch_size}"
    )
    return "\n".join(lines)


def _memory(trainer: Any) -> list[str]:
    """What a step will hold; nothing for a trainer of the public engine, which is not rehearsed."""
    if not isinstance(trainer, PromptTrainer):
        return []
    found = forecast(trainer, next(iter(trainer.train_loader_x)))
    peak, fixed = (size / 2**20 for size in (found.peak, found.fixed))
    return [
        f"memory of a step, forecast: {peak:,.0f} MiB of tensors, {fixed:,.0f} of them towers and "
        "what stays; libraries and the allocator take more"
    ]


def _steps(trainer: Any) -> str:
    loader, epochs = trainer.train_loader_x, trainer.max_epoch
    batches = len(loader)
    images = len(loader.dataset)
    return (
        f"a training: {images:,} images of {trainer.num_classes} classes, {batches:,} steps an "
        f"epoch, {epochs:,} epochs, {batches * epochs:,} steps"
    )
