"""What holds for every trained method, whichever are registered."""

from collections import defaultdict

import pytest
import torch

from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY, resume_state
from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import WITH_DEPT, plain, precision_key, trained_methods
from tests.unit.trainers.published_dtypes import half_tensors, tower_dtype
from trainers.parts import precision, run_config

METHODS = trained_methods()
WITH_PRECISION = [
    name for name in METHODS if precision_key(name) and (name == plain(name) or name in WITH_DEPT)
]
OTHER = ["blue jay", "tulip", "pizza"]


@pytest.mark.parametrize("name", METHODS)
def test_training_moves_the_methods_own_tensors_and_lowers_the_loss(name, shallow, batch):
    """The towers are bit for bit the same; all that the model holds gets a gradient."""
    trainer = shallow(name, "OPTIM.WARMUP_EPOCH", -1, "OPTIM.LR", 0.002)
    towers = {key: value.clone() for key, value in trainer.model.clip.state_dict().items()}
    losses = [prompt_run.step(trainer, batch.image, batch.label)["loss"] for _ in range(3)]
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in trainer.model.parameters())
    assert not any(p.requires_grad for p in trainer.model.clip.parameters())
    assert not any(key.startswith("visual") for key in trainer.model.state_dict())
    after = trainer.model.clip.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in towers.items())


@pytest.mark.parametrize("name", METHODS)
def test_every_trained_tensor_reaches_the_loss(name, shallow, batch):
    trainer = prompt_run.wander(shallow(name))
    prompt_run.step(trainer, batch.image, batch.label)
    trained = prompt_run.trained(trainer)
    assert trained and not [key for key, p in trained.items() if not p.grad.abs().max() > 0]


@pytest.mark.parametrize("name", METHODS)
def test_every_trained_part_counts_in_a_test(name, shallow, batch):
    """A part is the tensors of one module; single ones, as a bias of keys, may do nothing."""
    trainer = prompt_run.wander(shallow(name))
    before = prompt_run.logits(trainer, batch.image)
    generator, parts = torch.Generator().manual_seed(11), defaultdict(list)
    for key, tensor in prompt_run.trained(trainer).items():
        if not key.startswith("film_lp_text"):  # DePT's head reads texts in training only
            parts[key.rpartition(".")[0]].append(tensor)
    for part, tensors in parts.items():
        kept = [tensor.detach().clone() for tensor in tensors]
        with torch.no_grad():
            for tensor in tensors:
                tensor += 0.5 * torch.randn(tensor.shape, generator=generator)
            after = prompt_run.logits(trainer, batch.image)
            for tensor, own in zip(tensors, kept, strict=True):
                tensor.copy_(own)
        assert (after - before).abs().max() > 1e-5, part


@pytest.mark.parametrize("name", [name for name in METHODS if name != plain(name)])
def test_a_dept_variant_is_not_its_method(name, shallow, batch):
    base, variant = shallow(plain(name)), shallow(name)
    prompt_run.wander(base)
    variant.model.load_state_dict(base.model.state_dict(), strict=False)
    logits = [prompt_run.logits(trainer, batch.image) for trainer in (base, variant)]
    assert not torch.allclose(*logits, rtol=1e-3, atol=1e-3)
    losses = []
    for trainer in (base, variant):
        trainer.set_model_mode("train")
        torch.manual_seed(2)
        losses.append(prompt_run.step(trainer, batch.image, batch.label)["loss"])
    assert not torch.allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_neither_training_mode_nor_the_cache_changes_the_numbers(name, shallow, batch):
    trainer = shallow(name)
    with torch.no_grad():
        training = trainer.model_inference(batch.image)
    plain = prompt_run.logits(trainer, batch.image)
    assert torch.equal(training, plain)
    assert not any(module.training for module in trainer.model.clip.modules())
    with trainer.model.fixed_weights():
        first = prompt_run.logits(trainer, batch.image)
        second = prompt_run.logits(trainer, batch.image)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, plain)


@pytest.mark.parametrize("name", METHODS)
def test_a_model_of_base_classes_scores_new_ones(name, shallow, batch, tmp_path):
    """With what was trained, or without any of it where that belongs to the trained classes."""
    trainer = shallow(name)
    prompt_run.step(trainer, batch.image, batch.label, batch_idx=1)
    trainer.save_model(0, str(tmp_path))
    new = shallow(name, "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER, seed=9)
    with torch.no_grad():
        before = new.model.similarity(new.model.features(batch.image))
    new.load_model(str(tmp_path), epoch=1)
    new.model.check_scorable()
    logits = prompt_run.logits(new, batch.image)
    assert logits.shape == (4, 3)
    if new.model.class_bound:
        before = prompt_run.logits(prompt_run.wander(new), batch.image)
    assert new.model.class_bound == torch.allclose(logits, before, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_run_goes_on_as_the_unbroken_one(name, shallow, batch, tmp_path):
    unbroken = shallow(name)
    unbroken.output_dir = str(tmp_path)
    prompt_run.step(unbroken, batch.image, batch.label, batch_idx=1)  # the end of an epoch
    resume_state.save_resume_state(unbroken, 1)
    resumed = shallow(name, seed=9)
    assert resumed.resume_model_if_exist(str(tmp_path)) == 1
    for trainer in (unbroken, resumed):
        torch.manual_seed(3)
        prompt_run.step(trainer, batch.image, batch.label)
    theirs = dict(unbroken.model.named_parameters())
    for key, tensor in resumed.model.named_parameters():
        assert torch.equal(tensor, theirs[key]), key


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_model_scores_the_same_when_loaded(name, shallow, batch, tmp_path):
    """And its tensors are those that the optimizer holds."""
    trainer = shallow(name)
    prompt_run.step(trainer, batch.image, batch.label, batch_idx=1)
    trainer.save_model(0, str(tmp_path))
    other = shallow(name, seed=9)
    other.load_model(str(tmp_path), epoch=1)
    torch.testing.assert_close(
        prompt_run.logits(other, batch.image), prompt_run.logits(trainer, batch.image)
    )
    held = {id(p) for group in other.optim.param_groups for p in group["params"]}
    assert {id(p) for p in other.model.parameters()} <= held


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_that_is_not_finite_stops_the_run(name, shallow, batch):
    with pytest.raises(FloatingPointError):
        prompt_run.step(shallow(name), batch.image * float("nan"), batch.label)


@pytest.mark.parametrize("alias", ["ExtrasLinearProbeCoOp", "ExtrasLinearProbeMaPLe"])
def test_published_names_are_the_dept_variants(alias):
    variant = alias.removeprefix("ExtrasLinearProbe") + "DePT"
    assert issubclass(TRAINER_REGISTRY.get(alias), TRAINER_REGISTRY.get(variant))


def test_maple_of_depth_1_has_no_deep_prompts(make, batch):
    trainer = make("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", 1)
    names = {name for name, _ in trainer.model.named_parameters()}
    assert names == {f"prompt_learner.{n}" for n in ("ctx", "proj.weight", "proj.bias")}


def test_maple_needs_a_vision_transformer(make, small_resnet):
    with pytest.raises(UserError, match="ResNet"):
        make("MaPLe", "INPUT.SIZE", "(64, 64)", weights=small_resnet)


def test_coop_trains_on_a_resnet(make, small_resnet):
    trainer = make("CoOp", "INPUT.SIZE", "(64, 64)", weights=small_resnet)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 64, generator=generator)
    report = prompt_run.step(trainer, images, torch.tensor([0, 1]))
    assert torch.isfinite(report["loss"])
    assert not any(module.training for module in trainer.model.clip.modules())


def test_zero_shot_uses_the_datasets_template(make, caplog):
    with caplog.at_level("INFO"):
        make("ZeroshotCLIP", "DATASET.NAME", "EuroSAT")
    assert "a centered satellite photo of golden retriever." in caplog.text


def test_zero_shot_without_a_known_template_says_what_to_do(make, monkeypatch):
    monkeypatch.setattr(DATASET_REGISTRY.get("EuroSAT"), "template", "")
    with pytest.raises(UserError, match="template"):
        make("ZeroshotCLIP", "DATASET.NAME", "EuroSAT")


@pytest.fixture
def on_cpu(monkeypatch):
    """The arithmetic of PREC fp16 and amp on the CPU, which users are not offered."""
    for module in (precision, run_config):
        monkeypatch.setattr(module, "NEEDS_CUDA", ())

    def autocast(run):
        return torch.autocast("cpu", torch.float16, enabled=run.name == "amp")

    scaler = precision.DeviceScaler
    monkeypatch.setattr(precision, "DeviceScaler", lambda _: scaler("cpu", init_scale=2.0**8))
    monkeypatch.setattr(precision.Precision, "autocast", autocast)


@pytest.mark.parametrize("name", WITH_PRECISION)
def test_two_steps_of_adam_in_lower_precisions_are_near_those_of_float32(
    name, shallow, batch, on_cpu
):
    """The published dtypes of fp16, and steps that half itself could not take; bf16's first one."""
    adam = ("OPTIM.NAME", "adam", "OPTIM.LR", 2e-4, "OPTIM.WARMUP_EPOCH", -1)
    key = precision_key(name)
    half, exact = shallow(name, *adam, key, "fp16"), shallow(name, *adam, seed=2)
    mixed, rough = (shallow(name, *adam, key, word, seed=3) for word in ("amp", "bf16"))
    for trainer in (exact, mixed, rough):
        trainer.model.load_state_dict(half.model.state_dict())
    near = [half, mixed] if exact.step_repeat() == 1 else [half]  # under amp one step, as published
    first = None
    for _ in range(2):
        report = {t: prompt_run.step(t, batch.image, batch.label) for t in (half, mixed, exact)}
        for trainer in near:
            found, expected = (report[t]["loss"].float() for t in (trainer, exact))
            torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
        first = report[exact]["loss"] if first is None else first
    found = prompt_run.step(rough, batch.image, batch.label)["loss"]
    torch.testing.assert_close(found, first, rtol=5e-2, atol=5e-2)
    assert rough.model.clip.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in rough.model.parameters())
    assert rough.model.features(batch.image).image.dtype == torch.float32
    for trainer in (half, mixed):
        assert all(torch.isfinite(tensor).all() for tensor in trainer.model.parameters())
    assert half.model.clip.dtype == tower_dtype(name, "fp16")
    found = {n for n, p in half.model.named_parameters() if p.dtype == torch.float16}
    assert found == half_tensors(name, found)


def test_the_gradient_scaler_is_part_of_what_a_resumed_run_gets(make):
    first, second = make("CoOp"), make("CoOp")
    first.precision._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**5)
    second.precision._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    second.load_extra(first.checkpoint_extra())
    assert second.precision._scaler.get_scale() == 2.0**5


def test_another_methods_options_do_not_change_a_runs_digest(make):
    trainer = make("CoOp")
    before = trainer.config_digest()
    other = make("CoOp", "TRAINER.MAPLE.N_CTX", 3)
    assert other.config_digest() == before
    assert make("CoOp", "TRAINER.COOP.N_CTX", 3).config_digest() != before
