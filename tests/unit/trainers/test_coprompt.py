"""CoPrompt: its formula, the views and sentences it reads, and what is wrong with them."""

import json
import random

import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES, SENTENCES
from trainers.parts.prompts import encode_texts
from trainers.parts.sentences import read_sentences

KEY = "TRAINER.CoPrompt.SENTENCES"
WORDS = [name.replace("_", " ") for name in NAMES]
PAIRS = {word: ["a", "b"] for word in WORDS}


def test_the_loss_is_that_of_the_formula(make, batch):
    trainer = prompt_run.wander(make("CoPrompt", "TRAINER.W", 3.0))
    model = trainer.model
    random.seed(3)
    number = random.randint(0, 2)
    texts = json.loads(SENTENCES.read_text())
    with torch.no_grad():
        features = model.features(batch.image)
        sentences = encode_texts(model.clip, [texts[word][number] for word in WORDS])
        image = model.clip.encode_image(batch.views[0])
        expected = F.cross_entropy(model.similarity(features), batch.label)
        for student, teacher in ((features.text, sentences), (features.image, image)):
            expected += 3.0 * (1 - F.cosine_similarity(student, teacher, dim=-1).mean())
    loss = prompt_run.step(trainer, batch.image, batch.label)["loss"]
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)


def test_features_are_blended_with_their_adapters(make, batch):
    trainer = make("CoPrompt")
    depth = trainer.cfg.TRAINER.CoPrompt.PROMPT_DEPTH
    plain = make("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", depth)
    plain.model.load_state_dict(trainer.model.state_dict(), strict=False)
    with torch.no_grad():
        adapted, raw = (t.model.features(batch.image) for t in (trainer, plain))
        image, text = trainer.model.adapter_image(raw.image), trainer.model.adapter_text(raw.text)
    torch.testing.assert_close(adapted.image, 0.1 * image + 0.9 * raw.image)
    torch.testing.assert_close(adapted.text, 0.2 * text + 0.8 * raw.text)


def test_one_view_is_too_few_and_three_are_too_many(make, caplog):
    with pytest.raises(UserError, match=r"K_TRANSFORMS = 1: CoPrompt reads 2 .*; set it to 2"):
        make("CoPrompt", "DATALOADER.K_TRANSFORMS", 1)
    with caplog.at_level("INFO"):
        make("CoPrompt", "DATALOADER.K_TRANSFORMS", 3)
    assert "CoPrompt reads 2 of the DATALOADER.K_TRANSFORMS 3 views" in caplog.text


def test_a_method_of_one_view_takes_the_first(make, batch):
    losses = []
    for views in (1, 2):
        trainer = make("CoOp", "DATALOADER.K_TRANSFORMS", views)
        losses.append(prompt_run.step(trainer, batch.image, batch.label)["loss"])
    assert torch.equal(*losses)


def test_a_missing_file_is_named_before_the_first_step(make):
    trainer = make("CoPrompt", KEY, "nowhere")
    with pytest.raises(UserError, match=r"= nowhere: there is no nowhere/oxford_pets_prompt.json"):
        trainer.before_train()


@pytest.mark.parametrize(
    "content, message",
    [
        ({"forest": ["a", "b"]}, r"lacks sentences for 4 of 5 classes \(red apple, golden ret"),
        ({**PAIRS, "forest": ["a"]}, "1 sentences for forest and 2 for"),
        ({**PAIRS, "forest": []}, r"1 of 5 classes \(forest\)"),
        ({"forest": "a wood"}, "is not a JSON of class name -> list of sentences"),
        (["a wood"], "is not a JSON of class name"),
        ("{", "is not readable as JSON"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(content, message, tmp_path):
    file = tmp_path / "some.json"
    file.write_text(content if content == "{" else json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        read_sentences(str(file), KEY, "OxfordPets", WORDS)
    (line,) = caught.value.problems
    assert str(file) in line and line.startswith(f"{KEY}: ") and "\n" not in line


def test_names_may_have_underscores_in_the_file(tmp_path):
    file = tmp_path / "some.json"
    file.write_text(json.dumps({"golden_retriever": ["a dog"], "tulip": ["a flower"]}))
    assert read_sentences(str(file), KEY, "Any", ["golden retriever"]) == [["a dog"]]


@pytest.mark.parametrize(
    "dataset, name", [("Caltech101", "caltech_prompt"), ("DemoDigits", "DemoDigits_prompt")]
)
def test_a_folder_holds_a_file_for_each_dataset(dataset, name, tmp_path):
    (tmp_path / f"{name}.json").write_text(json.dumps({"tulip": ["a flower"]}))
    assert read_sentences(str(tmp_path), KEY, dataset, ["tulip"]) == [["a flower"]]


def test_a_saved_model_is_tested_without_sentences(make, batch, tmp_path):
    make("CoPrompt").save_model(0, str(tmp_path))
    other = make("CoPrompt", KEY, "nowhere", names=["tulip", "blue jay"])
    other.load_model(str(tmp_path))
    assert prompt_run.logits(other, batch.image).shape == (4, 2)


def test_the_demos_sentences_fit_its_datasets():
    from datasets.demo import digits, shapes, textures

    for drawn in (digits, shapes, textures):
        sentences = read_sentences("assets/demo/sentences.json", KEY, "Demo", drawn.CLASSES)
        assert {len(texts) for texts in sentences} == {3}
