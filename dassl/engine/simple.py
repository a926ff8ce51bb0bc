"""`SimpleTrainer`: data, model, evaluator, test; what happens before, between, after epochs."""

import logging
import os
import time
from datetime import timedelta
from typing import Any, ClassVar

import torch
from tqdm import tqdm

from dassl.data import DataManager
from dassl.engine.base import TestRecord, TrainerBase
from dassl.engine.finite_scores import FiniteScores
from dassl.engine.simple_net import SimpleNet
from dassl.evaluation import build_evaluator, task_arguments
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils.errors import BadValueError, MissingFileError
from dassl.utils.files import mkdir_if_missing
from dassl.utils.torchtools import count_num_param, load_pretrained_weights

logger = logging.getLogger(__name__)

CHOICES = {"FINAL_MODEL": ("last_step", "best_val"), "SPLIT": ("val", "test")}  # of the node TEST


class SimpleTrainer(TrainerBase):
    """Builds everything from the configuration.

    Args:
        cfg: the whole tree, frozen.

    Raises:
        BadValueError: (a ValueError) TEST.FINAL_MODEL or TEST.SPLIT is none of `CHOICES`.
        BadValueError: a multi-task dataset for a trainer that is not `multitask`.
        MissingFileError: (a FileNotFoundError) RESUME is set and no folder.

    Attributes:
        multitask: (of the class) whether the trainer knows the label rows [B, C] of a multi-task
            dataset; else it is for labels [B] only.
        cfg, device, start_epoch, epoch, max_epoch, output_dir, dm (the `DataManager`),
        train_loader_x, train_loader_u, val_loader, test_loader, num_classes, num_source_domains,
        lab2cname, evaluator, best_result.
    """

    multitask: ClassVar[bool] = False

    def __init__(self, cfg: Any) -> None:
        super().__init__()
        _check_run_options(cfg)
        self.check_cfg(cfg)
        use_cuda = torch.cuda.is_available() and cfg.USE_CUDA
        self.device = torch.device("cuda" if use_cuda else "cpu")
        self.start_epoch = self.epoch = 0
        self.max_epoch = cfg.OPTIM.MAX_EPOCH
        self.output_dir = cfg.OUTPUT_DIR
        self.cfg = cfg
        self.build_data_loader()
        tasks = self._tasks()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname, **tasks)
        self.best_result = -float("inf")

    def check_cfg(self, cfg: Any) -> None:
        """Refuse a configuration that the trainer cannot work with; called first. Default: none."""

    def build_data_loader(self) -> None:
        """Make `dm` and take its loaders and class names."""
        dm = DataManager(self.cfg)
        self.train_loader_x = dm.train_loader_x
        self.train_loader_u = dm.train_loader_u
        self.val_loader = dm.val_loader
        self.test_loader = dm.test_loader
        self.num_classes = dm.num_classes
        self.num_source_domains = dm.num_source_domains
        self.lab2cname = dm.lab2cname
        self.dm = dm

    def _tasks(self) -> dict[str, list[str]]:
        """What the evaluator is told of the tasks; empty for a dataset of one task."""
        dm = getattr(self, "dm", None)  # a trainer may build its loaders without one
        tasks = task_arguments(dm.dataset) if dm else {}
        if tasks and not self.multitask:
            raise BadValueError(
                f"TRAINER.NAME = {self.cfg.TRAINER.NAME}: for labels of one task, and "
                f"{self.cfg.DATASET.NAME} is a multi-task dataset; use another one, or set "
                "multitask = True in the trainer's class if it reads label rows [B, C]"
            )
        return tasks

    def build_model(self) -> None:
        """Build and register the models; default a `SimpleNet` named "model"."""
        cfg = self.cfg
        self.model = SimpleNet(cfg, cfg.MODEL, self.num_classes)
        if cfg.MODEL.INIT_WEIGHTS:
            load_pretrained_weights(self.model, cfg.MODEL.INIT_WEIGHTS)
        self.model.to(self.device)
        logger.info("# params: %s", f"{count_num_param(self.model):,}")
        self.optim = build_optimizer(self.model, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)

    def train(self) -> None:  # type: ignore[override]
        """Train for OPTIM.MAX_EPOCH epochs; a stopped run of the same folder goes on."""
        super().train(self.start_epoch, self.max_epoch)

    def before_train(self) -> None:
        """Resume if there is something, open TensorBoard, start the clock."""
        self.start_epoch = self.resume_model_if_exist(self.cfg.RESUME or self.cfg.OUTPUT_DIR)
        writer_dir = os.path.join(self.output_dir, "tensorboard")
        mkdir_if_missing(writer_dir)
        self.init_writer(writer_dir)
        self.time_start = time.time()

    def after_epoch(self) -> None:
        """Validate and keep the best model (best_val); save when it is time."""
        last_epoch = self.epoch + 1 == self.max_epoch
        frequency = self.cfg.TRAIN.CHECKPOINT_FREQ
        if not self.cfg.TEST.NO_TEST and self.cfg.TEST.FINAL_MODEL == "best_val":
            result = self.test(split="val")
            if result > self.best_result:
                self.best_result, self.best_epoch = result, self.epoch + 1
                self.save_model(
                    self.epoch,
                    self.output_dir,
                    val_result=result,
                    model_name="model-best.pth.tar",
                )
        if last_epoch or (frequency > 0 and (self.epoch + 1) % frequency == 0):
            self.save_model(self.epoch, self.output_dir)

    def after_train(self) -> None:
        """Test the model that TEST.FINAL_MODEL names, print the time, close TensorBoard."""
        logger.info("Finish training")
        if not self.cfg.TEST.NO_TEST:
            if self.cfg.TEST.FINAL_MODEL == "best_val":
                logger.info("Deploy the model with the best val performance")
                self.load_model(self.output_dir)
            else:
                logger.info("Deploy the last-epoch model")
            if self.cfg.TEST.get("VALIDATE_AT_END", False):  # a key that trainers add
                self.validate_at_end()
            self.test()
        elapsed = timedelta(seconds=round(time.time() - self.time_start))
        logger.info("Elapsed: %s", elapsed)
        self.close_writer()

    def validate_at_end(self) -> None:
        """Keep the accuracy on the validation images, by which settings may be chosen."""
        if self.val_loader is None:
            logger.warning("Warning: TEST.VALIDATE_AT_END: there are no validation images")
            return
        data = getattr(getattr(self, "dm", None), "dataset", None)
        if data and {item.impath for item in data.val} & {item.impath for item in data.test}:
            logger.warning(
                "Warning: TEST.VALIDATE_AT_END: the validation images are test images; nothing may "
                "be chosen by them"
            )
            return
        self.val_accuracy = self.test("val")

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Evaluate all images of a split; returns accuracy in percent, unrounded (of a multi-task
        dataset the mean of the tasks' metrics).

        Args:
            split: "val" or "test", default TEST.SPLIT; without validation images "val" is the
                test set.

        Raises:
            NonFiniteOutputError: (a FloatingPointError) the model's outputs are no numbers.
        """
        started = time.monotonic()
        self.set_model_mode("eval")
        self.evaluator.reset()
        split = split or self.cfg.TEST.SPLIT
        if split == "val" and self.val_loader is not None:
            loader = self.val_loader
        else:
            split, loader = "test", self.test_loader
        logger.info("Evaluate on the *%s* set", split)
        num_images, scored = 0, FiniteScores()
        batches = self.test_batches(loader)
        for batch in tqdm(batches, disable=None):  # on stderr, and only on a terminal
            images, labels = self.parse_batch_test(batch)
            outputs = self.model_inference(images)
            scored.add(outputs)
            self.evaluator.process(outputs, labels)
            num_images += len(labels)
        scored.check(split, self.stability_advice())
        results = self.evaluator.evaluate()
        for key, value in results.items():
            self.write_scalar(f"{split}/{key}", value, self.epoch)
        seconds = time.monotonic() - started
        tasks = tuple(getattr(self.evaluator, "tasks", ()))
        self.test_record = TestRecord(split, dict(results), num_images, seconds, tasks)
        return next(iter(results.values()))

    def test_batches(self, loader: Any) -> Any:
        """The batches of a test: the loader, whose images come from the store where one is in use
        (`image_store`)."""
        keep_crops = getattr(getattr(loader, "dataset", None), "keep_crops", None)
        if keep_crops is not None:
            keep_crops(loader.num_workers)
        return loader

    def model_inference(self, input: Any) -> Any:
        """Images -> outputs `[B, C]`."""
        return self.model(input)

    def parse_batch_test(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """(images, labels) on the device."""
        images, labels = batch["img"], batch["label"]
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


def _check_run_options(cfg: Any) -> None:
    for key, allowed in CHOICES.items():
        if cfg.TEST[key] not in allowed:
            raise BadValueError(f"TEST.{key} = {cfg.TEST[key]!r}: not one of {', '.join(allowed)}")
    if cfg.RESUME and not os.path.isdir(cfg.RESUME):
        raise MissingFileError(
            f"RESUME (--resume) = {cfg.RESUME}: no such folder; give the output folder of a run"
        )
