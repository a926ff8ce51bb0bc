"""CoCoOp: every image has prompts of its own."""

import pytest
import torch

from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from trainers import cocoop

TASKS = prompt_run.of_tasks({"fruit": NAMES[:1], "rest": NAMES[1:]})
TASKS.pop("classnames")  # the builders take NAMES
WORDS = ("TRAINER.COCOOP.CTX_INIT", "a photo of a", "TRAINER.COCOOP.N_CTX", 4)


def with_strong_shift(trainer):
    """A meta-net whose shift is of the context's size, so that images differ visibly."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in trainer.model.prompt_learner.meta_net.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return trainer


def test_the_meta_net_of_vit_b16_and_four_tokens_trains_35360_numbers(make, tiny_vit):
    trainer = make("CoCoOp", *WORDS, weights=tiny_vit)
    assert sum(p.numel() for p in trainer.model.parameters() if p.requires_grad) == 35_360


def test_without_a_shift_it_is_coop(make, batch):
    conditioned = make("CoCoOp", *WORDS)
    with torch.no_grad():
        for tensor in conditioned.model.prompt_learner.meta_net.linear2.parameters():
            tensor.zero_()
    plain = make("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    torch.testing.assert_close(
        prompt_run.logits(conditioned, batch.image), prompt_run.logits(plain, batch.image)
    )


def test_images_do_not_see_each_other(make, batch):
    trainer = with_strong_shift(make("CoCoOp"))
    together = prompt_run.logits(trainer, batch.image)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image[order]), together[order])
    alone = [prompt_run.logits(trainer, image[None]) for image in batch.image]
    torch.testing.assert_close(torch.cat(alone), together)
    features = trainer.model.features(batch.image).text
    assert (features[0] - features[1]).abs().max() > 1e-3


def test_a_step_on_a_batch_has_the_mean_loss_and_gradient_of_its_images(make, batch):
    whole = with_strong_shift(make("CoCoOp"))
    loss = prompt_run.step(whole, batch.image, batch.label)["loss"]
    gradients = {name: p.grad for name, p in whole.model.named_parameters()}
    losses, sums = [], dict.fromkeys(gradients, 0)
    for image, label in zip(batch.image, batch.label, strict=True):
        single = with_strong_shift(make("CoCoOp"))
        losses.append(prompt_run.step(single, image[None], label[None])["loss"])
        for name, tensor in single.model.named_parameters():
            sums[name] = sums[name] + tensor.grad / len(batch.label)
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, sums[name], rtol=1e-3, atol=1e-6)


def test_the_shift_depends_on_the_direction_of_the_image_feature_alone(make):
    model = with_strong_shift(make("CoCoOp")).model
    image = torch.randn(2, 32, generator=torch.Generator().manual_seed(5))
    prompts = [model.prompt_learner(feature).prefix for feature in (image, 7 * image)]
    torch.testing.assert_close(*prompts)


def test_there_is_one_prefix_stream_per_image(make):
    learner = make("CoCoOp", "TRAINER.COCOOP.N_CTX", 3).model.prompt_learner
    prompts = learner(torch.randn(2, 32, generator=torch.Generator().manual_seed(5)))
    assert prompts.prefix.shape == (2, 4, 64)
    assert prompts.group.tolist() == [0] * 5 + [1] * 5
    assert torch.equal(prompts.eot, learner.eot.repeat(2))


@pytest.mark.parametrize(("at_once", "sizes"), [(1, [5] * 4), (12, [10, 10]), (100, [20])])
def test_tests_encode_a_bounded_number_of_texts_at_once(at_once, sizes, make, batch, monkeypatch):
    trainer = with_strong_shift(make("CoCoOp"))
    expected = prompt_run.logits(trainer, batch.image)
    rows = []
    tower = trainer.model.clip.text
    encode = tower.forward_shared

    def spy(prefix, suffix, group, eot, change):
        rows.append(len(suffix))
        return encode(prefix, suffix, group, eot, change)

    monkeypatch.setattr(tower, "forward_shared", spy)
    monkeypatch.setattr(cocoop, "TEXTS_AT_ONCE", at_once)
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image), expected)
    assert rows == sizes


def test_true_of_kgcoops_yaml_starts_with_four_words(small_vit, monkeypatch, caplog):
    yaml = "configs/trainers/CoCoOp/rn50_ep50.yaml"
    cfg = prompt_run.config("CoCoOp", yaml, small_vit, ["TRAINER.COCOOP.PREC", "fp32"])
    trainer = prompt_run.build(monkeypatch, cfg, NAMES)
    assert trainer.model.prompt_learner.words == "a photo of a"
    assert "CTX_INIT sets 4 context tokens; N_CTX 16 is not used" in caplog.text
    assert "CSC" not in caplog.text


def test_it_trains_on_a_resnet(make, small_resnet):
    trainer = make("CoCoOp", "INPUT.SIZE", "(64, 64)", weights=small_resnet)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    report = prompt_run.step(trainer, images, torch.tensor([0, 1]))
    assert torch.isfinite(report["loss"])
    assert trainer.model.prompt_learner.meta_net.linear1.weight.shape == (4, 64)


@pytest.mark.parametrize("head", ["linear", "similarity"])
def test_depts_heads_work_over_several_tasks(head, make, batch):
    trainer = make("CoCoOpDePT", "TRAINER.LINEAR_PROBE.TYPE", head, **TASKS)
    report = prompt_run.step(trainer, batch.image, batch.label)
    assert torch.isfinite(report["loss"])
    assert torch.isfinite(prompt_run.logits(trainer, batch.image)).all()
