"""TaskRes: residuals on fixed text features, for the classes that they were trained on."""

import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.support.prompt_run import wander
from tests.unit.trainers.conftest import NAMES
from trainers.parts.prompts import encode_texts

OTHER = ["blue jay", "tulip", "pizza"]
SCALE = "TRAINER.TaskRes.RESIDUAL_SCALE"


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_logits_are_those_of_the_formula(scale, make, batch):
    trainer = wander(make("TaskRes", SCALE, scale))
    model = trainer.model
    (residuals,) = model.parameters()
    with torch.no_grad():
        fixed = encode_texts(model.clip, [f"a photo of a {n}, a type of pet." for n in NAMES])
        text = F.normalize(fixed + scale * residuals, dim=-1)
        image = F.normalize(model.clip.encode_image(batch.image), dim=-1)
        expected = model.clip.logit_scale.exp() * image @ text.t()
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image), expected)


def test_before_training_it_is_clip_with_its_templates(make, batch):
    trainer = make("TaskRes")
    with torch.no_grad():
        assert torch.equal(trainer.model.features(batch.image).text, trainer.model.references)


def test_a_part_of_the_classes_by_folder_id_finds_its_residuals(make, batch, tmp_path):
    trained = wander(make("TaskRes", class_ids=["n1", "n2", "n3", "n4", "n5"]))
    trained.save_model(0, str(tmp_path))
    part = make("TaskRes", names=[NAMES[3], NAMES[1]], class_ids=["n4", "n2"])
    part.load_model(str(tmp_path))
    expected = prompt_run.logits(trained, batch.image)[:, [3, 1]]
    torch.testing.assert_close(prompt_run.logits(part, batch.image), expected)


def test_other_classes_of_the_same_number_get_no_residuals(make, batch, tmp_path, caplog):
    wander(make("TaskRes", names=NAMES[:3])).save_model(0, str(tmp_path))
    new = make("TaskRes", "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER)
    before = prompt_run.logits(new, batch.image)
    with caplog.at_level("INFO"):
        new.load_model(str(tmp_path))
    assert "3 of 3 classes were not trained on" in caplog.text
    assert torch.equal(prompt_run.logits(new, batch.image), before)


def published(path, num_classes, width=32):
    """A file as the published code saves it: no list of classes."""
    place = path / "prompt_learner" / "model.pth.tar-200"
    place.parent.mkdir()
    state = {name: torch.ones(num_classes, width) for name in ("text_feature_residuals",)}
    state["base_text_features"] = torch.ones(num_classes, width)
    torch.save({"state_dict": state, "epoch": 200}, place)
    return str(path)


def test_a_published_file_of_another_number_of_classes_is_refused(make, tmp_path):
    with pytest.raises(UserError, match=r"is of 4 classes, this run has 5; check DATASET.NAME"):
        make("TaskRes").load_model(published(tmp_path, 4))


def test_a_published_file_says_nothing_of_new_classes(make, batch, tmp_path):
    new = make("TaskRes", "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER)
    before = prompt_run.logits(new, batch.image)
    new.load_model(published(tmp_path, 3))
    assert torch.equal(prompt_run.logits(new, batch.image), before)


def test_all_of_imagenets_residuals_serve_a_variant_by_folder_id(make, batch, tmp_path):
    ids = {"class_ids": ["n4", "n2"], "all_class_ids": ["n1", "n2", "n3", "n4", "n5", "n6"]}
    part = make("TaskRes", "DATASET.SUBSAMPLE_CLASSES", "all", names=OTHER[:2], **ids)
    part.load_model(published(tmp_path, 6))
    assert part.model.rows() == [3, 1]
    assert prompt_run.logits(part, batch.image).shape == (4, 2)


@pytest.mark.parametrize("content", [{"state_dict": {"weight": torch.ones(3, 3)}}, {"a": 1}])
def test_an_enhanced_base_of_another_clip_is_refused(content, make, tmp_path):
    torch.save(content, tmp_path / "base.pt")
    with pytest.raises(UserError, match=r"ENHANCED_BASE = .*no text projection .*\[32, 64\]"):
        make("TaskRes", "TRAINER.TaskRes.ENHANCED_BASE", tmp_path / "base.pt")


def test_an_enhanced_base_that_is_not_there_is_one_line(make, tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint file .*nowhere\.pt"):
        make("TaskRes", "TRAINER.TaskRes.ENHANCED_BASE", tmp_path / "nowhere.pt")
