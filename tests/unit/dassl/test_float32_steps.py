"""Adaptive optimizers over half-precision tensors, against the same steps in float32."""

import io

import pytest
import torch
from torch import nn

from dassl.optim import build_optimizer
from dassl.utils.errors import UserError
from tests.unit.dassl.test_golden_optim import optim_cfg

ADAPTIVE = ["adam", "amsgrad", "adamw", "radam", "rmsprop"]


def pair(name, **options):
    """A half and a float32 tensor of the same numbers, each with its optimizer."""
    cfg = optim_cfg({"NAME": name, "LR": 0.01, **options})
    start = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).half() / 10
    tensors = [nn.Parameter(start.clone()), nn.Parameter(start.float())]
    return tensors, [build_optimizer([tensor], cfg) for tensor in tensors]


def step(tensors, optimizers, number):
    """The same gradients for both, of a size whose squares are 0 in half; one is 0."""
    generator = torch.Generator().manual_seed(number)
    gradient = (torch.randn(5, 3, generator=generator) * 1e-4).half()
    gradient[0, 0] = 0
    for tensor, optimizer in zip(tensors, optimizers, strict=True):
        tensor.grad = gradient.to(tensor.dtype)
        optimizer.step()


def reloaded(name, optimizer, tensor):
    """Another tensor and optimizer in the state of these, by way of a file."""
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    other = nn.Parameter(tensor.detach().clone())
    new = build_optimizer([other], optim_cfg({"NAME": name, "LR": 0.01}))
    new.load_state_dict(torch.load(buffer, weights_only=True))
    return other, new


@pytest.mark.parametrize("name", ADAPTIVE)
def test_steps_are_those_of_float32_and_go_on_after_a_resume(name):
    tensors, optimizers = pair(name)
    for number in range(6):
        if number == 3:
            tensors[0], optimizers[0] = reloaded(name, optimizers[0], tensors[0])
        step(tensors, optimizers, number)
    half, exact = tensors
    assert half.dtype == torch.float16 and half.grad.dtype == torch.float16
    torch.testing.assert_close(half.float(), exact.detach(), rtol=1e-3, atol=1e-6)
    moments = optimizers[0].state[half].values()
    assert all(v.dtype != torch.float16 for v in moments if torch.is_tensor(v))


def test_steps_that_half_rounds_away_add_up():
    tensors, optimizers = pair("adam", LR=1e-6)
    before = tensors[0].detach().clone()
    for number in range(200):
        step(tensors, optimizers, 1)
        if number == 0:
            assert torch.equal(tensors[0], before)
    assert not torch.equal(tensors[0], before)


def test_a_tensor_that_others_change_steps_from_where_it_is():
    tensors, optimizers = pair("adam")
    step(tensors, optimizers, 0)
    for tensor in tensors:
        tensor.data.fill_(1.0)
    step(tensors, optimizers, 1)
    torch.testing.assert_close(tensors[0].float(), tensors[1].detach(), rtol=1e-3, atol=1e-6)


def test_a_state_without_copies_is_taken_over():
    """As published files hold it."""
    (half, _), (optimizer, _) = pair("adam")
    state = {k: v for k, v in optimizer.state_dict().items() if k != "float32_copies"}
    optimizer.load_state_dict(state)
    half.grad = torch.full_like(half, 1e-4)
    optimizer.step()
    assert torch.isfinite(half).all()


def test_sgd_and_float32_tensors_are_left_to_torch():
    (half, exact), _ = pair("sgd")
    assert type(build_optimizer([half], optim_cfg({"NAME": "sgd"}))) is torch.optim.SGD
    assert type(build_optimizer([exact], optim_cfg({"NAME": "adam"}))) is torch.optim.Adam


def test_groups_named_pairs_and_closures(capsys):
    tensors, _ = pair("adam")
    cfg = optim_cfg({"NAME": "adam", "LR": 0.01})
    group = {"params": (t for t in tensors), "lr": 0.02}
    optimizer = build_optimizer(None, cfg, param_groups=[group])
    assert len(optimizer.param_groups[0]["params"]) == 2
    assert "Notice: adam steps in float32" in capsys.readouterr().out

    def closure():
        optimizer.zero_grad()
        loss = sum((tensor**2).float().sum() for tensor in tensors)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    assert isinstance(build_optimizer([("w", tensors[0])], cfg), torch.optim.Adam)


@pytest.mark.parametrize("eps", [0.0, 1e-50, float("inf")])
def test_an_eps_that_float32_does_not_hold_is_refused(eps):
    cfg = optim_cfg({"NAME": "adam"})
    cfg.ADAM_EPS = eps
    with pytest.raises(UserError, match=r"^OPTIM\.ADAM_EPS = .*: steps are in float32"):
        build_optimizer([nn.Parameter(torch.zeros(1))], cfg)


def test_eps_reaches_the_optimizer():
    cfg = optim_cfg({"NAME": "adamw"})
    cfg.ADAM_EPS = 1e-4
    optimizer = build_optimizer([nn.Parameter(torch.zeros(1))], cfg)
    assert optimizer.param_groups[0]["eps"] == 1e-4
