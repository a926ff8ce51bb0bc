"""Tip-Adapter and Tip-Adapter-F give the numbers of the public code (tests/golden/tip_adapter).

How the arrays were made: tests/golden/README.md. Tolerance: 1e-4 of the largest element, keys by
their movement; the two numbers that the search finds are the same.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.support import prompt_run
from tests.support.golden_run import FOLDER, inputs
from trainers.parts import cache

PLACE = FOLDER / "tip_adapter"
CASES = sorted(path.stem for path in PLACE.glob("*.npz"))


class Case:
    """A case's facts and arrays, and trainers whose images are tensors in place of files."""

    def __init__(self, name, weights, monkeypatch):
        self.facts = json.loads((PLACE / f"{name}.json").read_text())
        self.arrays = np.load(PLACE / f"{name}.npz")
        self.weights, self.monkeypatch = weights, monkeypatch
        given = inputs()
        self.eval_images, self.steps = given["eval_images"], given["images"]
        self.labels = given["labels"].long()
        self.train = self.items(given["images"].flatten(0, 1), self.labels.flatten())
        noise = np.random.RandomState(31).standard_normal((32, 3, 32, 32)).astype(np.float32)
        images = torch.cat([given["images"].flatten(0, 1)] * 2) + 0.6 * torch.from_numpy(noise)
        self.val = self.items(images, torch.cat([self.labels.flatten()] * 2))
        monkeypatch.setattr(cache, "encode", self.encode)

    @staticmethod
    def items(images, labels):
        pairs = enumerate(zip(images, labels, strict=True))
        return [
            SimpleNamespace(image=x, label=int(y), impath=f"{id(images)} {n}")
            for n, (x, y) in pairs
        ]

    @staticmethod
    @torch.no_grad()
    def encode(cfg, clip_model, items, transform):
        images = torch.stack([item.image for item in items])
        return clip_model.encode_image(transform(images)).double().numpy()

    def build(self, trainer, *options, names=None):
        facts = self.facts
        cfg = prompt_run.config(
            trainer, facts["config_file"], self.weights, [*facts["overrides"], *options]
        )
        data = {"train_x": self.train, "val": self.val, "test": []}
        made = prompt_run.build(self.monkeypatch, cfg, names or facts["classnames"], **data)
        flip, passes = (lambda x: x.flip(-1)), iter(range(99))
        views = SimpleNamespace(transform=lambda x: flip(x) if next(passes) % 2 else x)
        made.train_loader_x = Batches(views, self.steps, self.labels)
        made.test_loader = SimpleNamespace(dataset=SimpleNamespace(transform=lambda x: x))
        return made


class Batches:
    """The training batches of an epoch."""

    def __init__(self, dataset, images, labels):
        self.dataset, self.images, self.labels = dataset, images, labels

    def __iter__(self):
        for image, label in zip(self.images, self.labels, strict=True):
            yield {"img": image, "label": label}

    def __len__(self):
        return len(self.images)


def assert_near(actual, golden, what, share=1e-4):
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= share * np.abs(golden).max(), f"{what}: off by {error}"


@pytest.fixture(params=CASES)
def case(request, tiny_vit, monkeypatch):
    return Case(request.param, tiny_vit, monkeypatch)


def test_the_cache_and_the_search_match(case, tmp_path):
    trainer, arrays = case.build("TipAdapter"), case.arrays
    trainer.fit()
    model = trainer.model
    assert_near(model.adapter.weight.detach(), arrays["keys"], "keys")
    text = torch.nn.functional.normalize(model.references, dim=-1)
    assert_near(text, arrays["text"], "text features")
    assert [model.beta, model.alpha] == pytest.approx(case.facts["search"])
    assert_near(prompt_run.logits(trainer, case.eval_images), arrays["logits"], "logits")

    trainer.save_model(0, str(tmp_path))
    new = case.build(
        "TipAdapter", "DATASET.SUBSAMPLE_CLASSES", "new", names=case.facts["new_classnames"]
    )
    new.load_model(str(tmp_path))
    assert_near(prompt_run.logits(new, case.eval_images), arrays["logits_new"], "new classes")


def test_trained_keys_match(case, monkeypatch):
    """Losses of every step, the epoch that is kept, and the search behind it."""
    trainer, arrays, facts = case.build("TipAdapterF"), case.arrays, case.facts
    trainer.sched = trainer._scheds["tip_adapter"] = trainer.build_scheduler(trainer.optim)
    trainer.fill_cache()
    losses, rates, accuracies, gradients = [], [], [], []
    offer = trainer.best.offer
    monkeypatch.setattr(
        trainer.best,
        "offer",
        lambda accuracy, *rest: accuracies.append(accuracy) or offer(accuracy, *rest),
    )
    for epoch in range(trainer.max_epoch):
        trainer.epoch = epoch
        for number, batch in enumerate(trainer.train_loader_x):
            rates.append(trainer.get_current_lr())
            report = prompt_run.step(trainer, batch["img"], batch["label"], number, 4)
            losses.append(float(report["loss"]))
            gradients.append(trainer.model.adapter.weight.grad)
    np.testing.assert_allclose(rates, facts["lr_per_step"], rtol=1e-9)
    np.testing.assert_allclose(losses, facts["losses"], rtol=1e-4)
    assert_near(gradients[0], arrays["grad0"], "first gradient")
    assert accuracies == facts["val_acc_per_epoch"]
    model = trainer.model
    moved = arrays["final"] - arrays["keys"]
    way = model.adapter.weight.detach() - torch.from_numpy(arrays["keys"])
    assert_near(way, moved, "keys", 3e-4)  # Adam makes steps of tiny gradients, rounding and all
    assert [model.beta, model.alpha] == pytest.approx(facts["search_f"])
    assert_near(prompt_run.logits(trainer, case.eval_images), arrays["logits_f"], "logits")
