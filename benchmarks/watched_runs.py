"""Runs whose loaders are timed, for waiting_for_data.py."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from dassl.data import DataManager
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum

CLASSES = 10


@DATASET_REGISTRY.register()
class MadeJPEGs(DatasetBase):
    """The JPEGs of DATASET.ROOT, of each class every tenth one."""

    def __init__(self, cfg: Any) -> None:
        items = [
            Datum(str(path), label=number % CLASSES, classname=f"class number {number % CLASSES}")
            for number, path in enumerate(sorted(Path(cfg.DATASET.ROOT).glob("*.jpg")))
        ]
        super().__init__(train_x=items, test=items)


@dataclass
class Watched:
    """A loader whose waits are timed, over all epochs so far.

    Attributes:
        waits: seconds before each batch, as the engine's "data" in log.txt has them.
        steps: seconds from each batch to the request for the next.
        starts: first wait of each epoch.
        ends: seconds from the last step to the end of each epoch.
    """

    loader: Any
    waits: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        began = time.perf_counter()
        for number, batch in enumerate(self.loader):
            arrived = time.perf_counter()
            self.waits.append(arrived - began)
            if number == 0:
                self.starts.append(arrived - began)
            yield batch
            began = time.perf_counter()
            self.steps.append(began - arrived)
        self.ends.append(time.perf_counter() - began)

    def shares(self) -> tuple[float, float]:
        """Share of the time in waits: of whole epochs, and behind their first batch (0 if it is
        the only one)."""
        waits, steps = sum(self.waits), sum(self.steps)
        later = waits - sum(self.starts)
        others = steps * (1 - 1 / len(self))
        return waits / (waits + steps), later / (later + others) if len(self) > 1 else 0.0


def training_loader(cfg: Any, workers: int) -> DataLoader:
    """What a run with that many workers trains on."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATALOADER.NUM_WORKERS = workers
    return DataManager(cfg).train_loader_x


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def run_epochs(trainer: Any, loaders: dict[int, Watched], rounds: int) -> None:
    """Epochs of the engine; the loaders take turns."""
    for _ in range(rounds):
        for trainer.train_loader_x in loaders.values():
            trainer.run_epoch()
            synchronise(trainer.device)


def reading_rate(images: DataLoader, rounds: int) -> float:
    """Images a second of the processor's time that one worker makes.

    Args:
        images: a loader without workers, which is read here.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    began, count = time.thread_time(), 0
    for _ in range(rounds):
        count += sum(len(batch["label"]) for batch in images)
    seconds = time.thread_time() - began
    torch.set_num_threads(threads)
    return count / seconds


def model_rate(trainer: Any, batch: dict[str, Any], rounds: int) -> float:
    """Images a second that training steps take when their images are there; median."""
    seconds = []
    trainer.set_model_mode("train")
    trainer.num_batches = rounds + 2  # so that no step ends an epoch
    for trainer.batch_idx in range(rounds + 1):
        synchronise(trainer.device)
        began = time.perf_counter()
        trainer.forward_backward(batch)
        synchronise(trainer.device)
        seconds.append(time.perf_counter() - began)
    return len(batch["label"]) / statistics.median(seconds[1:])


def bare_epochs(images: DataLoader, workers: int, *, keep: bool, rounds: int) -> list[float]:
    """Median seconds of an epoch's start (to its first batch) and end, without a model.

    Args:
        keep: the workers stay from epoch to epoch (persistent_workers, which no run uses).
    """
    sampler, size = images.sampler, images.batch_size
    again = DataLoader(
        images.dataset, size, sampler=sampler, num_workers=workers, persistent_workers=keep
    )
    watched = Watched(again)
    for _ in range(rounds + 1):  # workers that stay are started in the first, which does not count
        for _ in watched:
            pass
    return [statistics.median(times[1:]) for times in (watched.starts, watched.ends)]
