"""SoftCPT and its hard baselines give the numbers of the published code (tests/golden/softcpt,
fp32, small ResNet CLIP).

How the arrays were made: tests/golden/README.md. Tolerances: logits before training, first loss and
first gradients 1e-5 of the largest element; tensors after the first batch 1e-6; everything later
1e-3, as the large rate of the second epoch amplifies rounding.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import prompt_run, tiny_clip
from tests.support.prompt_run import trained
from trainers.parts.classes import Task
from trainers.parts.task_training import sample_classes

GOLDEN = Path(__file__).parents[2] / "golden" / "softcpt"
CASES = sorted(p.stem for p in GOLDEN.glob("*.npz") if p.stem.startswith(("softcpt_", "mtcoop")))
# Other classes that a case is tested on beside "new", which class-specific contexts refuse; those
# of a frozen class context were scored with one newly drawn.
OTHER_CLASSES = {
    "softcpt_csta": ("newsame",),
    "softcpt_csts": ("newsame",),
    "softcpt_nats": ("new", "newsame"),
    "softcpt_x_freezecls": (),
    "mtcoop_hard_perclass": ("newsame",),
    "mtcoop_hard_pertask": ("new", "newsame"),
}
STRIDE = 16  # of the elements kept of larger contexts


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return tiny_clip.saved(tmp_path_factory.mktemp("weights") / "resnet.pt", kind="resnet")


def batches():
    """The four batches of 4 images and joint labels, from the recipe that the golden run used."""
    random = np.random.RandomState(7)
    for _ in range(4):
        image = random.standard_normal((4, 3, 64, 64)).astype(np.float32)
        yield torch.from_numpy(image), torch.from_numpy(random.randint(9, size=4))


@cache
def meta_network(shape):
    """The start of `prompt_gen.proj`, by the recipe of the golden run."""
    return (np.random.RandomState(11).standard_normal(shape) * 0.02).astype(np.float32)


@cache
def sampled_places(size):
    """Which elements of a flat `prompt_gen.proj` are kept."""
    return np.sort(np.random.RandomState(13).choice(size, 20_000, replace=False))[::10]


def eval_images():
    image = np.random.RandomState(8).standard_normal((3, 3, 64, 64)).astype(np.float32)
    return torch.from_numpy(image)


class Case:
    """One golden case: its facts and arrays, and a trainer brought to its start."""

    def __init__(self, name, weights, monkeypatch):
        self.name, self.weights, self.monkeypatch = name, weights, monkeypatch
        self.facts = json.loads((GOLDEN / f"{name}.json").read_text())
        self.arrays = dict(np.load(GOLDEN / f"{name}.npz"))

    def build(self, classnames, seed=1):
        options = list(self.facts["overrides"])
        if self.name == "softcpt_x_onestep":
            options += ["TRAINER.MTCOOP.STEP_REPEAT", "1"]
        files = self.facts["trainer"], self.facts["config_file"]
        cfg = prompt_run.config(*files, self.weights, options)
        tasks = dict(zip(self.facts["tasknames"], classnames, strict=True))
        dataset = prompt_run.of_tasks(tasks)
        return prompt_run.build(self.monkeypatch, cfg, seed=seed, **dataset)

    def train(self, trainer):
        """Runs the four steps, comparing after the first; returns loss and precision [4, 2] and
        the rates."""
        tasks = dict(zip(self.facts["tasknames"], self.facts["classnames"], strict=True))
        reports, rates = [], []
        for number, (image, label) in enumerate(batches()):
            rates.append(trainer.optim.param_groups[0]["lr"])
            torch.manual_seed(1000 + number)  # class sampling draws from it
            rows = prompt_run.label_rows(label, tasks)
            report = prompt_run.step(trainer, image, rows, number % 2)
            reports.append([float(report["loss"]), float(report["map"])])
            if number == 0:
                for name, tensor in trained(trainer).items():
                    assert self.compare("grad0", name, tensor.grad, 1e-5), name
                    self.compare("step1", name, tensor, 1e-5)
        return np.array(reports), rates

    def start(self):
        """The contexts take turns in one stream of numbers, the meta network follows a recipe."""
        trainer = self.build(self.facts["classnames"])
        stream, taken = np.load(GOLDEN / "start.npz")["contexts"], 0
        tensors = dict(trainer.model.named_parameters())
        with torch.no_grad():
            for name in sorted(tensors, key=lambda n: n.startswith("class_prompt_learner")):
                tensor = tensors[name]
                if name == "prompt_gen.proj":
                    values = meta_network(tuple(tensor.shape))
                else:
                    values = stream[taken : taken + tensor.numel()].reshape(tensor.shape)
                    taken += tensor.numel()
                tensor.copy_(torch.from_numpy(values))
        return trainer

    def compare(self, kind, name, value, tolerance):
        """Compares a tensor [..] with whatever the golden folder keeps of it."""
        key, value = f"{kind}/{name}", value.detach().numpy()
        if key in self.arrays:
            assert_near(value, self.arrays[key], tolerance, key)
        elif f"{key}@stride" in self.arrays:
            kept = self.arrays[f"{key}@stride"]
            assert_near(value.ravel()[::STRIDE], kept, tolerance, key)
        elif f"{key}@sample" in self.arrays:
            sample = value.ravel()[sampled_places(value.size)]
            assert_near(sample, self.arrays[f"{key}@sample"], tolerance, key)
            exact = torch.from_numpy(value)
            sums = [exact.abs().sum(dtype=torch.float64), exact.norm(dtype=torch.float64)]
            assert_near(sums, self.arrays[f"{key}@stats"][1:], tolerance, f"{key} sums")
            if f"{key}@rowsum" in self.arrays:
                rows = self.arrays[f"{key}@rowsum"]
                found = exact.sum(dim=1, dtype=torch.float64)
                assert_near(found, rows, tolerance, f"{key} row sums")
        else:
            return False
        return True


def assert_near(actual, golden, tolerance, what):
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= tolerance * np.abs(golden).max(), f"{what}: off by {error}"


@pytest.fixture(params=CASES)
def case(request, resnet, monkeypatch):
    return Case(request.param, resnet, monkeypatch)


def test_training_and_evaluation_match_the_published_code(case, tmp_path):
    arrays, facts = case.arrays, case.facts
    trainer = case.start()
    images = eval_images()
    logits = prompt_run.logits(trainer, images)
    assert_near(logits, arrays["logits_init"], 1e-5, "logits before training")

    reports, rates = case.train(trainer)
    assert_near(reports[:1, 0], arrays["loss"][:1], 1e-5, "first loss")
    assert_near(reports[:, 0], arrays["loss"], 1e-3, "losses")
    assert_near(reports[:, 1], arrays["map"], 1e-3, "average precision")
    np.testing.assert_allclose(rates, arrays["lr"], rtol=1e-9)
    assert {n: list(p.shape) for n, p in trained(trainer).items()} == facts["trainable"]
    for name, tensor in trained(trainer).items():
        assert case.compare("final", name, tensor, 1e-3), name
    assert_near(prompt_run.logits(trainer, images), arrays["logits"], 1e-3, "logits")

    trainer.save_model(1, str(tmp_path))
    for folder, keys in facts["state_dict"].items():
        saved = torch.load(tmp_path / folder / "model.pth.tar-2", weights_only=True)
        assert set(saved["state_dict"]) == {key for key in keys if "token_" not in key}
    for key in OTHER_CLASSES.get(case.name, ("new",)):
        other = case.build(facts[f"{key}_classnames"], seed=5)
        other.load_model(str(tmp_path), epoch=2)
        logits = prompt_run.logits(other, images)
        assert_near(logits, arrays[f"logits_{key}"], 1e-3, f"logits, {key} classes")


def test_class_sampling_draws_the_published_classes():
    facts = json.loads((GOLDEN / "softcpt_clssample.json").read_text())
    tasks = (Task("animals", 0, 3), Task("vehicles", 3, 5), Task("plants", 5, 9))
    for number, (_, label) in enumerate(batches()):
        torch.manual_seed(1000 + number)
        drawn = sample_classes(label.tolist(), tasks, 0.1)
        assert drawn == facts["selected_ids_per_step"][number]


@pytest.mark.parametrize(
    ("options", "series"),
    [
        (("MTCoOp",), "lr_k3"),
        (("MTCoOp", "TRAINER.MTCOOP.CSC", "True"), "lr_k4"),
        (("MTCoOp", "TRAINER.MTCOOP.STEP_REPEAT", "1"), "lr_k1"),
        (("MTCoOpHard",), "lr_k1"),
    ],
)
def test_learning_rates_follow_the_published_schedule(options, series, small_vit, monkeypatch):
    trainer, *more = options
    more += ["TRAINER.MTCOOP.PG_TYPE", "lin", "OPTIM.MAX_EPOCH", "50"]
    file = f"configs/trainers/{trainer}/rn50_ep50.yaml"
    tasks = {"animals": ["red fox", "blue jay"], "plants": ["tulip", "corn"]}
    cfg = prompt_run.config(trainer, file, small_vit, more)
    built = prompt_run.build(monkeypatch, cfg, **prompt_run.of_tasks(tasks))
    rates = []
    for _ in range(50):
        rates.append(built.get_current_lr())
        built.optim.step()  # moves nothing: there are no gradients
        for _ in range(built.step_repeat()):
            built.update_lr()
    np.testing.assert_allclose(rates, np.load(GOLDEN / "lr_50_epochs.npz")[series], rtol=1e-9)
