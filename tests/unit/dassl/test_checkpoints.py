"""Checkpoint files: published ones, broken ones, a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import (
    atomic_write,
    load_checkpoint,
    load_pretrained_weights,
    resume_from_checkpoint,
    save_checkpoint,
)
from dassl.utils.errors import UserError
from tests.unit.dassl.test_golden_optim import optim_cfg
from tests.unit.dassl.toy import GOLDEN

REFERENCE = GOLDEN / "reference_checkpoint.pth.tar"
REPOSITORY = Path(__file__).resolve().parents[3]


def test_reference_checkpoint_of_the_public_engine():
    checkpoint = load_checkpoint(REFERENCE)
    assert (checkpoint["epoch"], checkpoint["val_result"]) == (2, 80.0)
    assert checkpoint["state_dict"]["1.weight"].shape == (5, 768)
    assert checkpoint["optimizer"]["state"][0]["momentum_buffer"].shape == (5, 768)


def toy_model():
    cfg = optim_cfg(
        {
            "NAME": "sgd",
            "LR": 0.02,
            "MAX_EPOCH": 5,
            "LR_SCHEDULER": "cosine",
            "WARMUP_EPOCH": 1,
            "WARMUP_TYPE": "constant",
        }
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
    optimizer = build_optimizer(model, cfg)
    return model, optimizer, build_lr_scheduler(optimizer, cfg)


def test_resume_from_the_reference_checkpoint(tmp_path, capsys):
    (tmp_path / "model.pth.tar-2").write_bytes(REFERENCE.read_bytes())
    (tmp_path / "checkpoint").write_text("model.pth.tar-2\n")
    model, optimizer, schedule = toy_model()
    assert resume_from_checkpoint(tmp_path, model, optimizer, schedule) == 2
    expected = load_checkpoint(REFERENCE)
    assert torch.equal(model[1].weight, expected["state_dict"]["1.weight"])
    momentum = optimizer.state[model[1].weight]["momentum_buffer"]
    assert torch.equal(momentum, expected["optimizer"]["state"][0]["momentum_buffer"])
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(2):
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx(
        [0.018090169943749474, 0.013090169943749475, 0.006909830056250525]
    )
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f'Loading checkpoint from "{tmp_path / "model.pth.tar-2"}"'
    assert out[-1] == "Previous epoch: 2"


def test_our_files_load_with_plain_weights_only(tmp_path):
    model, optimizer, schedule = toy_model()
    state = {
        "state_dict": nn.DataParallel(model).state_dict(),
        "epoch": 1,
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "val_result": None,
    }
    save_checkpoint(state, tmp_path, is_best=True)
    for name in ("model.pth.tar-1", "model-best.pth.tar"):
        found = torch.load(tmp_path / name, weights_only=True)
        assert list(found["state_dict"]) == ["1.weight", "1.bias"]
    assert (tmp_path / "checkpoint").read_text() == "model.pth.tar-1\n"


@pytest.mark.parametrize("size", [0, 100, 5000, 30000])
def test_cut_short_file_is_named(size, tmp_path):
    path = tmp_path / "cut.pth.tar"
    path.write_bytes(REFERENCE.read_bytes()[:size])
    with pytest.raises(UserError, match=r"cut\.pth\.tar \([\d,]+ bytes\) is cut short") as caught:
        load_checkpoint(path)
    assert len(str(caught.value).splitlines()) == 1


def test_text_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "model.pth.tar"
    path.write_text("<html>404 not found</html>")
    with pytest.raises(UserError, match="not a checkpoint"):
        load_checkpoint(path)


class Sneaky:
    def __reduce__(self):
        return print, ("this must not run",)


def test_code_in_a_file_does_not_run(tmp_path, capsys):
    path = tmp_path / "model.pth.tar"
    torch.save({"state_dict": Sneaky()}, path)
    with pytest.raises(UserError, match="not read for safety"):
        load_checkpoint(path)
    assert "this must not run" not in capsys.readouterr().out


def test_missing_file_and_no_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_checkpoint(tmp_path / "nothing")
    with pytest.raises(ValueError, match="None"):
        load_checkpoint(None)


def test_weights_that_do_not_fit(tmp_path):
    model, optimizer, schedule = toy_model()
    state = {"state_dict": nn.Linear(768, 5).state_dict(), "epoch": 1}
    save_checkpoint(state, tmp_path)
    with pytest.raises(RuntimeError, match=r"tar-1 do not fit the model: missing 1\.weight"):
        resume_from_checkpoint(tmp_path, model, optimizer, schedule)


def test_pretrained_weights_take_what_matches(tmp_path, capsys):
    source = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    source[1].running_mean.fill_(7.0)
    torch.save({f"module.{k}": v for k, v in source.state_dict().items()}, tmp_path / "w.pt")
    target = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(2))
    load_pretrained_weights(target, tmp_path / "w.pt")
    assert target[1].running_mean.tolist() == [7.0, 7.0]
    out = capsys.readouterr().out
    assert "Successfully loaded" in out and "['0.weight', '0.bias']" in out
    load_pretrained_weights(nn.Linear(9, 9), tmp_path / "w.pt")
    assert "nothing is loaded" in capsys.readouterr().out


def test_no_space_keeps_the_older_file(tmp_path):
    code = f"""
import resource, signal, sys, torch
from dassl.utils import save_checkpoint
from dassl.utils.errors import UserError
folder = {str(tmp_path)!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
state = {{"state_dict": {{"w": torch.ones(1000)}}, "epoch": 1}}
save_checkpoint(state, folder, model_name="model-best.pth.tar")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
state["state_dict"]["w"] = torch.zeros(100_000)
try:
    save_checkpoint(state, folder, model_name="model-best.pth.tar")
except UserError as error:
    print("error:", error)
    sys.exit(2)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    error = done.stdout.splitlines()[-1]
    assert error.startswith(
        f"error: cannot write {tmp_path / 'model-best.pth.tar'}: File too large"
    )
    kept = torch.load(tmp_path / "model-best.pth.tar", weights_only=True)
    assert torch.equal(kept["state_dict"]["w"], torch.ones(1000))
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "model-best.pth.tar"]


def test_atomic_write_makes_folders_and_names_what_it_cannot(tmp_path):
    atomic_write(tmp_path / "a" / "b.txt", "text")
    assert (tmp_path / "a" / "b.txt").read_text() == "text"
    with pytest.raises(OSError, match=r"cannot write .*b\.txt/c"):
        atomic_write(tmp_path / "a" / "b.txt" / "c", b"x")
    assert os.listdir(tmp_path / "a") == ["b.txt"]
