"""A stopped run goes on as if it had not stopped."""

import random
import signal

import numpy as np
import pytest
import torch

from dassl.engine import TRAINER_REGISTRY
from dassl.engine.resume_state import save_resume_state
from dassl.utils.errors import UserError
from tests.support import command
from tests.unit.dassl.toy import (
    ToyTrainer,
    golden_options,
    make_config,
    start,
)

OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NUM_SHOTS", 4, "OPTIM.MAX_EPOCH", 5]
BEST_VAL = ["TEST.FINAL_MODEL", "best_val"]


class PowerCut(Exception):
    """Stops a run in the middle of an epoch."""


def train_until(trainer, epoch, batch=2):
    step = trainer.forward_backward

    def stop(data):
        if (trainer.epoch, trainer.batch_idx) == (epoch, batch):
            raise PowerCut
        return step(data)

    trainer.forward_backward = stop
    with pytest.raises(PowerCut):
        trainer.train()


def disturb_generators():
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


def tensors(trainer):
    return {
        f"{name}/{key}": value
        for name, model in trainer._models.items()
        for key, value in model.state_dict().items()
    }


def assert_same_run(resumed, whole, from_epoch):
    expected = tensors(whole)
    for key, value in tensors(resumed).items():
        assert torch.equal(value, expected[key]), key
    assert resumed.seen == [entry for entry in whole.seen if entry[0] >= from_epoch]
    assert resumed.test_record == whole.test_record
    assert resumed.best_result == whole.best_result and resumed.best_epoch == whole.best_epoch
    assert resumed.get_current_lr() == whole.get_current_lr()


@pytest.mark.parametrize(
    ("extra", "epoch"), [([], 0), ([], 3), (BEST_VAL, 3), (["OPTIM.NAME", "adam"], 3)], ids=str
)
def test_same_tensors_after_a_stop(extra, epoch, images, tmp_path):
    def new(folder):
        options = OPTIONS + extra
        return start(make_config(images, tmp_path / folder, options, trainer="ToyWithExtra"))

    whole = new("whole")
    whole.train()
    train_until(new("cut"), epoch)
    resumed = new("cut")
    if epoch:  # a stop in epoch 0 leaves no state: the seed decides
        disturb_generators()
    resumed.train()
    assert_same_run(resumed, whole, epoch)
    assert resumed.total == whole.total


def run_in_process(images, output, kill_epoch, workers):
    """A whole program that kills itself (SIGKILL) in the middle of an epoch."""
    code = f"""
import os, signal
from tests.unit.dassl.toy import logged_run, make_config
from tests.unit.dassl.test_resume import BEST_VAL, OPTIONS, tensors
import torch
torch.set_num_threads(1)
options = [*OPTIONS, *BEST_VAL, "DATALOADER.NUM_WORKERS", {workers}]
cfg = make_config({str(images)!r}, {str(output)!r}, options, trainer="ToyWithExtra")

def train(trainer):
    step = trainer.forward_backward
    def forward_backward(batch):
        if trainer.epoch == {kill_epoch} and trainer.batch_idx == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(batch)
    trainer.forward_backward = forward_backward
    trainer.train()

trainer = logged_run(cfg, train)
torch.save(tensors(trainer), {str(output)!r} + "/tensors.pt")
"""
    return command.python("-c", code, warm=True)


def test_kill_9_with_a_worker(images, tmp_path):
    options = [*OPTIONS, *BEST_VAL, "DATALOADER.NUM_WORKERS", 1]
    cfg = make_config(images, tmp_path / "whole", options, trainer="ToyWithExtra")
    trainer = start(cfg)
    trainer.train()
    whole = tensors(trainer)
    killed = run_in_process(images, tmp_path / "cut", 2, workers=1)
    assert killed.returncode == -signal.SIGKILL
    assert "epoch [2/5]" in (tmp_path / "cut" / "log.txt").read_text()
    again = run_in_process(images, tmp_path / "cut", 99, workers=1)
    assert again.returncode == 0, again.stderr
    resumed = torch.load(tmp_path / "cut" / "tensors.pt", weights_only=True)
    assert set(whole) == set(resumed)
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []
    (second_log,) = (tmp_path / "cut").glob("log.txt-*")
    log = second_log.read_text()
    assert "epoch [3/5]" in log and "epoch [1/5]" not in log and "epoch [2/5]" not in log


def test_a_finished_run_trains_nothing_and_tests(images, tmp_path, capsys):
    cfg = make_config(images, tmp_path, OPTIONS)
    whole = start(cfg)
    whole.train()
    written = (tmp_path / "linear" / "model.pth.tar-5").stat().st_mtime_ns
    capsys.readouterr()
    again = start(cfg)
    again.train()
    assert again.seen == [] and again.epoch == 4
    assert again.test_record == whole.test_record
    assert "epoch [" not in capsys.readouterr().out
    assert (tmp_path / "linear" / "model.pth.tar-5").stat().st_mtime_ns == written


def test_a_worse_model_does_not_replace_the_best(images, tmp_path):
    options = [*OPTIONS, *BEST_VAL]
    train_until(start(make_config(images, tmp_path, options)), 4)
    resumed = start(make_config(images, tmp_path, options))
    best = (tmp_path / "linear" / "model-best.pth.tar").read_bytes()
    test = resumed.test
    resumed.test = lambda split=None: 0.0 if split == "val" else test(split)
    resumed.train()
    assert (tmp_path / "linear" / "model-best.pth.tar").read_bytes() == best


def test_another_configuration_is_refused(images, tmp_path):
    train_until(start(make_config(images, tmp_path, OPTIONS)), 1)
    other = start(make_config(images, tmp_path, [*OPTIONS, "OPTIM.LR", 0.5]))
    with pytest.raises(UserError, match=r"resume\.pth\.tar is of a run with another configuration"):
        other.train()
    moved = [*OPTIONS, "TRAIN.PRINT_FREQ", 1, "DATALOADER.NUM_WORKERS", 1]
    start(make_config(images, tmp_path, moved)).train()


def test_a_resume_state_that_is_cut_short_is_named(images, tmp_path):
    train_until(start(make_config(images, tmp_path, OPTIONS)), 1)
    path = tmp_path / "resume.pth.tar"
    path.write_bytes(path.read_bytes()[:1000])
    remedy = "delete it: the run then goes on from its last checkpoint, or starts again"
    for content in (path.read_bytes()[:1000], b"\x80\x02a.", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"resume\.pth\.tar .* cut short .*{remedy}$"):
            start(make_config(images, tmp_path, OPTIONS)).train()
    path.unlink()
    start(make_config(images, tmp_path, OPTIONS)).train()


def without(state, *keys):
    """A copy of the nested dictionary that lacks one entry."""
    first, *rest = keys
    return {
        k: without(v, *rest) if k == first else v for k, v in state.items() if k != first or rest
    }


@pytest.mark.parametrize(
    "entry",
    [
        *["format", "epoch", "config_sha256", "models", "generators"],
        *["best_result", "best_epoch", "scalers", "extra"],
        "models.linear.weights",
        "models.linear.optimizer",
        "generators.numpy",
    ],
)
def test_a_resume_state_that_lacks_an_entry_is_refused(entry, images, tmp_path):
    trainer = start(make_config(images, tmp_path, OPTIONS))
    save_resume_state(trainer, 1)
    state = torch.load(tmp_path / "resume.pth.tar", weights_only=True)
    torch.save(without(state, *entry.split(".")), tmp_path / "resume.pth.tar")
    with pytest.raises(UserError, match=r"resume\.pth\.tar is no resume state of this version"):
        trainer.train()


@pytest.mark.parametrize("content", [{"format": 1}, [1], {"format": 1, "models": 3}], ids=str)
def test_another_file_in_place_of_the_resume_state_is_refused(content, images, tmp_path):
    trainer = start(make_config(images, tmp_path, OPTIONS))
    torch.save(content, tmp_path / "resume.pth.tar")
    with pytest.raises(UserError, match=r"is no resume state of this version; delete it$"):
        trainer.train()


def test_resume_from_another_folder(images, tmp_path):
    train_until(start(make_config(images, tmp_path / "a", OPTIONS)), 2)
    options = [*OPTIONS, "RESUME", str(tmp_path / "a")]
    trainer = start(make_config(images, tmp_path / "b", options))
    trainer.train()
    assert trainer.seen[0][0] == 2 and (tmp_path / "b" / "linear" / "model.pth.tar-5").is_file()


@TRAINER_REGISTRY.register(force=True)
class ToyScaled(ToyTrainer):
    """Has a loss scaler, as trainers with PREC amp do; nothing in it speaks of resuming."""

    def build_model(self):
        super().build_model()
        self.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)

    def model_backward_and_update(self, loss, names=None):
        self.optim = self._optims["linear"]
        self.optim.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optim)
        self.scaler.update()


def test_loss_scaler_goes_on(images, tmp_path):
    def new(folder):
        return start(make_config(images, tmp_path / folder, OPTIONS, trainer="ToyScaled"))

    whole = new("whole")
    whole.train()
    train_until(new("cut"), 2)
    resumed = new("cut")
    resumed.train()
    assert_same_run(resumed, whole, 2)
    assert resumed.scaler.state_dict() == whole.scaler.state_dict()
    assert whole.scaler.get_scale() > 8.0


@TRAINER_REGISTRY.register(force=True)
class ToyFreezes(ToyTrainer):
    """Freezes the bias from epoch 3 on."""

    def before_epoch(self):
        self.model[1].bias.requires_grad_(self.epoch < 2)


def test_a_tensor_frozen_on_the_way_is_kept(images, tmp_path):
    def new(folder):
        return start(make_config(images, tmp_path / folder, OPTIONS, trainer="ToyFreezes"))

    whole = new("whole")
    whole.train()
    train_until(new("cut"), 4)
    resumed = new("cut")
    resumed.train()
    assert_same_run(resumed, whole, 4)


def test_frozen_tensors_stay_out_of_the_state(images, tmp_path):
    trainer = start(make_config(images, tmp_path, OPTIONS))
    trainer.model[1].bias.requires_grad_(False)
    trainer.train()
    state = torch.load(tmp_path / "resume.pth.tar", weights_only=True)
    assert list(state["models"]["linear"]["weights"]) == ["1.weight"]
    trainer.model[1].bias.requires_grad_(True)
    again = start(make_config(images, tmp_path, OPTIONS))
    with pytest.raises(UserError, match=r"resume\.pth\.tar does not fit the model linear: 1\.bias"):
        again.train()
