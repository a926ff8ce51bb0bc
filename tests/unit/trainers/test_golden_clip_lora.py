"""CLIP-LoRA gives the numbers of the published code (tests/golden/clip_lora, fp32).

With dropout only the first loss can agree: the masks are random. Where its rate is nearly 0, losses
and gradients agree to 1e-4, and the ways of the trained tensors to 3e-4 of their length. At a rate
of 0 the published code adds the update to the weights in every step and takes it off again; Adam's
first steps, which only know signs, make that rounding large in single elements. There the tensors
are compared by the logits that they give.
"""

import numpy as np
import pytest
import torch

from dassl.utils.errors import CheckpointMismatchError
from tests.support import prompt_run
from tests.support.golden_run import FOLDER
from tests.support.golden_tower import TowerRun

CASES = sorted(path.stem for path in (FOLDER / "clip_lora").glob("lora*.npz"))
EXACT = [name for name in CASES if name not in ("lora", "lora_nodrop")]
NODE = "TRAINER.CLIPLORA"
YAML = "configs/trainers/CLIPLoRA/vit_b16.yaml"
KEYS = {
    **{"r": "R", "alpha": "ALPHA", "dropout_rate": "DROPOUT", "params": "PARAMS"},
    **{"encoder": "ENCODER", "position": "POSITION", "n_iters": "N_ITERS"},
}


class LoraRun(TowerRun):
    """A case, whose tensors are named by their place in the towers."""

    def build(self, *options, classnames=None, seed=1):
        found = self.facts["options"]
        words = [f"{NODE}.PREC", "fp32", "OPTIM.LR", found["lr"], "DATASET.NUM_SHOTS", 1]
        words += [word for old, new in KEYS.items() for word in (f"{NODE}.{new}", found[old])]
        cfg = prompt_run.config("CLIPLoRA", YAML, self.weights, [*words, *options])
        names = classnames or self.facts["classnames"]
        return prompt_run.build(self.monkeypatch, cfg, names, seed)

    def named(self, trainer):
        roots = {"text": "transformer", "visual": "visual.transformer"}
        for number, (tower, block) in enumerate(trainer.model.lora.places):
            layer = trainer.model.lora[f"layer_{number}"]
            for name, tensor in layer.named_parameters():
                yield f"{roots[tower]}.resblocks.{block}.attn.{name}", tensor


def load(name, weights, monkeypatch):
    shared = None if name in EXACT else "lora_tiny_drop"
    return LoraRun("clip_lora", name, weights, monkeypatch, shared)


def train(trainer, case):
    """Takes the case's steps; after each yields the LR it ran at and its loss."""
    images, labels = case.inputs["images"], case.inputs["labels"].long()
    for number in range(case.facts["steps"]):
        rate = trainer.get_current_lr()
        report = prompt_run.step(trainer, images[number], labels[number], number, 4)
        yield rate, float(report["loss"])


@pytest.fixture(params=CASES)
def case(request, vit12_narrow, monkeypatch):
    return load(request.param, vit12_narrow, monkeypatch)


@pytest.fixture(params=EXACT)
def exact_case(request, vit12_narrow, monkeypatch):
    return load(request.param, vit12_narrow, monkeypatch)


def logits(trainer, case):
    """Those of evaluation without the temperature, as published."""
    return prompt_run.logits(trainer, case.inputs["eval_images"]) / 100


def test_start_and_first_loss_match(case):
    trainer = case.start()
    shapes = {name: list(tensor.shape) for name, tensor in case.named(trainer)}
    assert shapes == case.facts["trainable"]
    zero_shot = case.arrays["logits_zero_shot"]
    scale = 100 if np.abs(zero_shot).max() > 1 else 1
    np.testing.assert_allclose(scale * logits(trainer, case), zero_shot, rtol=0, atol=5e-5)
    trainer.set_model_mode("train")
    image, label = case.inputs["images"][0], case.inputs["labels"][0].long()
    report = prompt_run.step(trainer, image, label)
    np.testing.assert_allclose(float(report["loss"]), case.facts["losses"][0], rtol=1e-5)


def test_training_matches_the_published_code(exact_case):
    case, trainer = exact_case, exact_case.start()
    starts = {name: tensor.detach().numpy().copy() for name, tensor in case.named(trainer)}
    taken = []
    for step in train(trainer, case):
        taken.append(step)
        if len(taken) == 1:
            for name, tensor in case.compared("grad0", trainer):
                case.assert_like("grad0", name, tensor.grad.numpy(), 1e-4)
    rates, losses = zip(*taken, strict=True)
    np.testing.assert_allclose(rates, case.facts["lr_per_step"], rtol=1e-6)
    np.testing.assert_allclose(losses, case.facts["losses"], rtol=1e-5)
    for name, tensor in case.compared("final", trainer):
        moved = tensor.detach().numpy() - starts[name]
        golden = case.arrays[f"final/{name}"] - starts[name]
        assert np.linalg.norm(moved - golden) <= 3e-4 * np.linalg.norm(golden), name
    np.testing.assert_allclose(logits(trainer, case), case.arrays["logits"], rtol=0, atol=5e-5)


def test_training_without_dropout_matches_as_far_as_rounding_lets_it(vit12_narrow, monkeypatch):
    case = load("lora_nodrop", vit12_narrow, monkeypatch)
    trainer = case.start()
    losses = [loss for _, loss in train(trainer, case)]
    np.testing.assert_allclose(losses, case.facts["losses"], rtol=1e-4)
    np.testing.assert_allclose(logits(trainer, case), case.arrays["logits"], rtol=0, atol=1e-4)


def test_a_published_file_and_ours_score_as_published(exact_case, tmp_path):
    case, trained = exact_case, exact_case.start()
    for _ in train(trained, case):
        pass
    trained.save_model(0, str(tmp_path))
    published = torch.load(tmp_path / "lora_weights.pt", weights_only=True)
    expected = case.facts["checkpoint"]
    assert published["metadata"] == expected["metadata"]
    assert len(published["weights"]) == expected["layers"]
    shapes = {
        projection: {matrix: list(tensor.shape) for matrix, tensor in matrices.items()}
        for projection, matrices in published["weights"]["layer_0"].items()
    }
    assert shapes == expected["layer_0"]
    (tmp_path / "published").mkdir()
    (tmp_path / "lora_weights.pt").rename(tmp_path / "published" / "lora_weights.pt")
    new = {"classnames": case.facts["new_classnames"], "seed": 5}
    for place in (tmp_path, tmp_path / "published"):
        for made, key in ((case.build(), "logits"), (case.build(**new), "logits_new")):
            made.load_model(str(place))
            np.testing.assert_allclose(logits(made, case), case.arrays[key], rtol=0, atol=5e-5)
            with made.model.fixed_weights():  # updates are merged into the weights
                np.testing.assert_allclose(logits(made, case), case.arrays[key], rtol=0, atol=5e-5)
    with pytest.raises(CheckpointMismatchError, match="this run 7"):
        case.build(f"{NODE}.ALPHA", 7).load_model(str(tmp_path / "published"))
