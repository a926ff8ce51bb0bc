"""DATASET.TEMPLATE: the hand-written prompt in place of the dataset's, in every method with one."""

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES

OWN = ("DATASET.TEMPLATE", "a drawing of a {}.")
TASKS = prompt_run.of_tasks({"fruit": NAMES[:1], "rest": NAMES[1:]})
TASKS.pop("classnames")  # the builders take NAMES
METHODS = ("ZeroshotCLIP", "ZeroshotCLIP2", "CLIPAdapter", "KgCoOp", "ProGrad")
# KgCoOp, ProGrad and the ensemble have a table of their own for the first, second and third.
DATASETS = ("DescribableTextures", "OxfordPets", "ImageNet", "UCF101")


def targets(trainer):
    """Text features [C, D] of the hand-written prompts."""
    model = trainer.model
    match trainer.cfg.TRAINER.NAME:
        case "KgCoOp":
            return model.references()
        case "ProGrad":
            return model.teacher_text()
        case _:
            return model.references


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", METHODS)
def test_it_wins_over_every_other(method, dataset, shallow):
    of_dataset = ("DATASET.NAME", dataset)
    own, plain = (targets(shallow(method, *of_dataset, *words)) for words in (OWN, ()))
    assert (own - plain).abs().max() > 1e-4
    same = targets(shallow(method, "DATASET.NAME", "EuroSAT", *OWN))
    assert torch.equal(own, same), "nothing of the dataset's own is left"


@pytest.mark.parametrize("method", METHODS)
def test_it_holds_for_every_task(method, shallow):
    joint, single = (targets(shallow(method, *OWN, **tasks)) for tasks in (TASKS, {}))
    assert torch.equal(joint, single)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_place_for_the_name_it_is_refused_by_its_key(method, shallow):
    message = r"^DATASET.TEMPLATE: the template 'a bird' has no \{\} where the classname goes; .*$"
    with pytest.raises(UserError, match=message):
        targets(shallow(method, "DATASET.TEMPLATE", "a bird"))


def test_prograds_start_has_its_words(shallow):
    words = ("TRAINER.COOP.CTX_INIT", "a photo of a", "TRAINER.PROGRAD.TEMPLATE_START", True)
    assert shallow("ProGrad", *words, *OWN).model.prompt_learner.words == "a drawing of a"


def test_zero_shot_logits_follow_it(shallow, batch):
    own, plain = (prompt_run.logits(shallow("ZeroshotCLIP", *w), batch.image) for w in (OWN, ()))
    assert (own - plain).abs().max() > 1e-3
