"""Builds trainers on a small CLIP with a data manager that only knows classnames."""

from types import SimpleNamespace

import torch

from dassl.engine import TrainerX, build_trainer
from train import build_parser, setup_cfg

SMALL = (
    *("INPUT.SIZE", "(32, 32)"),
    *("OPTIM.MAX_EPOCH", "5"),
    *("USE_CUDA", "False"),
    *("DATASET.SUBSAMPLE_CLASSES", "base"),
)
PETS = "configs/datasets/oxford_pets.yaml"


def config(trainer, config_file, weights, options=()):
    """The config of a run as train.py makes it."""
    words = ["--trainer", trainer, "--config-file", config_file, "--dataset-config-file", PETS]
    words += ["--backbone", str(weights), *SMALL, *map(str, options)]
    return setup_cfg(build_parser().parse_args(words))


def build(monkeypatch, cfg, classnames, seed=1, **dataset):
    """A trainer for the given classes, without any data."""

    def stub_data(trainer):
        trainer.dm = SimpleNamespace(dataset=SimpleNamespace(classnames=classnames, **dataset))
        trainer.num_classes = len(classnames)
        trainer.lab2cname = dict(enumerate(classnames))
        trainer.train_loader_x = trainer.val_loader = trainer.test_loader = None
        trainer.train_loader_u = None

    monkeypatch.setattr(TrainerX, "build_data_loader", stub_data)
    torch.manual_seed(seed)
    trainer = build_trainer(cfg)
    trainer.set_model_mode("train")
    return trainer


def step(trainer, image, label, batch_idx=0, num_batches=2):
    """One training step on images [B, 3, H, H] and labels [B]."""
    trainer.batch_idx, trainer.num_batches = batch_idx, num_batches
    return trainer.forward_backward({"img": image, "label": label})


@torch.no_grad()
def logits(trainer, image):
    """Logits [B, C] of evaluation."""
    trainer.set_model_mode("eval")
    return trainer.model_inference(image)
