"""Replays a golden case: a trainer brought to the case's start, trained on its batches."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.support import prompt_run

FOLDER = Path(__file__).parents[1] / "golden"


def inputs():
    """Training images [4, 4, 3, 32, 32], their labels [4, 4] and eval_images [3, 3, 32, 32]."""
    return {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "dept" / "inputs.npz").items()}


class GoldenRun:
    """One case: `facts` of its json, and its arrays.

    `shared` names the case that holds what is the same in several of them.
    """

    def __init__(self, folder, name, weights, monkeypatch, shared=None):
        place = FOLDER / folder
        self.facts = json.loads((place / f"{name}.json").read_text())
        self.arrays = dict(np.load(place / f"{shared}.npz")) if shared else {}
        self.arrays |= np.load(place / f"{name}.npz")
        self.inputs = inputs()
        self.weights, self.monkeypatch = weights, monkeypatch

    def build(self, *options, classnames=None, seed=1):
        """A trainer with the case's options, for its base classes unless others are given."""
        facts = self.facts
        cfg = prompt_run.config(
            facts["trainer"], facts["config_file"], self.weights, [*facts["overrides"], *options]
        )
        return prompt_run.build(self.monkeypatch, cfg, classnames or facts["classnames"], seed)

    def start(self, *options):
        """A trainer whose tensors have the case's start values."""
        trainer = self.build(*options)
        self.fill(trainer, "init")
        return trainer

    def fill(self, trainer, kind):
        """Puts the case's tensors of a kind (init, epoch1, final, ...) into a trainer."""
        with torch.no_grad():
            for name, tensor in trainer.model.named_parameters():
                tensor.copy_(torch.from_numpy(self.arrays[f"{kind}/{name}"]))

    def for_new(self):
        """A trainer of the case's new classes, started elsewhere."""
        subset = self.facts["test_subsample_classes"]
        names = self.facts["new_classnames"]
        return self.build("DATASET.SUBSAMPLE_CLASSES", subset, classnames=names, seed=5)

    def steps(self, trainer):
        """Trains as the case did; after each step yields the LR it ran at and what it reported."""
        per_epoch = self.facts["batches_per_epoch"]
        images, labels = self.inputs["images"], self.inputs["labels"].long()
        for number in range(per_epoch * self.facts["epochs_run"]):
            trainer.epoch, index = divmod(number, per_epoch)
            batch = number % len(images)
            rates = [group["lr"] for group in trainer.optim.param_groups]
            yield rates, prompt_run.step(trainer, images[batch], labels[batch], index, per_epoch)

    def published_state(self):
        """The state dict that the published code saves: the whole model, with its token buffers,
        towers and, in PromptSRC, a second image tower; the frozen weights are not those of the
        run's CLIP, as PromptSRC's are not when it averages them in half."""
        clip = torch.load(self.weights, weights_only=True, mmap=True)
        clip = {name: torch.tensor(0.5).expand(tensor.shape) for name, tensor in clip.items()}
        visual = {k.removeprefix("visual."): v for k, v in clip.items() if k.startswith("visual.")}
        text = {k: v for k, v in clip.items() if not k.startswith(("visual.", "token_", "logit_"))}
        second = "prompt_learner.ZS_image_encoder"
        towers = {"image_encoder": visual, "text_encoder": text, second: visual}
        state = {}
        for name, count in self.facts["state_dict_tower_tensors"].items():
            assert count in (0, len(towers[name]))
            state |= {f"{name}.{k}": v for k, v in towers[name].items() if count}
        for name, shape in self.facts["state_dict"].items():
            known = self.arrays.get(f"final/{name}")
            state[name] = torch.zeros(shape) if known is None else torch.from_numpy(known)
        return state
