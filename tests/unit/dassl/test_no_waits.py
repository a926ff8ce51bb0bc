"""What a step leaves on the device: its loss, and whether a scaled step counts."""

import copy
import math

import pytest
import torch

from dassl.config import get_cfg_default
from dassl.engine.finite_losses import FiniteLosses
from dassl.engine.updates import UpdateMixin
from dassl.optim import DeviceScaler, build_optimizer
from dassl.optim.optimizer import ADAPTIVE
from dassl.optim.radam import RAdam
from dassl.utils.errors import NonFiniteLossError
from tests.unit.dassl.toy import golden_options, make_config, start

INF, NAN = math.inf, math.nan


def advice():
    return "lower OPTIM.LR"


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_the_first_loss_that_is_no_number_is_named_when_losses_are_read(bad):
    losses = FiniteLosses(at_once=False)
    for batch, value in enumerate([1.0, 2.0, bad, NAN]):
        losses.add(torch.tensor(value), f" in epoch 3, batch {batch + 1}", advice)
    with pytest.raises(NonFiniteLossError) as caught:
        losses.check(advice)
    expected = "the loss is infinite or not a number in epoch 3, batch 3; lower OPTIM.LR"
    assert str(caught.value) == expected
    losses.check(advice)  # what was read is forgotten


def test_losses_of_several_entries_and_dtypes_are_read_together():
    losses = FiniteLosses(at_once=False)
    losses.add(torch.tensor([1.0, 2.0]), " 1", advice)
    losses.add(torch.tensor(1e300, dtype=torch.float64), " 2", advice)
    losses.check(advice)
    losses.add(torch.tensor(3.0, dtype=torch.float16), " 3", advice)
    losses.add(torch.tensor([[1.0, -INF]]), " 4", advice)
    with pytest.raises(NonFiniteLossError, match="number 4;"):
        losses.check(advice)


def test_a_loss_on_the_cpu_is_refused_in_its_step():
    trainer = UpdateMixin()
    trainer._models, trainer.epoch, trainer.batch_idx = {}, 0, 4
    trainer.detect_anomaly(torch.tensor(1.0))
    with pytest.raises(NonFiniteLossError, match=r"in epoch 1, batch 5; lower OPTIM\.LR"):
        trainer.detect_anomaly(torch.tensor(NAN))


def test_losses_that_are_not_read_in_their_step_end_a_run_before_it_saves(images, tmp_path):
    """As on a GPU: the epoch goes on, nothing is saved, and the first bad batch is named."""
    options = [*golden_options("log_last_step.txt"), "TRAIN.PRINT_FREQ", 0]
    trainer = start(make_config(images, tmp_path, [*options, "TRAIN.CHECKPOINT_FREQ", 1]))
    trainer.finite_losses.at_once = False
    step, seen = trainer.forward_backward, []

    def poisoned(batch):
        seen.append((trainer.epoch + 1, trainer.batch_idx + 1))
        if seen[-1] == (2, 2):
            batch["img"] = batch["img"] * NAN
        return step(batch)

    trainer.forward_backward = poisoned
    with pytest.raises(NonFiniteLossError, match="in epoch 2, batch 2;"):
        trainer.train()
    assert seen[-1] == (2, trainer.num_batches) and trainer.num_batches > 2
    assert [path.name for path in tmp_path.rglob("model.pth.tar-*")] == ["model.pth.tar-1"]
    with pytest.raises(NonFiniteLossError):
        trainer.detect_anomaly(torch.tensor(NAN))
        trainer.save_model(1, str(tmp_path))
    assert len(list(tmp_path.rglob("model.pth.tar-*"))) == 1


def steps(kind, scaler, gradients):
    """A tensor and its momentum after steps on the given gradients."""
    torch.manual_seed(0)
    tensor = torch.nn.Parameter(torch.randn(7))
    optimizer = kind([tensor])
    for gradient in gradients:
        optimizer.zero_grad()
        scaler.scale((tensor * gradient).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    state = {k: v for k, v in optimizer.state[tensor].items() if torch.is_tensor(v)}
    return {"tensor": tensor.detach(), **state, "scale": torch.tensor(scaler.get_scale())}


KINDS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "dampened": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, dampening=0.5),
    "dampened, decayed": lambda p: torch.optim.SGD(
        p, 0.1, momentum=0.9, dampening=1.0, weight_decay=0.01
    ),
    "plain": lambda p: torch.optim.SGD(p, 0.1),
    "plain, dampened": lambda p: torch.optim.SGD(p, 0.1, dampening=0.5),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 0.1),
}


@pytest.mark.parametrize("left_out", [(0, 1, 3), (2,)])
@pytest.mark.parametrize("kind", KINDS)
def test_scaled_steps_are_torchs_bit_for_bit(kind, left_out):
    gradients = torch.randn(6, 7, generator=torch.Generator().manual_seed(1))
    gradients[left_out[0], 2], gradients[left_out, 5] = INF, NAN
    ours = steps(KINDS[kind], DeviceScaler("cpu", init_scale=8.0), gradients)
    theirs = steps(KINDS[kind], torch.amp.GradScaler("cpu", init_scale=8.0), gradients)
    ours.pop("step", None), theirs.pop("step", None)  # counts for adam, which is not undone
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
    assert torch.isfinite(ours["tensor"]).all()


@pytest.mark.parametrize("degenerated", [True, False])
def test_a_radam_that_counts_on_the_device_is_the_one_that_counts_on_the_host(degenerated):
    """Rectified from the sixth step that counts; what is left out is not counted."""
    gradients = torch.randn(14, 7, generator=torch.Generator().manual_seed(1))
    gradients[0, 2], gradients[3, 5], gradients[9, 1] = INF, NAN, INF
    options = {"lr": 0.1, "weight_decay": 0.1, "degenerated_to_sgd": degenerated}
    ours = steps(
        lambda p: RAdam(p, on_device=True, **options),
        DeviceScaler("cpu", init_scale=8.0),
        gradients,
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    theirs = steps(lambda p: RAdam(p, **options), scaler, gradients)
    assert int(ours.pop("step")) == 11 and ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-7)


def test_a_radam_goes_on_from_files_of_either_count():
    gradients = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    ends = []
    for first, then in ((False, False), (False, True), (True, False), (True, True)):
        parameter = torch.nn.Parameter(torch.ones(3))
        optimizer = RAdam([parameter], lr=0.1, on_device=first)
        for number, gradient in enumerate(gradients):
            if number == 4:
                state = optimizer.state_dict()
                optimizer = copy.deepcopy(RAdam([parameter], lr=0.1, on_device=then))
                parameter = optimizer.param_groups[0]["params"][0]
                optimizer.load_state_dict(state)
            parameter.grad = gradient.clone()
            optimizer.step()
        assert torch.is_tensor(optimizer.state[parameter]["step"]) == then
        ends.append(parameter.detach())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamw"])
def test_an_adam_of_scaled_losses_stays_fused_when_it_goes_on_from_another_file(name):
    cfg = get_cfg_default().OPTIM
    cfg.NAME = name
    parameter = torch.nn.Parameter(torch.ones(3))
    old = ADAPTIVE[name]([parameter], lr=0.1, amsgrad=name == "amsgrad")
    parameter.grad = torch.ones(3)
    old.step()
    new = build_optimizer([parameter], cfg, fused=True)
    new.load_state_dict(old.state_dict())
    assert all(group["fused"] for group in new.param_groups)
    before = parameter.detach().clone()
    scaler = DeviceScaler("cpu", init_scale=8.0)
    for value, moves in ((INF, False), (1.0, True)):
        new.zero_grad()
        scaler.scale((parameter * value).sum()).backward()
        scaler.step(new)
        scaler.update()
        assert torch.equal(parameter, before) != moves
