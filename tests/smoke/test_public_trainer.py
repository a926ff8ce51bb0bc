"""A trainer written for the public engine, as the published ones are, through our train.py."""

import json
import os.path as osp

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import train
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import load_checkpoint
from tests.support import command, small_pets


@TRAINER_REGISTRY.register(force=True)
class PublicResidual(TrainerX):
    """Registers one part, loads it in a way of its own, and says nothing of what it reads."""

    def check_cfg(self, cfg):
        assert cfg.TRAINER.COOP.PREC in ("fp16", "fp32", "amp")

    def build_model(self):
        width = 3 * self.cfg.INPUT.SIZE[0] * self.cfg.INPUT.SIZE[1]
        self.model = nn.ModuleDict({"learner": nn.Linear(width, len(self.dm.dataset.classnames))})
        self.optim = build_optimizer(self.model["learner"], self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("learner", self.model["learner"], self.optim, self.sched)

    def forward_backward(self, batch):
        image, label = self.parse_batch_train(batch)
        loss = F.cross_entropy(self.model_inference(image), label)
        self.model_backward_and_update(loss)
        if (self.batch_idx + 1) == self.num_batches:
            self.update_lr()
        return {"loss": loss.item()}

    def parse_batch_train(self, batch):
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def model_inference(self, input):
        return self.model["learner"](input.flatten(1))

    def load_model(self, directory, epoch=None):
        if not directory:
            print("Note that load_model() is skipped as no pretrained model is given")
            return
        name = "model-best.pth.tar" if epoch is None else f"model.pth.tar-{epoch}"
        checkpoint = load_checkpoint(osp.join(directory, "learner", name))
        self._models["learner"].load_state_dict(checkpoint["state_dict"], strict=False)


@pytest.fixture(scope="module")
def run(small_vit, tmp_path_factory):
    """run(output, *flags, settings=()) -> the content of result.json."""
    root = tmp_path_factory.mktemp("public")
    pets = small_pets.write(root / "data")

    def call(output, *flags, settings=()):
        words, pairs = command.train_words("CoOp", pets, small_vit, root / output, *settings)
        words[words.index("CoOp")] = "PublicResidual"
        flags = [str(flag).replace("ROOT", str(root)) for flag in flags]
        assert train.run([*words, *flags, *pairs]) == 0
        return json.loads((root / output / "result.json").read_text())

    return call


def test_a_run_and_its_test_have_a_provenance(run, small_vit):
    trained = run("base", "--seed", 1)
    facts = trained["provenance"]
    assert facts["checkpoint"]["files"][0]["path"] == "learner/model.pth.tar-2"
    assert facts["backbone"]["name"] == small_vit.name and facts["precision"] is None
    assert facts["dataset"]["num_train"] == 8
    tested = run("again", "--eval-only", "--model-dir", "ROOT/base", "--load-epoch", 2)
    checkpoint = tested["provenance"]["checkpoint"]
    assert checkpoint["epoch"] == tested["epoch"] == 2 and tested["epochs"] is None
    assert checkpoint["files"][0]["sha256"] == facts["checkpoint"]["files"][0]["sha256"]
    assert tested["accuracy"] == trained["accuracy"]


def test_a_test_without_a_model_is_told_and_marked(run, capsys):
    found = run("alone", "--eval-only")
    assert "Notice: --eval-only without --model-dir" in capsys.readouterr().out
    assert found["provenance"]["checkpoint"] == "untrained"


def test_adam_on_a_half_learner_stays_finite(run, monkeypatch):
    build = PublicResidual.build_model

    def half(self):
        torch.set_default_dtype(torch.float16)
        try:
            build(self)
        finally:
            torch.set_default_dtype(torch.float32)

    infer = PublicResidual.model_inference
    monkeypatch.setattr(PublicResidual, "build_model", half)
    monkeypatch.setattr(
        PublicResidual, "model_inference", lambda self, input: infer(self, input.half()).float()
    )
    found = run("half", "--seed", 1, settings=("OPTIM.NAME", "adam"))
    assert found["accuracy"] >= 0
