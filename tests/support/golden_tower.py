"""Golden cases of methods that change upper blocks: big tensors start from a recipe, and are
compared at chosen places."""

import re

import numpy as np
import torch

from tests.support import golden_run, prompt_run

RECIPE = re.compile(r"RandomState\((\d+)\)\.standard_normal\(shape\) \* ([\d.]+)")


def assert_near(actual, golden, share, what, floor=0.0):
    """Elements differ by at most `share` of the largest golden one, plus `floor`."""
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= share * np.abs(golden).max() + floor, f"{what}: off by {error}"


def at_places(values, num_places):
    """The places of a flat tensor at which the goldens hold a big one."""
    places = np.random.RandomState(13).choice(values.size, num_places, replace=False)
    return values.reshape(-1)[np.sort(places)]


class TowerRun(golden_run.GoldenRun):
    """A case whose arrays may hold big tensors as `@sample` only."""

    def build(self, *options, classnames=None, seed=1, dataset=None):
        """As the base's, for the case's dataset."""
        facts = self.facts
        words = [*facts["overrides"], *options]
        if "adam_eps" in facts:
            words += ["OPTIM.ADAM_EPS", facts["adam_eps"]]
        cfg = prompt_run.config(
            facts["trainer"],
            facts["config_file"],
            self.weights,
            words,
            dataset or facts["dataset_config_file"],
        )
        return prompt_run.build(self.monkeypatch, cfg, classnames or facts["classnames"], seed)

    def for_new(self):
        """A trainer of the case's test, started elsewhere."""
        facts = self.facts
        return self.build(
            *("DATASET.SUBSAMPLE_CLASSES", facts["test_subsample_classes"]),
            classnames=facts["new_classnames"],
            seed=5,
            dataset=facts["test_dataset_config_file"],
        )

    def start_of(self, name, shape):
        """A trained tensor at the start."""
        if f"init/{name}" in self.arrays:
            return self.arrays[f"init/{name}"]
        seed, scale = RECIPE.search(self.facts["recipes"][name]).groups()
        drawn = np.random.RandomState(int(seed)).standard_normal(shape) * float(scale)
        return drawn.astype(np.float32)

    def fill(self, trainer, kind="init"):
        """Puts the start values into a trainer."""
        with torch.no_grad():
            for name, tensor in self.named(trainer):
                tensor.copy_(torch.from_numpy(self.start_of(name, tuple(tensor.shape))))

    def named(self, trainer):
        """Trained tensors under the names that the case has for them."""
        return trainer.model.named_parameters()

    def compared(self, kind, trainer):
        """Those of the trained tensors whose values of a kind (grad0, final) are stored."""
        stored = {key.split("@")[0] for key in self.arrays if key.startswith(f"{kind}/")}
        found = [(name, p) for name, p in self.named(trainer) if f"{kind}/{name}" in stored]
        assert len(found) == len(stored)
        return found

    def golden(self, kind, name, values):
        """The stored values of a kind, and those of a tensor at the same places."""
        stored = self.arrays.get(f"{kind}/{name}")
        if stored is not None:
            return stored, values
        stored = self.arrays[f"{kind}/{name}@sample"]
        return stored, at_places(values, stored.size)

    def assert_gradient(self, name, values):
        """First gradients agree to 1e-4 of the largest element."""
        golden, values = self.golden("grad0", name, values)
        assert_near(values, golden, 1e-4, f"grad0/{name}")

    def assert_moved(self, name, values, start):
        """The way of a tensor from its start differs from the golden one by 3e-4 of its length: in
        single elements Adam, which divides by the gradient's own size, makes rounding large."""
        golden, values = self.golden("final", name, values)
        _, start = self.golden("final", name, start)
        floor = 1.2e-7 * np.linalg.norm(start)
        error = np.linalg.norm(values - golden)
        assert error <= 3e-4 * np.linalg.norm(golden - start) + floor, f"final/{name}: off {error}"
