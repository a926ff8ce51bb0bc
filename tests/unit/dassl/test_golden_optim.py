"""Learning rates and optimizers of the public engine."""

import json
import warnings

import pytest
import torch
from torch import nn

from dassl.config import get_cfg_default
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.optim.lr_scheduler import advance_schedule
from dassl.optim.radam import RAdam
from tests.unit.dassl.toy import GOLDEN

LR = json.loads((GOLDEN / "lr.json").read_text())
OPTIMIZERS = json.loads((GOLDEN / "optimizers.json").read_text())


class TwoLayers(nn.Module):
    """Four tensors in two children; `head` is the new layer of the STAGED_LR cases."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)


def optim_cfg(overrides):
    cfg = get_cfg_default()
    cfg.merge_from_list([x for key, value in overrides.items() for x in (f"OPTIM.{key}", value)])
    return cfg.OPTIM


def rates(optimizer):
    found = [group["lr"] for group in optimizer.param_groups]
    return found[0] if len(found) == 1 else found


def flat(series):
    return [rate for entry in series for rate in (entry if isinstance(entry, list) else [entry])]


@pytest.mark.parametrize("case", LR["published"] + LR["variants"])
def test_rate_of_every_epoch(case):
    cfg = optim_cfg(case["overrides"])
    optimizer = build_optimizer(TwoLayers(), cfg)
    assert [len(group["params"]) for group in optimizer.param_groups] == case["elements_per_group"]
    scheduler = build_lr_scheduler(optimizer, cfg)
    series = [rates(optimizer)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(case["max_epoch"]):
            optimizer.step()
            scheduler.step()
            series.append(rates(optimizer))
            assert flat([scheduler.get_last_lr()]) == flat([series[-1]])
    assert flat(series) == pytest.approx(flat(case["lr"]), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("case", LR["variants"])
@pytest.mark.parametrize("rebuilt", [False, True], ids=["from numbers", "from the epoch"])
def test_a_schedule_goes_on_after_a_stop(case, rebuilt):
    cfg = optim_cfg(case["overrides"])
    first = build_optimizer(TwoLayers(), cfg)
    stopped = build_lr_scheduler(first, cfg)
    advance_schedule(stopped, 3)
    second = build_optimizer(TwoLayers(), cfg)
    resumed = build_lr_scheduler(second, cfg)
    if rebuilt:
        advance_schedule(resumed, 3)
    else:
        second.load_state_dict(first.state_dict())
        resumed.load_state_dict(stopped.state_dict())
    series = [rates(second)]
    for _ in range(3, case["max_epoch"]):
        second.step()
        resumed.step()
        series.append(rates(second))
    assert flat(series) == pytest.approx(flat(case["lr"][3:]), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", OPTIMIZERS["groups"])
def test_settings(name):
    optimizer = build_optimizer(TwoLayers(), optim_cfg({"NAME": name}))
    golden = dict(OPTIMIZERS["groups"][name])
    assert type(optimizer).__name__ == golden.pop("cls")
    group = {key: optimizer.param_groups[0][key] for key in golden}
    assert json.loads(json.dumps(group)) == golden


def radam_steps(optimizer, parameter, grads):
    series = []
    for grad in grads:
        parameter.grad = torch.tensor(grad)
        optimizer.step()
        series.append(parameter.detach().clone())
    return torch.stack(series)


def test_radam_steps():
    golden = OPTIMIZERS["radam"]
    parameter = nn.Parameter(torch.tensor(golden["start"]))
    optimizer = RAdam([parameter], lr=golden["lr"], weight_decay=golden["weight_decay"])
    series = radam_steps(optimizer, parameter, golden["grads"])
    expected = torch.tensor(golden["parameters_after_each_step"])
    torch.testing.assert_close(series, expected, rtol=1e-5, atol=1e-6)


def test_radam_without_degeneration_waits():
    golden = OPTIMIZERS["radam"]
    parameter = nn.Parameter(torch.tensor(golden["start"]))
    optimizer = RAdam([parameter], lr=0.01, degenerated_to_sgd=False)
    series = radam_steps(optimizer, parameter, golden["grads"])
    start = torch.tensor(golden["start"])
    assert torch.equal(series[4], start) and not torch.equal(series[5], start)


def test_parameter_groups_win_over_staged_lr(capsys):
    model = TwoLayers()
    cfg = optim_cfg({"NAME": "sgd", "STAGED_LR": True, "NEW_LAYERS": ["head"]})
    groups = [{"params": model.head.parameters(), "lr": 0.5}]
    assert rates(build_optimizer(model, cfg, param_groups=groups)) == 0.5
    assert "STAGED_LR is ignored" in capsys.readouterr().out


def test_frozen_parameters_are_in_the_list():
    model = TwoLayers()
    model.base.requires_grad_(False)
    optimizer = build_optimizer(model, optim_cfg({"NAME": "sgd"}))
    assert len(optimizer.param_groups[0]["params"]) == 4


@pytest.mark.parametrize(
    ("overrides", "error", "text"),
    [
        ({"NAME": "sdg"}, ValueError, "did you mean sgd"),
        ({"LR_SCHEDULER": "cosin"}, ValueError, "single_step, multi_step, cosine"),
        ({"WARMUP_EPOCH": 1, "WARMUP_TYPE": "x"}, ValueError, "constant, linear"),
        ({"LR_SCHEDULER": "single_step", "STEPSIZE": (1.5,)}, TypeError, "number of epochs"),
    ],
)
def test_wrong_settings(overrides, error, text):
    cfg = optim_cfg(overrides)
    with pytest.raises(error, match=text):
        build_lr_scheduler(build_optimizer(TwoLayers(), cfg), cfg)


def test_multi_step_needs_a_list_and_staged_lr_a_module():
    cfg = optim_cfg({"LR_SCHEDULER": "multi_step"})
    cfg.STEPSIZE = 3
    with pytest.raises(TypeError):
        build_lr_scheduler(build_optimizer(TwoLayers(), cfg), cfg)
    with pytest.raises(TypeError, match="needs a module"):
        build_optimizer(TwoLayers().parameters(), optim_cfg({"STAGED_LR": True}))
