"""Loaders of a run."""

import logging
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from dassl.data.dataset_wrapper import DatasetWrapper, MultiTaskWrapper
from dassl.data.datasets import build_dataset
from dassl.data.datasets.multitask import is_multitask
from dassl.data.samplers import RandomSampler, SequentialSampler, build_sampler
from dassl.data.transforms import build_transform, check_views
from dassl.utils.errors import BadValueError, CheckFailedError

__all__ = [
    "DataManager",
    "DatasetWrapper",
    "build_data_loader",
    "build_transform",
]

logger = logging.getLogger(__name__)


def build_data_loader(
    cfg: Any,
    sampler_type: str = "SequentialSampler",
    data_source: Any = None,
    batch_size: int = 64,
    n_domain: int = 0,
    n_ins: int = 2,
    tfm: Any = None,
    is_train: bool = True,
    dataset_wrapper: Any = None,
) -> DataLoader:
    """A loader of `DATALOADER.NUM_WORKERS` workers, fewer where there are fewer batches.

    The last short batch is dropped in training, unless it is the only one; tests never drop.

    Raises:
        CheckFailedError: (an AssertionError) there is no image.
        BadValueError: (a ValueError) impossible batch size or number of workers.
    """
    if not data_source:
        use = "training" if is_train else "evaluation"
        raise CheckFailedError(
            f"dataset {cfg.DATASET.NAME}: no images for {use}; "
            f"check DATASET.ROOT ({cfg.DATASET.ROOT or 'empty'}) and the split file"
        )
    workers = cfg.DATALOADER.NUM_WORKERS
    if batch_size < 1 or workers < 0:
        raise BadValueError(
            f"DATALOADER: batch size {batch_size} with {workers} workers; "
            "BATCH_SIZE must be 1 or more, NUM_WORKERS 0 or more"
        )
    sampler = build_sampler(sampler_type, cfg, data_source, batch_size, n_domain, n_ins)
    wrapper = dataset_wrapper or DatasetWrapper
    # The published settings ask for 8 workers on any machine, and torch warns of them here and
    # again at every epoch: a filter that lasts, of this one warning.
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    loader = DataLoader(
        wrapper(cfg, data_source, transform=tfm, is_train=is_train),
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        drop_last=is_train and len(data_source) >= batch_size,
        pin_memory=torch.cuda.is_available() and cfg.USE_CUDA,
    )
    if len(loader) == 0:
        raise CheckFailedError(
            f"dataset {cfg.DATASET.NAME}: {len(data_source)} images give no batch of {batch_size}; "
            "lower the batch size"
        )
    return _without_idle_workers(loader)


def _without_idle_workers(loader: DataLoader) -> DataLoader:
    """The loader with no worker that gets no batch: batch i is worker i's, so those behind the last
    batch would be started, every epoch, for nothing. The others keep their numbers, and with them
    their random states.
    """
    if isinstance(loader.sampler, RandomSampler | SequentialSampler):  # others' epochs vary
        loader.num_workers = min(loader.num_workers, len(loader))
    return loader


def wrapper_of(dataset: Any) -> Callable[..., DatasetWrapper]:
    """What turns a dataset's items into labels and tensors: by class, or in rows over all tasks."""
    if is_multitask(dataset):
        return partial(MultiTaskWrapper, class_counts=dataset.num_classes)
    return DatasetWrapper


class DataManager:
    """The dataset of a run and its loaders.

    Args:
        cfg: the whole tree.
        custom_tfm_train, custom_tfm_test: used instead of those of INPUT; a list gives several
            views.
        dataset_wrapper: used instead of `DatasetWrapper`, or of the `MultiTaskWrapper` that a
            multi-task dataset gets.

    Attributes:
        dataset, train_loader_x, train_loader_u (or None), val_loader (or None), test_loader,
        num_classes, num_source_domains, lab2cname.
    """

    def __init__(
        self,
        cfg: Any,
        custom_tfm_train: Any = None,
        custom_tfm_test: Any = None,
        dataset_wrapper: Any = None,
    ) -> None:
        self.dataset = dataset = build_dataset(cfg)
        dataset_wrapper = dataset_wrapper or wrapper_of(dataset)
        tfm_train = self._transform(cfg, custom_tfm_train, is_train=True)
        tfm_test = self._transform(cfg, custom_tfm_test, is_train=False)

        def test_loader(data_source: Any) -> DataLoader:
            return build_data_loader(
                cfg,
                sampler_type=cfg.DATALOADER.TEST.SAMPLER,
                data_source=data_source,
                batch_size=cfg.DATALOADER.TEST.BATCH_SIZE,
                tfm=tfm_test,
                is_train=False,
                dataset_wrapper=dataset_wrapper,
            )

        def train_loader(data_source: Any, node: Any) -> DataLoader:
            return build_data_loader(
                cfg,
                sampler_type=node.SAMPLER,
                data_source=data_source,
                batch_size=node.BATCH_SIZE,
                n_domain=node.N_DOMAIN,
                n_ins=node.N_INS,
                tfm=tfm_train,
                is_train=True,
                dataset_wrapper=dataset_wrapper,
            )

        nodes = cfg.DATALOADER
        train_u, val = getattr(dataset, "train_u", None), getattr(dataset, "val", None)
        self.train_loader_x = train_loader(dataset.train_x, nodes.TRAIN_X)
        self.train_loader_u = None
        if train_u:
            node = nodes.TRAIN_X if nodes.TRAIN_U.SAME_AS_X else nodes.TRAIN_U
            self.train_loader_u = train_loader(train_u, node)
        self.val_loader = test_loader(val) if val else None
        self.test_loader = test_loader(dataset.test)
        self.num_classes = dataset.num_classes
        self.num_source_domains = len(cfg.DATASET.SOURCE_DOMAINS)
        self.lab2cname = dataset.lab2cname
        if cfg.VERBOSE:
            self.show_dataset_summary(cfg)

    @staticmethod
    def _transform(cfg: Any, custom: Any, *, is_train: bool) -> Any:
        if custom is None:
            if is_train:
                check_views(cfg)
            return build_transform(cfg, is_train=is_train)
        logger.info("* Using custom transform for %s", "training" if is_train else "testing")
        return custom

    def show_dataset_summary(self, cfg: Any) -> None:
        """Print name, domains and sizes as a table."""
        from tabulate import tabulate

        dataset = self.dataset
        rows = [["Dataset", cfg.DATASET.NAME]]
        for title, domains in (
            ("Source", cfg.DATASET.SOURCE_DOMAINS),
            ("Target", cfg.DATASET.TARGET_DOMAINS),
        ):
            if domains:
                rows.append([title, str(domains)])
        if is_multitask(dataset):
            rows += _task_rows(dataset)
        else:
            rows.append(["# classes", f"{self.num_classes:,}"])
        rows.append(["# train_x", f"{len(dataset.train_x):,}"])
        for split in ("train_u", "val"):
            items = getattr(dataset, split, None)
            if items:
                rows.append([f"# {split}", f"{len(items):,}"])
        rows.append(["# test", f"{len(dataset.test):,}"])
        logger.info("%s", tabulate(rows, tablefmt="simple"))


def _task_rows(dataset: Any) -> list[list[str]]:
    """Number of tasks and of all classes, and a row for each task."""
    counts = dataset.num_classes
    rows = [["# tasks", f"{len(counts):,}"], ["# classes", f"{sum(counts):,}"]]
    described = zip(dataset.taskid2tname, counts, dataset.taskid2metric, strict=True)
    for task, (name, count, metric) in enumerate(described):
        rows.append([f"Task {task}", f"{name}: {count:,} classes, {metric}"])
    return rows
