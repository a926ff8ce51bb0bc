"""A small CLIP, five classes and a batch for every trainer test."""

from types import SimpleNamespace

import pytest
import torch

from tests.support import prompt_run

NAMES = ["red apple", "golden_retriever", "Boeing 737-800", "forest", "sports car"]
CONFIGS = {
    "CoOp": "configs/trainers/CoOp/vit_b16_ep10_bs4_lr35.yaml",
    "MaPLe": "configs/trainers/MaPLe/vit_b16_c2_ep10_batch4_2ctx.yaml",
    "ZeroshotCLIP": "configs/trainers/CoOp/vit_b16.yaml",
}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(4, 3, 32, 32, generator=generator)
    return SimpleNamespace(image=image, label=torch.tensor([0, 3, 1, 3]))


@pytest.fixture
def make(small_vit, monkeypatch):
    """Builds a trainer in fp32: make("CoOpDePT", "KEY", value, ..., names=[...], seed=1)."""

    def call(trainer, *options, names=NAMES, seed=1, weights=small_vit, **dataset):
        method = trainer.removesuffix("DePT")
        precision = {"CoOp": "TRAINER.COOP.PREC", "MaPLe": "TRAINER.MAPLE.PREC"}.get(method)
        settings = ([precision, "fp32"] if precision else []) + list(options)
        cfg = prompt_run.config(trainer, CONFIGS[method], weights, settings)
        return prompt_run.build(monkeypatch, cfg, names, seed, **dataset)

    return call
