"""The methods give the numbers of the published DePT code (tests/golden/dept, fp32, small CLIP).

How the arrays were made: tests/golden/README.md. Tolerance: 1e-4 of the largest element; trained
tensors by 1e-4 of their largest movement plus the float32 grid.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dassl.engine import TRAINER_REGISTRY
from tests.support import prompt_run

GOLDEN = Path(__file__).parents[2] / "golden" / "dept"
CASES = sorted(p.stem for p in GOLDEN.glob("*.npz") if p.stem not in ("inputs", "lr_10_epochs"))
DEPT = "ExtrasLinearProbe"  # how the published names of DePT's variants begin
SAMPLE_SEED, SAMPLE_SIZE = 13, 10_000
# Projections that start from a numpy recipe because they are too big to store: name word -> seed.
RECIPE_SEEDS = {"prompt_learner.proj.weight": 11, "compound_prompt_projections": 12}


class Case:
    """One golden case: its facts and arrays, and a trainer brought to its start."""

    def __init__(self, name, weights, monkeypatch):
        self.facts = json.loads((GOLDEN / f"{name}.json").read_text())
        self.arrays = np.load(GOLDEN / f"{name}.npz")
        self.inputs = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / "inputs.npz").items()}
        self.weights, self.monkeypatch = weights, monkeypatch

    def build(self, classnames, subsample, seed=1):
        facts = self.facts
        options = [*facts["overrides"], "DATASET.SUBSAMPLE_CLASSES", subsample]
        if facts["case"].endswith("_xd") and classnames is facts["classnames"]:
            options += ["DATASET.NAME", "ImageNet"]
        cfg = prompt_run.config(facts["trainer"], facts["config_file"], self.weights, options)
        return prompt_run.build(self.monkeypatch, cfg, classnames, seed)

    def trained(self, word):
        """Names that the published code lists under `word`, without those of parts that it never
        uses."""
        ignored = TRAINER_REGISTRY.get(self.facts["trainer"]).model_class.ignored_keys
        return {name for name in self.facts[word] if not name.startswith(ignored)}

    def batches(self):
        """The training batches: CoCoOp's have one image."""
        size = self.facts["batch_size"]
        for image, label in zip(self.inputs["images"], self.inputs["labels"], strict=True):
            yield image[:size], label[:size].long()

    def start(self):
        overrides = self.facts["overrides"]
        subsample = overrides[overrides.index("DATASET.SUBSAMPLE_CLASSES") + 1]
        trainer = self.build(self.facts["classnames"], subsample)
        with torch.no_grad():
            for name, tensor in trainer.model.named_parameters():
                tensor.copy_(torch.from_numpy(self.initial(name, tensor)))
        return trainer

    def initial(self, name, tensor):
        if f"init/{name}" in self.arrays:
            return self.arrays[f"init/{name}"]
        seed = next(seed for word, seed in RECIPE_SEEDS.items() if word in name)
        draw = np.random.RandomState(seed).standard_normal(tuple(tensor.shape))
        return (draw * 0.02).astype(np.float32)

    def train(self, trainer):
        """Runs the four steps; returns losses, learning rates and the first gradients."""
        losses, rates, gradients = [], [], {}
        for number, (image, label) in enumerate(self.batches()):
            rates.append([group["lr"] for group in trainer.optim.param_groups])
            report = prompt_run.step(trainer, image, label, number % 2)
            losses.append(float(report["loss"]))
            if number == 0:
                gradients = {
                    name: tensor.grad.numpy().copy()
                    for name, tensor in trainer.model.named_parameters()
                    if tensor.grad is not None
                }
        return losses, rates, gradients

    def stored(self, kind, name, value):
        """The golden array of a tensor, and the same elements of `value` [flat sample for big
        ones]."""
        key = f"{kind}/{name}"
        if key in self.arrays:
            return self.arrays[key], value
        order = np.random.RandomState(SAMPLE_SEED)
        places = np.sort(order.choice(value.size, SAMPLE_SIZE, replace=False))
        return self.arrays[f"{key}@sample"], value.reshape(-1)[places]


def assert_near(actual, golden, what):
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= 1e-4 * np.abs(golden).max(), f"{what}: off by {error}"


@torch.no_grad()
def assert_heads_match(model, images, arrays):
    """Both of DePT's after training."""
    features = model.features(images)
    assert_near(model.similarity(features), arrays["logits_similarity"], "similarity")
    assert_near(model.head_logits(features, model.head_rows()), arrays["logits_linear"], "linear")


@pytest.fixture(params=CASES)
def case(request, tiny_vit, monkeypatch):
    return Case(request.param, tiny_vit, monkeypatch)


def test_training_and_evaluation_match_the_published_code(case, tmp_path):
    arrays, facts = case.arrays, case.facts
    trainer = case.start()
    assert np.array_equal(trainer.model.prompt_learner.tokenized_prompts, arrays["tokens_base"])
    images = case.inputs["eval_images"]
    assert_near(prompt_run.logits(trainer, images), arrays["logits_init"], "logits before training")
    if facts["trainer"].startswith(DEPT):
        image, _ = next(case.batches())
        similarity = trainer.model.similarity(trainer.model.features(image)).detach()
        assert_near(similarity, arrays["step0_logits_similarity"], "similarity at the first step")

    losses, rates, gradients = case.train(trainer)
    assert_near(losses, arrays["loss"], "losses")
    groups = len(rates[0])
    np.testing.assert_allclose(rates, arrays["lr"][:, :groups], rtol=1e-9)
    trained = dict(trainer.model.named_parameters())
    assert set(trained) == case.trained("trainable")
    assert set(trained) - set(gradients) == case.trained("no_gradient")
    for name, gradient in gradients.items():
        golden, actual = case.stored("grad0", name, gradient)
        assert_near(actual, golden, f"gradient of {name}")
    for name in case.trained("no_gradient"):
        assert np.array_equal(trained[name].detach(), case.initial(name, trained[name]))
    for name in gradients:
        start = case.initial(name, trained[name])
        golden, actual = case.stored("final", name, trained[name].detach().numpy())
        _, start = case.stored("final", name, start)
        allowed = 1e-4 * np.abs(golden - start).max() + 2.5e-7 * np.abs(golden).max()
        assert np.abs(actual - golden).max() <= allowed, f"{name} after training"
    assert_near(prompt_run.logits(trainer, images), arrays["logits"], "logits after training")
    if facts["trainer"].startswith(DEPT):
        assert_heads_match(trainer.model, images, arrays)

    trainer.save_model(1, str(tmp_path))
    (folder,) = facts["registered_models"]
    assert (tmp_path / folder / "model.pth.tar-2").is_file()
    if "logits_new" in arrays:
        other = case.build(facts["new_classnames"], facts["test_subsample_classes"], seed=5)
        other.load_model(str(tmp_path), epoch=2)
        assert_near(prompt_run.logits(other, images), arrays["logits_new"], "logits, other classes")
    if "logits_newsame" in arrays:
        other = case.build(facts["newsame_classnames"], "new", seed=5)
        other.load_model(str(tmp_path), epoch=2)
        assert_near(
            prompt_run.logits(other, images), arrays["logits_newsame"], "logits, same count"
        )


# Keys that stand beside the prompt learner's in files of the whole model.
TOP_LEVEL = ("prompt_learner.", "film_lp", "linear_probe", "adapter.", "logit_scale")


def tower_key(key):
    """DePT's name of a CLIP tensor; "" for those that its files do not hold as a tower's."""
    if key in ("token_embedding.weight", "logit_scale"):
        return ""
    if key.startswith("visual."):
        return key.replace("visual.", "image_encoder.", 1)
    return f"text_encoder.{key}"


def published_state(case, model):
    """What the published code saves: the trained tensors, those it never uses, buffers of the
    classnames and, for DePT, towers under its own names, here with numbers that nobody is to
    take."""
    draw = np.random.RandomState(3)
    state = {}
    for key, shape in case.facts["state_dict"].items():
        name = key if key.startswith(TOP_LEVEL) else f"prompt_learner.{key}"
        value = case.arrays.get(f"final/{name}", case.arrays.get(f"init/{name}"))
        state[key] = torch.from_numpy(
            np.asarray(draw.standard_normal(shape) if value is None else value)
        )
    if case.facts["state_dict_tower_tensors"]:
        shapes = {key: value.shape for key, value in model.clip.state_dict().items()}
        towers = {tower_key(key): torch.tensor(0.5).expand(s) for key, s in shapes.items()}
        towers.pop("")
        assert len(towers) == case.facts["state_dict_tower_tensors"]
        state.update(towers)
    return state


# MaPLe's projections are stored as samples: no file can be made of them.
WHOLE = [c for c in CASES if "maple" not in c]


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_of_the_published_code_gives_its_logits(name, tiny_vit, monkeypatch, tmp_path):
    case = Case(name, tiny_vit, monkeypatch)
    facts, images = case.facts, case.inputs["eval_images"]
    (folder,) = facts["registered_models"]
    trainer = case.start()
    (tmp_path / folder).mkdir()
    content = {"state_dict": published_state(case, trainer.model), "epoch": 2, "optimizer": None}
    torch.save(content, tmp_path / folder / "model.pth.tar-2")
    trainer.load_model(str(tmp_path), epoch=2)
    assert_near(prompt_run.logits(trainer, images), case.arrays["logits"], "logits")
    if "logits_new" in case.arrays:
        other = case.build(facts["new_classnames"], facts["test_subsample_classes"], seed=5)
        other.load_model(str(tmp_path), epoch=-1)
        assert_near(prompt_run.logits(other, images), case.arrays["logits_new"], "logits, new")


@pytest.mark.parametrize("trainer", json.loads((GOLDEN / "lr_10_epochs.json").read_text())["runs"])
def test_learning_rates_follow_the_published_schedule(trainer, tiny_vit, monkeypatch):
    name = trainer.lower().replace("extraslinearprobe", "elp_")
    case = Case(name, tiny_vit, monkeypatch)
    golden = np.load(GOLDEN / "lr_10_epochs.npz")[trainer]
    case.facts["overrides"] += ["OPTIM.MAX_EPOCH", "10"]
    run = case.build(case.facts["classnames"], "base")
    rates = []
    for _ in range(10):
        rates.append([group["lr"] for group in run.optim.param_groups])
        run.optim.step()  # moves nothing: there are no gradients
        run.update_lr()
    np.testing.assert_allclose(rates, golden[:, : len(rates[0])], rtol=1e-9)
