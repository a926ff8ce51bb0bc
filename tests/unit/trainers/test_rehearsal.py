"""Every method on a GPU that is not there: one training step and one test in each precision.

Tensors are torch's fake ones of the device cuda: mixing devices or dtypes, reading a value and
waiting for a copy raise. The autograd engine asks for a CUDA context in CUDA builds of torch, also
for fake tensors, so that gradients are stood in for: the forward pass with its objective, the loss
scaler, the optimizer and what is logged are traced, the backward pass is not.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from dassl.engine import TRAINER_REGISTRY
from dassl.optim.optimizer import OPTIMIZERS
from tests.support import prompt_run
from tests.unit.trainers.conftest import (
    NAMES,
    SHALLOW,
    dataset_of,
    needed_options,
    plain,
    precision_key,
    trained_methods,
    yaml_of,
)
from tests.unit.trainers.published_dtypes import half_tensors, tower_dtype
from trainers.parts import precision, run_config, text_memory
from trainers.parts.precision import PRECISIONS
from trainers.parts.register import ALIASES
from trainers.parts.rehearsal import HostWaitError, NoWaits, forecast, rehearsal

TRAINED = trained_methods()
TESTED = [
    name
    for name in TRAINER_REGISTRY.registered_names()
    if name not in {*ALIASES, *TRAINED}
    and TRAINER_REGISTRY.get(name).__module__.startswith("trainers.")  # not one of a test
]
CASES = [(name, word) for name in [*TRAINED, *TESTED] for word in PRECISIONS if precision_key(name)]
CASES += [(name, "") for name in TESTED if not precision_key(name)]
IMAGES, LABELS = torch.zeros(4, 3, 32, 32), torch.tensor([0, 1, 1, 0])


@pytest.fixture
def as_if_cuda(monkeypatch):
    """Precisions that need a GPU are offered, and torch does not switch them off."""
    for module in (precision, run_config):
        monkeypatch.setattr(module, "NEEDS_CUDA", ())
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)


@pytest.fixture
def built(small_vit, monkeypatch, as_if_cuda):
    def call(name, word, *options):
        options = [*(([precision_key(name), word]) if word else []), *options]
        options += [*needed_options(name), *SHALLOW.get(plain(name), ())]
        cfg = prompt_run.config(name, yaml_of(name), small_vit, options)
        trainer = prompt_run.build(monkeypatch, cfg, **dataset_of(name, NAMES))
        trainer.epoch = 0
        if plain(name) == "PromptSRC":
            trainer.model.teacher_text()  # of 60 templates: made once, and slow to trace
        return trainer

    return call


def batch_of(trainer):
    views = [IMAGES, IMAGES] if trainer.cfg.DATALOADER.K_TRANSFORMS == 2 else IMAGES
    return {"img": views, "label": LABELS}


def without_engine(monkeypatch, twin):
    """Gradients of the trained tensors' own dtype, in place of autograd's."""

    def backward(loss, *args, **kwargs):
        assert loss.dim() == 0 and loss.requires_grad
        for tensor in twin.trained():
            tensor.grad = torch.zeros_like(tensor)

    def gradients(loss, tensors, **kwargs):
        return [torch.zeros_like(tensor) for tensor in tensors]

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", gradients)


# The optimizer's step is that of the rehearsal, so the schedule believes that there was none.
@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step")
@pytest.mark.parametrize(("name", "word"), CASES)
def test_a_step_and_a_test_stay_on_the_gpu_and_never_wait_for_it(name, word, built, monkeypatch):
    trainer = built(name, word)
    with rehearsal(trainer, "cuda") as twin:
        if name in TRAINED:
            without_engine(monkeypatch, twin)
            with NoWaits():
                report = twin.forward_backward(batch_of(trainer))
            assert {value.device.type for value in report.values()} == {"cuda"}
            assert all(tensor.grad.dtype == tensor.dtype for tensor in twin.trained())
        twin.set_model_mode("eval")
        with torch.no_grad(), twin.model.fixed_weights():
            images, _ = twin.parse_batch_test(batch_of(trainer) | {"img": IMAGES})
            twin.model_inference(images)  # what is made once for a split
            with NoWaits():
                images, labels = twin.parse_batch_test(batch_of(trainer) | {"img": IMAGES})
                logits = twin.model_inference(images)
    assert logits.device.type == labels.device.type == "cuda" and logits.shape == (4, len(NAMES))
    tensors = dict(twin.model.named_parameters())
    assert {tensor.device.type for tensor in tensors.values()} <= {"cuda"}
    if word:
        half = {key for key, tensor in tensors.items() if tensor.dtype == torch.float16}
        assert half == (half_tensors(name, half) if word == "fp16" else set())
        assert all(t.dtype == torch.float32 for key, t in tensors.items() if key not in half)
        assert twin.model.clip.dtype == tower_dtype(name, word)


@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step")
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        *((name, ()) for name in OPTIMIZERS),
        ("sgd", ("OPTIM.SGD_DAMPNING", 1)),
    ],
)
def test_scaled_steps_of_every_optimizer_never_wait(optimizer, options, built, monkeypatch):
    """The first one, and one on the state that it leaves."""
    trainer = built("CoOp", "amp", "OPTIM.NAME", optimizer, *options)
    with rehearsal(trainer, "cuda") as twin:
        without_engine(monkeypatch, twin)
        with NoWaits():
            for _ in range(2):
                twin.forward_backward(batch_of(trainer))
        (state,) = (twin.optim.state[tensor] for tensor in twin.trained())
        assert {value.device.type for key, value in state.items() if key != "step"} == {"cuda"}


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.cpu(),
        lambda x: torch.zeros(2).to(x.device),
        lambda x: x.copy_(torch.zeros(3)),
        lambda x: x[torch.arange(2)],
        lambda x: x.index_put_((torch.arange(2),), x[:2]),
    ],
    ids=["read", "sent", "copied", "indexed", "put"],
)
def test_what_the_host_would_wait_for_is_refused(act):
    with FakeTensorMode(), NoWaits():
        x = torch.empty(3, device="cuda")
        with pytest.raises(HostWaitError):
            act(x)
        torch.zeros(3).to(x.device, non_blocking=True)
        x.copy_(torch.zeros(3), non_blocking=True)


@pytest.mark.parametrize("act", [float, bool, torch.Tensor.item, torch.Tensor.nonzero])
def test_values_cannot_be_read_in_a_rehearsal(act):
    unknown = (DataDependentOutputException, DynamicOutputShapeException)
    with FakeTensorMode(), pytest.raises(unknown):
        act(torch.empty((1,), device="cuda"))


def test_a_step_that_reads_its_loss_is_found(built, monkeypatch):
    """What this file's first test is for, seen to fail."""
    trainer = built("CoOp", "fp32")
    with rehearsal(trainer, "cuda") as twin:
        without_engine(monkeypatch, twin)
        twin._finite_losses.at_once = True
        with pytest.raises(DataDependentOutputException):
            twin.forward_backward(batch_of(trainer))


def test_a_forecast_counts_what_lives_and_leaves_the_trainer_as_it_was(shallow, batch):
    names = [f"class number {i}" for i in range(40)]
    few, many = shallow("CoOp", names=names[:20]), shallow("CoOp", names=names)
    before = {key: value.clone() for key, value in few.model.state_dict().items()}
    data = {"img": batch.image, "label": batch.label}
    for trainer in (few, many):
        trainer.epoch = 0
    small, large = forecast(few, data), forecast(many, data)
    towers = sum(p.numel() * p.element_size() for p in few.model.clip.parameters())
    assert towers < small.fixed < 1.1 * towers
    assert small == forecast(few, data)
    growth = (large.peak - large.fixed) / (small.peak - small.fixed)
    assert 1.5 < growth < 2.1  # the prefix is shared, the rest is by class
    after = few.model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not few.optim.state and few.model.prompt_learner.ctx.grad is None
    prompt_run.step(few, batch.image, batch.label)  # still a trainer of real tensors


def test_a_forecast_hears_of_a_limit(shallow, batch, monkeypatch):
    monkeypatch.setattr(text_memory, "plan_of", lambda rows, cost, left: text_memory.Plan(0, 6))
    names = [f"class number {i}" for i in range(24)]
    data = {"img": batch.image, "label": batch.label}
    peaks = []
    for limit in ("", "900G"):
        trainer = shallow("CoOp", "MODEL.MEMORY_LIMIT", limit, names=names)
        trainer.epoch = 0
        found = forecast(trainer, data)
        peaks.append(found.peak - found.fixed)
    assert peaks[1] < 0.6 * peaks[0]
