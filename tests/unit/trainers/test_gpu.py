"""The methods on a CUDA device, in the published precisions."""

import pytest
import torch

from tests.support import prompt_run
from tests.unit.trainers.conftest import (
    NAMES,
    needed_options,
    precision_key,
    trained_methods,
    yaml_of,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def build(name, precision, weights, monkeypatch):
    key = precision_key(name)
    options = ["USE_CUDA", "True", key, precision, "OPTIM.WARMUP_EPOCH", "-1"]
    options += needed_options(name)
    cfg = prompt_run.config(name, yaml_of(name), weights, options)
    return prompt_run.build(monkeypatch, cfg, NAMES)


@pytest.mark.parametrize("precision", ["fp16", "amp", "bf16"])
@pytest.mark.parametrize("name", trained_methods())
def test_losses_stay_near_those_of_float32(name, precision, deep_vit, monkeypatch, batch):
    exact = build(name, "fp32", deep_vit, monkeypatch)
    rough = build(name, precision, deep_vit, monkeypatch)
    rough.model.load_state_dict(exact.model.state_dict())
    for _ in range(3):
        losses = []
        for trainer in (rough, exact):
            torch.manual_seed(4)  # of dropout
            losses.append(prompt_run.step(trainer, batch.image, batch.label)["loss"])
        torch.testing.assert_close(losses[0].float(), losses[1], rtol=3e-2, atol=3e-2)


def test_zero_shot_runs_in_half(tiny_vit, monkeypatch, batch):
    options = ["USE_CUDA", "True", "DATASET.NAME", "OxfordPets"]
    cfg = prompt_run.config("ZeroshotCLIP", yaml_of("ZeroshotCLIP"), tiny_vit, options)
    trainer = prompt_run.build(monkeypatch, cfg, NAMES)
    assert trainer.model.clip.dtype == torch.float16
    assert torch.isfinite(prompt_run.logits(trainer, batch.image.cuda())).all()
