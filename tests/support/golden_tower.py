"""Golden cases of methods that change upper blocks: big tensors start from a recipe, and are
compared at chosen places."""

import re

import numpy as np
import torch

from tests.support import golden_run

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

    def assert_like(self, kind, name, values, share, start=None):
        """Values [...] of a tensor are the golden ones of a kind; with `start` the way from it."""
        golden = self.arrays.get(f"{kind}/{name}")
        if golden is None:
            golden = self.arrays[f"{kind}/{name}@sample"]
            values = at_places(values, golden.size)
            start = None if start is None else at_places(start, golden.size)
        floor = 0.0
        if start is not None:
            floor = 1.2e-7 * np.abs(start).max()
            values, golden = values - start, golden - start
        assert_near(values, golden, share, f"{kind}/{name}", floor)
