"""CoPrompt gives the numbers of the published code (tests/golden/coprompt, fp32).

How the arrays were made: tests/golden/README.md. Tolerance: 1e-4 of the largest element, trained
tensors by their movement.
"""

import json
import random

import numpy as np
import pytest
import torch

from tests.support import prompt_run
from tests.support.golden_run import FOLDER, GoldenRun

CASES = sorted(path.stem for path in (FOLDER / "coprompt").glob("*.npz"))
SAMPLE_SEED, SAMPLE_SIZE = 13, 2000


class Case(GoldenRun):
    """A case whose sentences lie in a file, and whose big tensors start from a recipe."""

    def __init__(self, name, weights, monkeypatch, folder):
        super().__init__("coprompt", name, weights, monkeypatch)
        self.file = folder / "sentences.json"
        self.file.write_text(json.dumps(self.facts["sentences"]))

    def build(self, *options, **more):
        return super().build("TRAINER.CoPrompt.SENTENCES", self.file, *options, **more)

    def initial(self, name, shape):
        if f"init/{name}" in self.arrays:
            return self.arrays[f"init/{name}"]
        draw = np.random.RandomState(self.facts["recipes"][name]).standard_normal(tuple(shape))
        return (draw * 0.02).astype(np.float32)

    def start(self):
        trainer = self.build()
        with torch.no_grad():
            for name, tensor in trainer.model.named_parameters():
                tensor.copy_(torch.from_numpy(self.initial(name, tensor.shape)))
        return trainer

    def stored(self, key, value):
        """The golden array, and the same elements of a value."""
        if key in self.arrays:
            return self.arrays[key], value
        order = np.random.RandomState(SAMPLE_SEED)
        places = np.sort(order.choice(value.size, SAMPLE_SIZE, replace=False))[::5]
        return self.arrays[f"{key}@sample"], value.reshape(-1)[places]

    def steps(self, trainer):
        random.seed(self.facts["python_seed"])
        trainer.num_batches = 2
        pairs = zip(self.inputs["images"], self.inputs["labels"].long(), strict=True)
        for number, (image, label) in enumerate(pairs):
            trainer.batch_idx = number % 2
            rates = [group["lr"] for group in trainer.optim.param_groups]
            batch = {"img": [image, image.flip(-1)], "label": label}
            yield rates, trainer.forward_backward(batch)


@pytest.fixture(params=CASES)
def case(request, tiny_vit, monkeypatch, tmp_path):
    return Case(request.param, tiny_vit, monkeypatch, tmp_path)


def assert_near(actual, golden, what, floor=0.0):
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= 1e-4 * np.abs(golden).max() + floor, f"{what}: off by {error}"


def test_training_and_evaluation_match_the_published_code(case, tmp_path):
    trainer, arrays, facts = case.start(), case.arrays, case.facts
    images = case.inputs["eval_images"]
    trained = dict(trainer.model.named_parameters())
    assert {name: list(t.shape) for name, t in trained.items()} == facts["trainable"]
    assert_near(trainer.model.sentences(), arrays["sentences"], "sentences")
    assert_near(prompt_run.logits(trainer, images), arrays["logits_init"], "logits at the start")
    trainer.set_model_mode("train")
    losses, rates = [], []
    for rate, report in case.steps(trainer):
        for name, tensor in trained.items() if not losses else ():
            golden, gradient = case.stored(f"grad0/{name}", tensor.grad.numpy())
            assert_near(gradient, golden, f"gradient of {name}")
        rates.append(rate)
        losses.append(float(report["loss"]))
    np.testing.assert_allclose(losses, facts["losses"], rtol=1e-4)
    np.testing.assert_allclose(rates, facts["lr_per_step"], rtol=1e-9)
    for name, tensor in trained.items():
        golden, actual = case.stored(f"final/{name}", tensor.detach().numpy())
        _, start = case.stored(f"final/{name}", case.initial(name, tensor.shape))
        grid = 2.5e-7 * np.abs(golden).max()
        assert_near(actual - start, golden - start, f"{name} after training", grid)
    assert_near(prompt_run.logits(trainer, images), arrays["logits"], "logits")

    (folder,) = facts["registered_models"]
    new = prompt_run.handed_on(trainer, case.for_new(), tmp_path, folder)
    assert_near(prompt_run.logits(new, images), arrays["logits_new"], "logits on new classes")


def test_a_published_file_loads(case, tmp_path):
    """It holds both towers, a second CLIP and token buffers, which nothing reads."""
    trainer = case.start()
    state = {name: t.clone() for name, t in trainer.model.state_dict().items()}
    assert {name.split(".")[0] for name in state} <= set(case.facts["state_dict_parts"])
    for part in set(case.facts["state_dict_parts"]) - {name.split(".")[0] for name in state}:
        state[f"{part}.visual.proj" if part != "logit_scale" else part] = torch.zeros(())
    state["prompt_learner.token_prefix"] = torch.zeros(5, 1, 512)
    place = tmp_path / "MultiModalPromptLearner" / "model.pth.tar-8"
    place.parent.mkdir()
    torch.save({"state_dict": state, "epoch": 8}, place)
    other = case.build(seed=4)
    other.load_model(str(tmp_path), epoch=8)
    images = case.inputs["eval_images"]
    assert_near(prompt_run.logits(other, images), case.arrays["logits_init"], "logits")
