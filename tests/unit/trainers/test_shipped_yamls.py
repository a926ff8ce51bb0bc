"""Every YAML of configs/trainers makes a trainer that takes a step."""

import pytest
import torch

from dassl.engine import TRAINER_REGISTRY
from tests.support import command, prompt_run
from tests.unit.trainers.conftest import NAMES, dataset_of, needed_options
from trainers.parts import run_config

FOLDER = command.PROJECT / "configs" / "trainers"
YAMLS = sorted(FOLDER.rglob("*.yaml"))
# Published folders that are not named after a trainer.
TRAINERS = {"ZeroShot": "ZeroshotCLIP", "LP": "LinearProbe"}


def trainer_of(file):
    known = TRAINER_REGISTRY.registered_names()
    names = [TRAINERS.get(file.parent.name, ""), *run_config.folder_names(file.parent.name)]
    return next(name for name in names if name in known)


def test_the_tree_is_walked():
    assert {file.parent.parent for file in YAMLS} == {FOLDER}
    assert len(YAMLS) >= 55


@pytest.mark.parametrize("file", YAMLS, ids=[f"{f.parent.name}-{f.stem}" for f in YAMLS])
def test_a_trainer_is_built_and_takes_a_step(file, deep_vit, monkeypatch):
    name = trainer_of(file)
    path = str(file.relative_to(command.PROJECT))
    cfg = prompt_run.config(name, path, deep_vit, needed_options(name))
    joint = cfg.TEST.EVALUATOR == "ClassificationMT"
    dataset = dataset_of("SoftCPT" if joint else name, NAMES)
    trainer = prompt_run.build(monkeypatch, cfg, **dataset)
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    if trainer.trainable:
        before = [tensor.clone() for tensor in trainer.model.parameters()]
        report = prompt_run.step(trainer, image, torch.tensor([0, 3]))
        assert torch.isfinite(report["loss"])
        moved = zip(trainer.model.parameters(), before, strict=True)
        assert any(not torch.equal(*pair) for pair in moved)
    assert prompt_run.logits(trainer, image).shape == (2, 5)


@pytest.mark.parametrize("file", YAMLS, ids=[f"{f.parent.name}-{f.stem}" for f in YAMLS])
def test_the_first_lines_say_what_it_is_and_how_it_is_run(file):
    first, second, *_ = file.read_text().splitlines()
    assert first.startswith("# ") and len(first) > 20
    header = file.read_text().split("\nDATALOADER")[0]
    assert any(line.startswith("#   ") for line in header.splitlines()), second
