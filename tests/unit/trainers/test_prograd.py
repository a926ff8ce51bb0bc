"""ProGrad: CoOp's loss, and a gradient without the part against the guide's."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

import clip
from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from trainers import prograd
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Features
from trainers.prograd import projected

TEMPLATE = ("TRAINER.COOP.CTX_INIT", "True", "TRAINER.COOP.N_CTX", 16)
TEMPLATE += ("TRAINER.PROGRAD.TEMPLATE_START", True)
# The published texts (KgCoOp, trainers/prograd.py) for the class `red apple`.
TEACHERS = {
    "OxfordPets": "a type of pet, a photo of a red apple.",
    "OxfordFlowers": "a type of flower, a photo of a red apple.",
    "FGVCAircraft": "a type of aircraft, a photo of a red apple.",
    "Food101": "a type of food, a photo of red apple.",
    "DescribableTextures": "a texture of red apple.",
    "EuroSAT": "a centered satellite photo of red apple.",
    "UCF101": "a photo of a person doing red apple.",
    **dict.fromkeys(("StanfordCars", "SUN397", "ImageNetR"), "a photo of a red apple."),
}


@pytest.mark.parametrize(
    "gradient, guide, share, expected",
    [
        # u = (-0.6, 0.8), a.u = -0.6: a + 0.6 u
        ([1.0, 0.0], [-3.0, 4.0], 1.0, [0.64, 0.48]),
        ([1.0, 0.0], [-3.0, 4.0], 0.5, [0.82, 0.24]),
        ([1.0, 0.0], [-3.0, 4.0], 0.0, [1.0, 0.0]),
        ([1.0, 0.0], [3.0, 4.0], 1.0, [1.0, 0.0]),  # not against
        ([0.0, 2.0], [1.0, 0.0], 1.0, [0.0, 2.0]),  # at a right angle
        ([1.0, -2.0], [0.0, 0.0], 1.0, [1.0, -2.0]),  # no guide: |b| = 0
        # over the whole tensor: a.u = -1 and b spans both rows, so the second row moves as well
        ([[-2.0, 0.0], [1.0, 0.0]], [[3.0, 0.0], [4.0, 0.0]], 1.0, [[-1.76, 0.0], [1.32, 0.0]]),
    ],
)
def test_the_part_against_the_guide_is_taken_out(gradient, guide, share, expected):
    found = projected(torch.tensor(gradient), torch.tensor(guide), share)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_half_gradient_stays_half_and_may_be_small():
    gradient, guide = torch.tensor([1e-4, 0.0]).half(), torch.tensor([-3e-6, 4e-6]).half()
    found = projected(gradient, guide, 1.0)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float() * 1e4, torch.tensor([0.64, 0.48]), rtol=0.02, atol=0)


def two_gradients(trainer, batch):
    """Of the loss and of the guide, each [n, W], with the context's."""
    model = trainer.model
    objective = model.objective(model.features(batch.image), batch)
    ctx = model.prompt_learner.ctx
    (loss,) = torch.autograd.grad(objective.total(), ctx, retain_graph=True)
    (guide,) = torch.autograd.grad(objective.guides["kl_loss"], ctx)
    return loss, guide


def contradicted(trainer, batch):
    """The batch with labels whose gradient works against the guide's, and both gradients."""
    for label in torch.cartesian_prod(*[torch.arange(5)] * 4):
        found = SimpleNamespace(image=batch.image, label=label)
        loss, guide = two_gradients(trainer, found)
        if (loss * guide).sum() < -0.1 * loss.norm() * guide.norm():
            return found, loss, guide
    raise AssertionError("no labels contradict the teacher")


@pytest.mark.parametrize("name", ["ProGrad", "ProGradDePT"])
def test_the_step_takes_the_projected_gradient(name, make, batch):
    trainer = make(name, "LOSS.LAMBDA", 0.7)
    found, loss, guide = contradicted(trainer, batch)
    unit = guide / guide.norm()
    prompt_run.step(trainer, found.image, found.label)
    ctx = trainer.model.prompt_learner.ctx
    expected = loss - 0.7 * (loss * unit).sum() * unit
    torch.testing.assert_close(ctx.grad, expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(ctx.grad, loss)


def test_the_loss_and_the_scores_are_coops(make, batch):
    start = ("TRAINER.COOP.CTX_INIT", "a photo of a")
    plain, guided = make("CoOp", *start), make("ProGrad", *start)
    scores = [prompt_run.logits(trainer, batch.image) for trainer in (plain, guided)]
    assert torch.equal(*scores)
    reports = [prompt_run.step(trainer, batch.image, batch.label) for trainer in (plain, guided)]
    assert torch.equal(reports[0]["loss"], reports[1]["loss"])
    assert set(reports[1]) == {*reports[0], "kl_loss"} and reports[1]["kl_loss"] > 0


def test_with_lambda_0_the_gradient_is_coops(make, batch):
    start = ("TRAINER.COOP.CTX_INIT", "a photo of a")
    plain, guided = make("CoOp", *start), make("ProGrad", *start, "LOSS.LAMBDA", 0.0)
    for trainer in (plain, guided):
        prompt_run.step(trainer, batch.image, batch.label)
    assert torch.equal(*(t.model.prompt_learner.ctx.grad for t in (plain, guided)))


def test_depts_head_and_film_are_not_projected(make, batch):
    start = ("TRAINER.COOP.CTX_INIT", "a photo of a")
    plain, guided = make("CoOpDePT", *start), make("ProGradDePT", *start)
    guided.model.load_state_dict(plain.model.state_dict())
    found, _, _ = contradicted(guided, batch)
    for trainer in (plain, guided):
        prompt_run.step(trainer, found.image, found.label)
    gradients = {name: p.grad for name, p in guided.model.named_parameters()}
    differing = {
        name
        for name, p in plain.model.named_parameters()
        if not torch.equal(p.grad, gradients[name])
    }
    assert differing == {"prompt_learner.ctx"}


def teacher_features(model, features):
    """Zero-shot CLIP's."""
    return Features(features.image, model.teacher_text())


def test_the_guide_is_the_teachers_cross_entropy_at_the_temperature(make, batch):
    model = make("ProGrad", "LOSS.T", 2.0).model
    features = model.features(batch.image)
    logits = model.similarity(features)
    teacher = F.softmax(model.similarity(teacher_features(model, features)) / 2, dim=-1)
    expected = 4 * -(teacher * F.log_softmax(logits / 2, dim=-1)).sum(dim=-1).mean()
    found = model.guides(features, logits, batch)["kl_loss"]
    torch.testing.assert_close(found, expected)


def test_over_several_tasks_the_guide_runs_inside_the_images_own(make, batch):
    tasks = prompt_run.of_tasks({"fruit": NAMES[:2], "rest": NAMES[2:]})
    tasks["names"] = tasks.pop("classnames")
    trainer = make("ProGrad", *TEMPLATE, **tasks)
    model = trainer.model
    features = model.features(batch.image)
    logits, teacher = (model.similarity(f) for f in (features, teacher_features(model, features)))
    expected = 0
    for row, label in enumerate(batch.label):
        own = slice(0, 2) if label < 2 else slice(2, 5)
        target = F.softmax(teacher[row, own], dim=-1)
        expected -= (target * F.log_softmax(logits[row, own], dim=-1)).sum() / len(batch.label)
    torch.testing.assert_close(model.guides(features, logits, batch)["kl_loss"], expected)
    assert model.prompt_learner.words.endswith("X a photo of a")
    prompt_run.step(trainer, batch.image, batch.label)
    assert model.prompt_learner.ctx.grad.isfinite().all()


@pytest.mark.parametrize("dataset", TEACHERS)
def test_every_dataset_has_its_published_teacher(dataset, make, monkeypatch):
    texts = []
    monkeypatch.setattr(prograd, "encode_texts", lambda _, found: texts.extend(found))
    make("ProGrad", "DATASET.NAME", dataset).model.teacher_text()
    assert texts[0] == TEACHERS[dataset]


def test_the_teacher_follows_the_classes_and_is_not_part_of_the_model(make):
    model = make("ProGrad").model
    assert model.teacher_text().shape == (5, 32)
    model.set_classes(ClassSpace(("tulip", "pizza")))
    assert model.teacher_text().shape == (2, 32)
    assert set(model.state_dict()) == {"prompt_learner.ctx"}


def test_the_start_is_the_datasets_words_in_the_last_places(make):
    """`a type of pet, a photo of a` has eight words and nine tokens: the last stays fixed."""
    model = make("ProGrad", *TEMPLATE, "DATASET.NAME", "OxfordPets").model
    learner, text = model.prompt_learner, model.clip.text
    tokens = clip.tokenize(["a type of pet, a photo of a"])
    embedded = text.embed(tokens)[0]
    assert learner.ctx.shape == (16, 64) and not learner.ctx[:8].any()
    assert torch.equal(learner.ctx[8:], embedded[1:9])
    assert torch.equal(learner.token_suffix[0, 0], embedded[9])


def test_the_start_without_a_comma_is_learnt_whole(make):
    model = make("ProGrad", *TEMPLATE, "DATASET.NAME", "EuroSAT").model
    assert not model.prompt_learner.ctx[:11].any() and model.prompt_learner.ctx[11:].any(1).all()
    assert model.prompt_learner.words.endswith("X a centered satellite photo of")


def test_words_behind_the_classname_alone_leave_ctx_init(make, monkeypatch):
    monkeypatch.setattr(DATASET_REGISTRY.get("EuroSAT"), "template", "{} seen from above.")
    model = make("ProGrad", *TEMPLATE, "DATASET.NAME", "EuroSAT").model
    assert model.prompt_learner.words.endswith("X a photo of a")


def test_a_start_of_more_words_than_places_is_refused(make):
    with pytest.raises(UserError, match=r"N_CTX = 4: the start 'a type of pet, a photo of a'"):
        make("ProGrad", *TEMPLATE, "TRAINER.COOP.N_CTX", 4, "DATASET.NAME", "OxfordPets")


def test_without_start_words_the_context_is_random_and_may_be_of_each_class(make, batch):
    options = ("TRAINER.COOP.CTX_INIT", "False", "TRAINER.COOP.CSC", True, "TRAINER.COOP.N_CTX", 3)
    trainer = make("ProGrad", *options)
    prompt_run.step(trainer, batch.image, batch.label)
    assert trainer.model.prompt_learner.ctx.grad.shape == (5, 3, 64)


def test_another_loss_is_refused(make):
    with pytest.raises(UserError, match=r"LOSS.NAME = 'kl': use one of prograd"):
        make("ProGrad", "LOSS.NAME", "kl")


def test_a_published_file_loads(make, tmp_path):
    trainer = make("ProGrad")
    ctx = torch.randn(4, 64)
    state = {"ctx": ctx, "token_prefix": torch.zeros(5, 1, 64)}
    state["token_suffix"] = torch.zeros(5, 72, 64)
    place = tmp_path / "prompt_learner"
    place.mkdir()
    torch.save({"state_dict": state, "epoch": 100}, place / "model.pth.tar-100")
    trainer.load_model(str(tmp_path), epoch=100)
    assert torch.equal(trainer.model.prompt_learner.ctx, ctx)
