"""TCP, MMA, MMRL and MMRL++ give the numbers of the published code (tests/golden, fp32).

How the arrays were made: tests/golden/README.md. Tolerances: losses 1e-5 relative, first gradients
1e-4 of their largest element, the ways of trained tensors 3e-4 of their length, logits 1e-4.
"""

import numpy as np
import pytest
import torch

from tests.support import prompt_run
from tests.support.golden_run import FOLDER
from tests.support.golden_tower import TowerRun

GROUPS = {"mma": "vit12_narrow", "mmrl": "vit12_narrow", "tcp": "vit12"}
CASES = [
    (group, path.stem)
    for group in GROUPS
    for path in sorted((FOLDER / group).glob("*.npz"))
    if path.stem != "inputs"
]

# Of the others, which differ in templates and settings, losses and logits are stored.
WHOLE = [pair for pair in CASES if pair[1] in ("mma_all", "mma_part", "mmrl_part", "mmrlpp", "tcp")]


def load(request, monkeypatch):
    group, name = request.param
    return TowerRun(group, name, request.getfixturevalue(GROUPS[group]), monkeypatch)


@pytest.fixture(params=CASES, ids=lambda pair: pair[1])
def case(request, monkeypatch):
    return load(request, monkeypatch)


@pytest.fixture(params=WHOLE, ids=lambda pair: pair[1])
def whole_case(request, monkeypatch):
    return load(request, monkeypatch)


def assert_logits(trainer, case, key):
    logits = prompt_run.logits(trainer, case.inputs["eval_images"])
    np.testing.assert_allclose(logits, case.arrays[key], rtol=0, atol=1e-4, err_msg=key)


def test_start_matches(case):
    trainer = case.start()
    shapes = {name: list(tensor.shape) for name, tensor in trainer.model.named_parameters()}
    assert shapes == case.facts["trainable"]
    assert_logits(trainer, case, "logits_init")


def test_training_matches_the_published_code(case, tmp_path):
    """And what it leaves scores new classes as published."""
    trainer, rates, losses = case.start(), [], []
    starts = {name: tensor.clone() for name, tensor in prompt_run.trained(trainer).items()}
    for rate, report in case.steps(trainer):
        rates.append(rate)
        losses.append(float(report["loss"]))
        if len(losses) == 1:
            for name, tensor in case.compared("grad0", trainer):
                case.assert_gradient(name, tensor.grad.numpy())
    np.testing.assert_allclose(rates, case.facts["lr_per_step"], rtol=1e-12)
    np.testing.assert_allclose(losses, [step["loss"] for step in case.facts["losses"]], rtol=1e-5)
    for name, tensor in case.compared("final", trainer):
        case.assert_moved(name, tensor.detach().numpy(), starts[name].detach().numpy())
    assert_logits(trainer, case, "logits")
    if "logits_new" in case.arrays:
        (folder,) = case.facts["registered_models"]
        new = prompt_run.handed_on(trainer, case.for_new(), tmp_path, folder)
        assert_logits(new, case, "logits_new")


def test_files_have_the_published_keys_and_published_files_load(whole_case, tmp_path):
    case = whole_case
    (folder,) = case.facts["registered_models"]
    trained = case.start()
    trained.save_model(1, str(tmp_path))
    path = tmp_path / folder / "model.pth.tar-2"
    content = torch.load(path, weights_only=True)
    state, published = content["state_dict"], case.facts["state_dict"]
    assert {name: list(tensor.shape) for name, tensor in state.items()}.items() <= published.items()
    remade = {name: torch.zeros(shape) for name, shape in published.items() if name not in state}
    towers = {name for name, count in case.facts["state_dict_tower_tensors"].items() if count}
    frozen = {f"{name}.ln_post.weight": torch.zeros(3) for name in towers}
    plain = {"epoch": 2, "optimizer": {}, "scheduler": {}, "val_result": None}
    torch.save({"state_dict": {**state, **remade, **frozen}, **plain}, path)
    other = case.build(seed=7)
    other.load_model(str(tmp_path), epoch=2)
    assert_logits(other, case, "logits_init")
