"""Class prompts: the shared form equals whole rows; the classname stands where it is told to."""

import pytest
import torch

import clip
from dassl.utils.errors import UserError
from tests.unit.trainers.conftest import NAMES
from trainers.parts.prompts import PromptTooLongError
from trainers.parts.templates import check_template


@pytest.mark.parametrize("trainer", ["CoOp", "MaPLe"])
def test_shared_prefix_equals_whole_rows_in_features_and_gradient(trainer, make, batch):
    trainer = make(trainer)
    learner = trainer.model.prompt_learner
    shared = trainer.model.text_prompts()
    assert shared.prefix is not None and shared.prefix.shape[0] == 1
    ctx = learner.ctx.expand(len(NAMES), -1, -1)
    whole = learner.whole_prompts(ctx)
    assert whole.prefix is None
    results = []
    for prompts in (shared, whole):
        features = trainer.model.encode_text(prompts)
        (gradient,) = torch.autograd.grad(features.square().sum(), learner.ctx, retain_graph=True)
        results.append((features.detach(), gradient))
    (features, gradient), (right, reference) = results
    torch.testing.assert_close(features, right, rtol=1e-4, atol=1e-5)
    limit = 1e-5 * float(reference.abs().max())
    torch.testing.assert_close(gradient, reference, rtol=0, atol=limit)


def test_several_streams_over_chosen_classes_equal_whole_rows(make):
    trainer = make("CoOp", "TRAINER.COOP.N_CTX", 3)
    learner = trainer.model.prompt_learner
    ctx = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(4))
    group, classes = torch.tensor([1, 0, 1]), torch.tensor([4, 4, 2])
    shared = learner.shared_prompts(ctx, group=group, classes=classes)
    assert shared.prefix.shape[0] == 2
    whole = learner.whole_prompts(ctx[group], classes=classes)
    with torch.no_grad():
        torch.testing.assert_close(
            *map(trainer.model.encode_text, (shared, whole)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("position", ["middle", "front"])
def test_chosen_classes_are_rows_of_all_classes(position, make):
    learner = make("CoOp").model.prompt_learner
    ctx, classes = learner.ctx.expand(5, -1, -1), torch.tensor([3, 1])
    some = learner.whole_prompts(ctx[classes], position, classes=classes)
    every = learner.whole_prompts(ctx, position)
    assert torch.equal(some.rows, every.rows[classes])
    assert torch.equal(some.eot, every.eot[classes])


def test_a_template_without_a_place_for_the_name_is_refused():
    with pytest.raises(UserError, match=r"DATASET.NAME = Pets: the template 'a pet' has no \{\}"):
        check_template("a pet", "DATASET.NAME = Pets")


def test_positions_of_the_classname(make):
    """The embedding of the name's first token moves; the EOT position does not."""
    rows = {}
    for position in ("end", "middle", "front"):
        options = ("TRAINER.COOP.N_CTX", 5, "TRAINER.COOP.CLASS_TOKEN_POSITION", position)
        trainer = make("CoOp", *options)
        learner = trainer.model.prompt_learner
        ctx = learner.ctx.expand(len(NAMES), -1, -1)
        prompts = learner.whole_prompts(ctx, position)
        apple = trainer.model.clip.text.embed(clip.tokenize(["red apple"]))[0, 1]
        found = [i for i, row in enumerate(prompts.rows[0]) if torch.equal(row, apple)]
        rows[position] = (found, prompts.eot.tolist())
    assert [rows[p][0] for p in ("end", "middle", "front")] == [[6], [3], [1]]
    assert rows["end"][1] == rows["middle"][1] == rows["front"][1]


def test_context_from_words_scores_like_the_hand_written_prompt(make, batch):
    """CTX_INIT `a photo of a` starts as zero-shot with the template `a photo of a {}.`"""
    learned = make("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a", "TRAINER.COOP.N_CTX", 4)
    fixed = make("ZeroshotCLIP", "DATASET.NAME", "Caltech101")
    with torch.no_grad():
        torch.testing.assert_close(
            learned.model_inference(batch.image),
            fixed.model_inference(batch.image),
            rtol=1e-4,
            atol=1e-4,
        )


def test_class_specific_contexts_are_one_per_class(make):
    trainer = make("CoOp", "TRAINER.COOP.CSC", True, "TRAINER.COOP.N_CTX", 3)
    assert trainer.model.prompt_learner.ctx.shape == (5, 3, 64)


def test_a_context_too_long_for_the_classname_names_it(make):
    with pytest.raises(PromptTooLongError, match=r"^TRAINER.COOP.N_CTX = 16: .* 'apple .*'"):
        make("CoOp", names=["apple " * 80, "pear"])


def test_words_that_leave_no_room_for_the_classname_are_named_by_their_own_key(make):
    with pytest.raises(PromptTooLongError, match=r"^TRAINER.COOP.CTX_INIT = 'very .*fewer words"):
        make("CoOp", "TRAINER.COOP.CTX_INIT", "very " * 73 + "long")


def test_a_fixed_text_longer_than_the_text_tower_is_refused_in_words_of_the_user(make):
    with pytest.raises(PromptTooLongError, match=r"^the text 'very .*77 tokens .*shorten its"):
        make("VPT", "TRAINER.VPT.CTX_INIT", "very " * 90)


@pytest.mark.parametrize(
    "trainer, key",
    [("CoOp", "COOP.CTX_INIT"), ("IVLP", "IVLP.CTX_INIT"), ("SoftCPT", "MTCOOP.TASK_CTX_INIT")],
)
def test_words_longer_than_the_text_tower_are_refused(trainer, key, make):
    with pytest.raises(
        PromptTooLongError, match=rf"^TRAINER.{key} = 'very .* 77 tokens .*; use fewer words$"
    ):
        make(trainer, f"TRAINER.{key}", "very " * 80)


def test_words_shorter_than_maples_context_are_refused(make):
    with pytest.raises(
        UserError, match=r"^TRAINER.MAPLE.N_CTX = 3: .* use 2 or less, or longer words$"
    ):
        make("MaPLe", "TRAINER.MAPLE.CTX_INIT", "a photo", "TRAINER.MAPLE.N_CTX", 3)
