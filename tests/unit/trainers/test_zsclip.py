"""Zero-shot CLIP: which prompts a class has."""

import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from datasets.eurosat import EuroSAT
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from trainers.parts.prompts import encode_texts
from trainers.parts.templates import filled

TASKS = prompt_run.of_tasks({"fruit": NAMES[:1], "rest": NAMES[1:]})
TASKS.pop("classnames")  # the builders take NAMES
BOTH = ("ZeroshotCLIP", "ZeroshotCLIP2")


@pytest.fixture
def zeroshot(small_vit, monkeypatch):
    """Builds one: zeroshot("ZeroshotCLIP", "EuroSAT", names=[...])."""

    def call(trainer, dataset="OxfordPets", names=NAMES, **attributes):
        yaml = "configs/trainers/CoOp/vit_b16.yaml"
        cfg = prompt_run.config(trainer, yaml, small_vit, ["DATASET.NAME", dataset])
        return prompt_run.build(monkeypatch, cfg, names, **attributes)

    return call


def last_prompts(trainer):
    """The prompts of the class's own template."""
    model = trainer.model
    return filled(model.templates(model.space)[-1], model.space)


@pytest.mark.parametrize("trainer", BOTH)
def test_every_class_has_the_template_of_its_task(trainer, zeroshot):
    templates = ["a photo of {}, a type of food.", "a drawing of a {}."]
    prompts = last_prompts(zeroshot(trainer, **TASKS | {"task_templates": templates}))
    assert prompts[0] == "a photo of red apple, a type of food."
    assert prompts[4] == "a drawing of a sports car."


@pytest.mark.parametrize("trainer", BOTH)
def test_a_template_without_a_place_for_the_name_is_refused(trainer, zeroshot, monkeypatch):
    monkeypatch.setattr(EuroSAT, "template", "a photo of a cat.")
    message = r"^DATASET.NAME = EuroSAT: the template 'a photo of a cat.' has no \{\} where .*$"
    with pytest.raises(UserError, match=message):
        zeroshot(trainer, "EuroSAT")


@pytest.mark.parametrize("trainer", BOTH)
def test_a_task_without_a_template_is_refused_by_its_name(trainer, zeroshot):
    with pytest.raises(UserError, match=r"^task 'rest': "):
        zeroshot(trainer, **TASKS | {"task_templates": ["a {}.", ""]})


def test_braces_in_a_classname_are_letters(zeroshot):
    prompts = last_prompts(zeroshot("ZeroshotCLIP", "Caltech101", names=["{0}", "a{b"]))
    assert prompts == ["a photo of a {0}.", "a photo of a a{b."]


def test_an_ensemble_is_the_mean_of_unit_features(zeroshot, batch):
    trainer = zeroshot("ZeroshotCLIP2")
    model = trainer.model
    sets = [filled(templates, model.space) for templates in model.templates(model.space)]
    units = [F.normalize(encode_texts(model.clip, prompts), dim=-1) for prompts in sets]
    text = F.normalize(sum(units) / len(units), dim=-1)
    with torch.no_grad():
        image = F.normalize(model.clip.encode_image(batch.image), dim=-1)
        expected = model.clip.logit_scale.exp() * image @ text.t()
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image), expected)


def test_a_second_ensemble_has_no_template_twice(zeroshot, batch):
    first, second = zeroshot("ZeroshotCLIP2"), zeroshot("ZeroshotCLIP2")
    templates = [classes[0] for classes in second.model.templates(second.model.space)]
    assert len(templates) == len(set(templates)) == 8
    assert torch.equal(first.model.references, second.model.references)


@pytest.mark.parametrize("trainer", BOTH)
def test_there_is_nothing_to_train(trainer, zeroshot):
    with pytest.raises(UserError, match=f"^{trainer} has nothing to train; add --eval-only"):
        zeroshot(trainer).train()
