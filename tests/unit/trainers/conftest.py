"""A small CLIP, five classes and a batch for every trainer test."""

from types import SimpleNamespace

import pytest
import torch

import trainers  # noqa: F401  registers the methods
from dassl.engine import TRAINER_REGISTRY
from tests.support import command, prompt_run
from trainers.parts.register import ALIASES
from trainers.parts.trainer import PromptTrainer

NAMES = ["red apple", "golden_retriever", "Boeing 737-800", "forest", "sports car"]


def trained_methods():
    """Every registered method that trains, without the published aliases: tests run over all."""
    names = TRAINER_REGISTRY.registered_names()
    classes = {name: TRAINER_REGISTRY.get(name) for name in names if name not in ALIASES}
    return [n for n, c in classes.items() if issubclass(c, PromptTrainer) and c.trainable]


def yaml_of(name):
    """A published YAML of the method; zero-shot CLIP uses CoOp's."""
    folder = {"ZeroshotCLIP": "CoOp"}.get(name, name.removesuffix("DePT"))
    files = sorted(command.PROJECT.glob(f"configs/trainers/{folder}/vit_b16*.yaml"))
    return str(files[0].relative_to(command.PROJECT))


def precision_key(name):
    """The config key of a method's precision; "" where it has none."""
    return TRAINER_REGISTRY.get(name).precision_key


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(4, 3, 32, 32, generator=generator)
    return SimpleNamespace(image=image, label=torch.tensor([0, 3, 1, 3]))


@pytest.fixture
def make(small_vit, monkeypatch):
    """Builds a trainer in fp32: make("CoOpDePT", "KEY", value, ..., names=[...], seed=1)."""

    def call(trainer, *options, names=NAMES, seed=1, weights=small_vit, **dataset):
        key = precision_key(trainer)
        settings = ([key, "fp32"] if key else []) + list(options)
        cfg = prompt_run.config(trainer, yaml_of(trainer), weights, settings)
        return prompt_run.build(monkeypatch, cfg, names, seed, **dataset)

    return call
