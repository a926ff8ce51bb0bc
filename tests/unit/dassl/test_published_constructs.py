"""What published trainer files and train.py do around the engine, in trainers of our own."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dassl.engine import TRAINER_REGISTRY
from dassl.optim import build_lr_scheduler
from tests.unit.dassl.toy import ToyTrainer, golden_options, make_config, start

OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NUM_SHOTS", 4, "OPTIM.MAX_EPOCH", 4]


@TRAINER_REGISTRY.register(force=True)
class HeadOfLarger(ToyTrainer):
    """Registers a part of the model; the optimizer has all of it, in groups of their own rates.

    The model returns the loss in training, the schedule is stepped without `update_lr`, and the
    step without the engine's `model_update`.
    """

    def build_model(self):
        height, width = self.cfg.INPUT.SIZE
        self.model = nn.ModuleDict(
            {
                "tower": nn.Linear(3 * height * width, 8),
                "learner": nn.Linear(8, self.num_classes),
                "scale": nn.LayerNorm(8),
            }
        ).to(self.device)
        self.model["tower"].requires_grad_(False)
        groups = [
            {"params": [*self.model["tower"].parameters(), *self.model["learner"].parameters()]},
            {"params": list(self.model["scale"].parameters()), "lr": 0.05},
        ]
        self.optim = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("learner", self.model["learner"], self.optim, self.sched)
        self.register_model("scale", self.model["scale"])
        self.seen = []

    def features(self, pixels):
        return self.model["scale"](self.model["tower"](pixels.flatten(1)))

    def model_inference(self, input):
        return self.model["learner"](self.features(input))

    def forward_backward(self, batch):
        pixels, target = self.parse_batch_train(batch)
        loss = F.cross_entropy(self.model_inference(pixels), target)
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        if self.batch_idx + 1 == self.num_batches:
            self.sched.step()
        return {"loss": loss.item()}


def test_optimizer_of_more_than_the_registered_model_resumes(images, tmp_path):
    whole = start(make_config(images, tmp_path / "whole", OPTIONS, trainer="HeadOfLarger"))
    whole.train()
    stopped = start(make_config(images, tmp_path / "cut", OPTIONS, trainer="HeadOfLarger"))

    def stop():
        if stopped.epoch == 2:
            raise InterruptedError

    stopped.before_epoch = stop
    with pytest.raises(InterruptedError):
        stopped.train()
    resumed = start(make_config(images, tmp_path / "cut", OPTIONS, trainer="HeadOfLarger"))
    resumed.train()
    assert resumed.start_epoch == 2
    expected = whole.model.state_dict()
    for key, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[key]), key
    rates = [group["lr"] for group in resumed.optim.param_groups]
    assert rates == [group["lr"] for group in whole.optim.param_groups]
    assert rates[1] == pytest.approx(5 * rates[0])


class BareOutput:
    """All that a train.py of its own logger puts in the place of standard output."""

    def __init__(self, path):
        self.file = path.open("w")

    def write(self, text):
        self.file.write(text)

    def flush(self):
        self.file.flush()


def test_lines_go_to_an_output_that_can_only_write_and_flush(images, tmp_path, monkeypatch):
    output = BareOutput(tmp_path / "log.txt")
    monkeypatch.setattr(sys, "stdout", output)
    start(make_config(images, tmp_path, OPTIONS, trainer="HeadOfLarger")).train()
    monkeypatch.undo()
    output.file.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines[0] == "Loading trainer: HeadOfLarger"
    assert sum(line.startswith("epoch [4/4]") for line in lines) > 0
    assert any(line.startswith("* accuracy: ") for line in lines)
