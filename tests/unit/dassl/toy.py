"""A dataset and trainers that use only the public engine API; the runs of the engine goldens.

The pictures and models are those of the golden runs, so their numbers must stay as they are.
"""

import ast
import os
import random
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum
from dassl.engine import TRAINER_REGISTRY, TrainerX, build_trainer
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import set_random_seed, setup_logger

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "engine"
CLASSES = ["red square", "green dot", "blue bar", "grey noise", "white"]
TRAIN = [5, 9, 4, 7, 6]  # images a class; unequal on purpose
VAL, TEST = 2, 3


def picture(label, index, data_seed):
    """uint8 [30, 40, 3]: a class colour at a place that moves, and noise."""
    rng = np.random.RandomState(data_seed * 10_000 + label * 100 + index)
    image = rng.randint(0, 120, (30, 40, 3)).astype(np.int64)
    top, left = rng.randint(0, 15), rng.randint(0, 20)
    image[top : top + 15, left : left + 20, label % 3] += 100 + 8 * label
    return np.clip(image, 0, 255).astype(np.uint8)


def write_images(root, data_seed=1):
    for label, count in enumerate(TRAIN):
        folder = Path(root) / "toy" / f"c{label}"
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count + VAL + TEST):
            image = Image.fromarray(picture(label, index, data_seed))
            image.save(folder / f"{index:02d}.png")


@DATASET_REGISTRY.register(force=True)
class ToyData(DatasetBase):
    dataset_dir = "toy"

    def __init__(self, cfg):
        root = os.path.join(os.path.abspath(cfg.DATASET.ROOT), self.dataset_dir)
        splits = {"train": [], "val": [], "test": []}
        for label, name in enumerate(CLASSES):
            index = 0
            for split, count in zip(splits, [TRAIN[label], VAL, TEST], strict=True):
                for _ in range(count):
                    path = os.path.join(root, f"c{label}", f"{index:02d}.png")
                    splits[split].append(Datum(impath=path, label=label, classname=name))
                    index += 1
        train, val = splits["train"], splits["val"]
        shots = cfg.DATASET.NUM_SHOTS
        if shots >= 1:
            train = self.generate_fewshot_dataset(train, num_shots=shots)
            val = self.generate_fewshot_dataset(val, num_shots=min(shots, 4))
        super().__init__(train_x=train, val=val, test=splits["test"])


@TRAINER_REGISTRY.register(force=True)
class ToyTrainer(TrainerX):
    """A linear classifier on pixels, written as CoOp-like trainers are."""

    def build_model(self):
        height, width = self.cfg.INPUT.SIZE
        linear = nn.Linear(3 * height * width, self.num_classes)
        self.model = nn.Sequential(nn.Flatten(), linear).to(self.device)
        optimizer = build_optimizer(self.model, self.cfg.OPTIM)
        schedule = build_lr_scheduler(optimizer, self.cfg.OPTIM)
        self.register_model("linear", self.model, optimizer, schedule)
        self.seen = []  # [epoch, batch, paths] of every training batch, in order

    def forward_backward(self, batch):
        pixels, target = self.parse_batch_train(batch)
        names = ["/".join(path.split(os.sep)[-2:]) for path in batch["impath"]]
        self.seen.append([self.epoch, self.batch_idx, names])
        logits = self.model(pixels)
        loss = F.cross_entropy(logits, target)
        self.model_backward_and_update(loss)
        if self.batch_idx == self.num_batches - 1:
            self.update_lr()
        (accuracy,) = compute_accuracy(logits, target)
        return {"loss": loss.detach(), "acc": accuracy.item()}

    def parse_batch_train(self, batch):
        return tuple(batch[key].to(self.device) for key in ("img", "label"))


@TRAINER_REGISTRY.register(force=True)
class ToyTwoModels(ToyTrainer):
    """Two registered modules, the second without an optimizer."""

    def build_model(self):
        super().build_model()
        self.register_model("frozen", nn.Linear(2, 2))


@TRAINER_REGISTRY.register(force=True)
class ToyWithExtra(ToyTwoModels):
    """Has everything that a resume must bring back.

    Random draws of all three generators in the step, a buffer, a running average of the weights
    in a further model, and a number of its own.
    """

    def build_model(self):
        super().build_model()
        self.model.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.average = nn.Linear(*self.model[1].weight.shape[::-1])
        self.average.load_state_dict(self.model[1].state_dict())
        self.average.requires_grad_(False)
        self.register_model("average", self.average)
        self.total = 0.0

    def forward_backward(self, batch):
        noise = torch.rand(1).item() + random.random() + np.random.rand()
        batch["img"] = batch["img"] + 0.1 * noise
        summary = super().forward_backward(batch)
        self.model.steps += 1
        self.total += noise
        for mean, value in zip(self.average.parameters(), self.model[1].parameters(), strict=True):
            mean.data.lerp_(value.data, 0.1)
        return summary

    def checkpoint_extra(self):
        return {"total": self.total}

    def load_extra(self, extra):
        self.total = extra["total"]


def golden_arguments(log_name):
    """The Arguments block of a golden log as a dictionary of strings."""
    text = (GOLDEN / log_name).read_text()
    return dict(re.findall(r"^(\w+): (.*)$", text.split("** Config **")[0], flags=re.MULTILINE))


def golden_options(log_name):
    """KEY, VALUE ... of a golden run."""
    return ast.literal_eval(golden_arguments(log_name)["opts"])


def make_config(root, output_dir, options=(), *, trainer="ToyTrainer", seed=1):
    cfg = get_cfg_default()
    cfg.DATASET.ROOT = str(root)
    cfg.OUTPUT_DIR = str(output_dir)
    cfg.SEED = seed
    cfg.TRAINER.NAME = trainer
    cfg.merge_from_list(list(options))
    cfg.freeze()
    return cfg


def start(cfg):
    """A new trainer with fresh generators, as train.py makes it."""
    if cfg.SEED >= 0:
        set_random_seed(cfg.SEED)
    return build_trainer(cfg)


def logged_run(cfg, action):
    """Build a trainer, call `action(trainer)`, its lines going to log.txt; returns the trainer."""
    logger = setup_logger(cfg.OUTPUT_DIR)
    try:
        trainer = start(cfg)
        action(trainer)
    finally:
        logger.close()
    return trainer


def lines_after_config(text, masks):
    """Lines from "Loading trainer" on, with times and folders masked as in the golden logs."""
    text = text[text.index("Loading trainer") :]
    for value, mask in masks.items():
        text = text.replace(str(value), mask)
    text = re.sub(r"(time|data) [\d.]+ \([\d.]+\)", r"\1 <T> (<T>)", text)
    text = re.sub(r"eta .*$", "eta <T>", text, flags=re.MULTILINE)
    return re.sub(r"Elapsed: .*$", "Elapsed: <T>", text, flags=re.MULTILINE).strip().splitlines()
