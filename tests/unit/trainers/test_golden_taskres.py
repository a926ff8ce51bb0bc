"""TaskRes gives the numbers of the published code (tests/golden/taskres, fp32).

How the arrays were made: tests/golden/README.md. Tolerance: 1e-4 of the largest element. A name
with an underscore, ImageNet's ensemble and the weight of the residual would each show.
"""

import numpy as np
import pytest
import torch

from tests.support import prompt_run
from tests.support.golden_run import FOLDER, GoldenRun

CASES = sorted(path.stem for path in (FOLDER / "taskres").glob("taskres*.npz"))
RESIDUALS = "prompt_learner.text_feature_residuals"


@pytest.fixture(params=CASES)
def case(request, tiny_vit, monkeypatch):
    return GoldenRun("taskres", request.param, tiny_vit, monkeypatch)


def assert_near(actual, golden, what, share=1e-4):
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= share * np.abs(golden).max(), f"{what}: off by {error}"


def test_training_matches_the_published_code(case):
    trainer, arrays, images = case.build(), case.arrays, case.inputs["eval_images"]
    assert_near(trainer.model.references, arrays["base_text_features"], "base features")
    assert_near(prompt_run.logits(trainer, images), arrays["logits_init"], "logits at the start")
    trainer.set_model_mode("train")
    losses, rates = [], []
    for rate, report in case.steps(trainer):
        if not losses:
            gradient = dict(trainer.model.named_parameters())[RESIDUALS].grad
            assert_near(gradient, arrays["grad0/text_feature_residuals"], "first gradient")
        rates.append(rate)
        losses.append(float(report["loss"]))
    np.testing.assert_allclose(rates, case.facts["lr_per_step"], rtol=1e-12)
    np.testing.assert_allclose(losses, case.facts["losses"], rtol=1e-4)
    final = dict(trainer.model.named_parameters())[RESIDUALS].detach()
    assert_near(final, arrays["final/text_feature_residuals"], "residuals", 1e-3)  # Adam: g / |g|
    assert_near(prompt_run.logits(trainer, images), arrays["logits"], "logits")


def test_a_published_file_scores_as_published(case, tmp_path):
    place = tmp_path / "prompt_learner" / "model.pth.tar-200"
    place.parent.mkdir()
    state = {"text_feature_residuals": case.arrays["final/text_feature_residuals"]}
    state["base_text_features"] = case.arrays["base_text_features"]
    assert set(state) == set(case.facts["state_dict"])
    torch.save(
        {"state_dict": {k: torch.from_numpy(v) for k, v in state.items()}, "epoch": 200}, place
    )
    trainer = case.build()
    trainer.load_model(str(tmp_path), epoch=200)
    logits = prompt_run.logits(trainer, case.inputs["eval_images"])
    assert_near(logits, case.arrays["logits"], "logits")


def test_an_enhanced_base_is_projected_as_published(tiny_vit, monkeypatch, tmp_path):
    """The published code reads it only where the text tower is in half, so rounding is allowed."""
    draw = np.random.RandomState(21).standard_normal((512, 512)).astype(np.float32)
    weight = torch.from_numpy(draw * 512**-0.5)
    torch.save({"state_dict": {"weight": weight}}, tmp_path / "base.pth.tar")
    case = GoldenRun("taskres", "taskres", tiny_vit, monkeypatch)
    trainer = case.build("TRAINER.TaskRes.ENHANCED_BASE", tmp_path / "base.pth.tar")
    golden = np.load(FOLDER / "taskres" / "enhanced.npz")["base_text_features"]
    assert_near(trainer.model.references, golden, "enhanced base", 3e-3)
