"""KgCoOp: CoOp and a pull to the hand-written prompts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dassl.data.datasets import DATASET_REGISTRY
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from trainers import kgcoop
from trainers.parts.classes import ClassSpace

GOLDEN = Path(__file__).parents[2] / "golden" / "dept"
TASKS = prompt_run.of_tasks({"fruit": NAMES[:1], "rest": NAMES[1:]})
TASKS.pop("classnames")  # the builders take NAMES
PLAIN = ("DATASET.NAME", "Caltech101")  # its template is `a photo of a {}.`
# The published targets (KgCoOp, trainers/kgcoop.py) for the class `red apple`.
TARGETS = {
    "OxfordPets": "a photo of a red apple, a type of pet.",
    "OxfordFlowers": "a photo of a red apple, a type of flower.",
    "FGVCAircraft": "a photo of a red apple, a type of aircraft.",
    "DescribableTextures": "a photo of a red apple, a type of texture.",
    "EuroSAT": "a centered satellite photo of red apple.",
    "Food101": "a photo of red apple, a type of food.",
    "UCF101": "a photo of a person doing red apple.",
    **dict.fromkeys(
        ("StanfordCars", "SUN397", "Caltech101", "ImageNet", "ImageNetSketch", "ImageNetV2"),
        "a photo of a red apple.",
    ),
    **dict.fromkeys(("ImageNetA", "ImageNetR"), "a photo of a red apple."),
}


def pull(trainer, image):
    """The penalty and its gradient by the context."""
    model = trainer.model
    (term,) = model.regularisers(model.features(image), None, None).values()
    (gradient,) = torch.autograd.grad(term, model.prompt_learner.ctx)
    return term.detach(), gradient


def test_without_weight_it_is_coop(make, batch):
    plain = make("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    kg = make("KgCoOp", "TRAINER.COOP.W", 0.0)
    losses = [prompt_run.step(t, batch.image, batch.label)["loss"] for t in (plain, kg)]
    assert torch.equal(*losses)
    gradients = [t.model.prompt_learner.ctx.grad for t in (plain, kg)]
    assert torch.equal(*gradients)


def test_the_pull_is_zero_at_the_start_where_the_template_is_the_context(make, batch):
    assert abs(pull(make("KgCoOp", *PLAIN), batch.image)[0]) < 1e-6
    assert pull(make("KgCoOp"), batch.image)[0] > 1e-4  # OxfordPets: `..., a type of pet.`


def test_the_pull_is_the_mean_distance_of_all_classes_times_the_weight(make, batch):
    trainer = make("KgCoOp", "TRAINER.COOP.W", 8.0)
    text = torch.nn.functional.normalize(trainer.model.features(batch.image).text, dim=-1)
    distances = 1 - (text * trainer.model.references()).sum(dim=-1)
    torch.testing.assert_close(pull(trainer, batch.image)[0], 8 * distances.mean().detach())


def test_the_pulls_gradient_does_not_depend_on_the_batch(make, batch):
    trainer = make("KgCoOp")
    gradients = [pull(trainer, image)[1] for image in (batch.image, batch.image[:1] * 2)]
    assert gradients[0].abs().max() > 0
    assert torch.equal(*gradients)


def test_the_references_are_those_of_the_published_code(tiny_vit, make):
    names = ["red apple", "golden retriever", "Boeing 737-800", "forest", "sports car"]
    model = make("KgCoOp", names=names, weights=tiny_vit).model
    teacher = np.load(GOLDEN / "kgcoop.npz")["teacher"]
    np.testing.assert_allclose(model.references(), teacher, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dataset", TARGETS)
def test_every_dataset_has_its_published_target(dataset, make):
    model = make("KgCoOp", "DATASET.NAME", dataset).model
    assert model.reference_texts()[0] == TARGETS[dataset]


def test_a_dataset_without_a_template_has_the_plain_one(make, monkeypatch):
    monkeypatch.setattr(DATASET_REGISTRY.get("EuroSAT"), "template", "")
    model = make("KgCoOp", "DATASET.NAME", "EuroSAT").model
    assert model.reference_texts()[1] == "a photo of a golden retriever."


def test_every_class_is_pulled_to_the_prompt_of_its_task(make):
    model = make("KgCoOp", **TASKS | {"task_templates": ["a sketch of a {}.", ""]}).model
    assert model.reference_texts()[:2] == [
        "a sketch of a red apple.",
        "a photo of a golden retriever.",
    ]


def test_references_follow_the_classes_and_are_not_part_of_the_model(make):
    model = make("KgCoOp").model
    assert model.references().shape == (5, 32)
    model.set_classes(ClassSpace(("tulip", "pizza")))
    assert model.references().shape == (2, 32) and not model.references().requires_grad
    assert set(model.state_dict()) == {"prompt_learner.ctx"}


def test_tests_need_no_references(make, batch, monkeypatch):
    def refuse(*_):
        raise AssertionError("encoded")

    monkeypatch.setattr(kgcoop, "encode_texts", refuse)
    assert prompt_run.logits(make("KgCoOp"), batch.image).shape == (4, 5)


def test_any_start_words_mean_a_photo_of_a_and_the_name_stands_at_the_end(make, caplog):
    options = ("TRAINER.COOP.CTX_INIT", "this is", "TRAINER.COOP.CLASS_TOKEN_POSITION", "front")
    learner = make("KgCoOp", *options).model.prompt_learner
    assert (learner.words, learner.n_ctx, learner.position) == ("a photo of a", 4, "end")
    assert "KgCoOp reads CTX_INIT 'this is' as 'a photo of a'" in caplog.text
    assert "CLASS_TOKEN_POSITION is not used" in caplog.text


def test_without_start_words_the_context_is_random_and_may_be_of_each_class(make):
    options = ("TRAINER.COOP.CTX_INIT", "False", "TRAINER.COOP.CSC", True, "TRAINER.COOP.N_CTX", 3)
    assert make("KgCoOp", *options).model.prompt_learner.ctx.shape == (5, 3, 64)
