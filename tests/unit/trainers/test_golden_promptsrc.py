"""IVLP, VPT and PromptSRC give the numbers of the published code (tests/golden/promptsrc, fp32).

How the arrays were made: tests/golden/README.md. Tolerances: loss and parts 1e-5 relative, first
gradients 1e-4 and movements of trained tensors 3e-4 of their largest element, logits 5e-5; the
divergence of logits also 1e-7, since it is a sum of differences that cancel. A CLIP
whose weights are not rounded to half, or prompts that are, would fail by a factor of 3 and more.
"""

import json
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.support.golden_run import FOLDER, GoldenRun
from trainers import promptsrc
from trainers.parts.templates import ensemble_features

METHODS = ("ivlp", "vpt", "promptsrc")
FILES = sorted(path.stem for path in (FOLDER / "promptsrc").glob("*.npz"))
CASES = [name for name in FILES if name.startswith(METHODS)]
SRC_CASES = [name for name in CASES if name.startswith("promptsrc")]


@pytest.fixture(autouse=True)
def teachers_once(monkeypatch):
    """A teacher's texts, 60 prompts a class, are encoded once for all cases of the same CLIP."""
    monkeypatch.setattr(promptsrc, "ensemble_features", teacher_of)


@pytest.fixture(autouse=True)
def open_signs(monkeypatch):
    """A difference within rounding of zero has the sign that it had in the golden run (+): which
    one a processor finds is chance, and its share of the L1 gradient is 1 % of the whole."""
    distance = promptsrc.distance

    def settled(student, teacher):
        difference = F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)
        is_open = difference.detach().abs() < 1e-7
        turned = torch.where(is_open, difference - difference.abs(), 0)
        return distance(student, teacher) + turned.mean()

    monkeypatch.setattr(promptsrc, "distance", settled)


@cache
def teacher_of_words(model, words):
    return ensemble_features(model, words)


def teacher_of(model, words):
    return teacher_of_words(model, tuple(words)).clone()


def load(name, weights, monkeypatch):
    shared = "promptsrc" if name in SRC_CASES else None
    return GoldenRun("promptsrc", name, weights, monkeypatch, shared)


@pytest.fixture(params=CASES)
def case(request, tiny_vit, monkeypatch):
    return load(request.param, tiny_vit, monkeypatch)


@pytest.fixture(params=SRC_CASES)
def src_case(request, tiny_vit, monkeypatch):
    return load(request.param, tiny_vit, monkeypatch)


def assert_near(actual, golden, share, what, floor=0.0):
    """Elements differ by at most `share` of the largest golden one, plus `floor`."""
    error = np.abs(np.asarray(actual) - golden).max()
    assert error <= share * np.abs(golden).max() + floor, f"{what}: off by {error}"


def assert_moved_alike(trainer, case, kind):
    """Trained tensors stand where the golden ones of a kind do, measured by their way from init;
    the first epoch's is so short that float32 resolves it to 3e-4 only."""
    for name, tensor in trainer.model.named_parameters():
        start, golden = case.arrays[f"init/{name}"], case.arrays[f"{kind}/{name}"]
        grid = 1.2e-7 * np.abs(start).max()
        moved = tensor.detach().numpy() - start
        assert_near(moved, golden - start, 3e-4, f"{kind}/{name}", grid)


def assert_logits(trainer, case, key):
    logits = prompt_run.logits(trainer, case.inputs["eval_images"])
    np.testing.assert_allclose(logits, case.arrays[key], rtol=0, atol=5e-5, err_msg=key)


def test_start_and_tokens_and_keys_of_our_files_match(case):
    """The published code loads our files with strict=False: what is trained, under its names."""
    trainer = case.start()
    shapes = {name: list(tensor.shape) for name, tensor in trainer.model.named_parameters()}
    assert shapes == case.facts["trainable"]
    assert_logits(trainer, case, "logits_init")
    if "tokens_base" in case.arrays:
        for made, key in ((trainer, "tokens_base"), (case.for_new(), "tokens_new")):
            tokens = made.model.prompt_learner.tokenized_prompts
            assert np.array_equal(tokens, case.arrays[key])
    state = {name: tuple(tensor.shape) for name, tensor in trainer.model.state_dict().items()}
    published = {name: tuple(shape) for name, shape in case.facts["state_dict"].items()}
    frozen = {"logit_scale", "prompt_learner.token_prefix", "prompt_learner.token_suffix"}
    assert state == {name: shape for name, shape in published.items() if name not in frozen}


def test_training_matches_the_published_code(case):
    trainer, rates, reports = case.start(), [], []
    per_epoch, last = case.facts["batches_per_epoch"], case.facts["epochs_run"]
    for rate, report in case.steps(trainer):
        rates.append(rate)
        reports.append({name: float(value) for name, value in report.items()})
        if len(reports) == 1:
            for name, tensor in trainer.model.named_parameters():
                assert_near(tensor.grad, case.arrays[f"grad0/{name}"], 1e-4, f"gradient of {name}")
        epoch, rest = divmod(len(reports), per_epoch)
        if not rest and epoch < last and f"epoch{epoch}/prompt_learner.ctx" in case.arrays:
            assert_moved_alike(trainer, case, f"epoch{epoch}")
    np.testing.assert_allclose(rates, case.facts["lr_per_step"], rtol=1e-12)
    np.testing.assert_allclose(
        [trainer.get_current_lr()], case.facts["lr_after_last_step"], rtol=1e-12
    )
    parts = case.facts["loss_parts"] or [{}] * len(reports)
    for report, loss, part in zip(reports, case.facts["losses"], parts, strict=True):
        for name, value in {**loss, **part}.items():
            ours = report[name]
            floor = 1e-7 if name == "loss_scl_logits" else 0
            np.testing.assert_allclose(ours, value, rtol=1e-5, atol=floor, err_msg=name)
    assert_moved_alike(trainer, case, "final")
    assert_logits(trainer, case, "logits")


def test_a_saved_model_scores_new_classes_as_published(case, tmp_path):
    trained = case.build()
    case.fill(trained, "final")
    (folder,) = case.facts["registered_models"]
    new = prompt_run.handed_on(trained, case.for_new(), tmp_path, folder)
    assert_logits(new, case, "logits_new")


def test_a_published_file_scores_as_published(case, tmp_path):
    """Its prompts are taken; its frozen weights, which PromptSRC moves, are not."""
    (folder,) = case.facts["registered_models"]
    place = tmp_path / folder / "model.pth.tar-20"
    place.parent.mkdir()
    content = {"state_dict": case.published_state(), "epoch": 20, "optimizer": {}, "scheduler": {}}
    torch.save({**content, "val_result": None}, place)
    for made, key in ((case.build(), "logits"), (case.for_new(), "logits_new")):
        made.load_model(str(tmp_path), epoch=20)
        assert_logits(made, case, key)


def test_averaging_over_epochs_matches(src_case):
    case, trainer = src_case, src_case.start()
    golden, last = case.arrays["gpa_weights"], case.facts["epochs_run"]
    np.testing.assert_allclose(trainer.gpa_weights, golden, rtol=1e-12)
    for epoch in range(1, last + 1):
        case.fill(trainer, f"epoch{epoch}")
        trainer.epoch = epoch - 1
        trainer.end_epoch()
        sums = trainer.average.sums
        for name in sums if epoch < last else ():
            assert_near(sums[name], case.arrays[f"gpa{epoch}/{name}"], 1e-6, f"gpa{epoch}/{name}")
    for name, tensor in trainer.model.named_parameters():
        assert_near(tensor.detach(), case.arrays[f"final/{name}"], 1e-6, f"final/{name}")


@pytest.mark.parametrize("name", ["promptsrc", "promptsrc_depth1", "promptsrc_weights"])
def test_the_teacher_matches(name, tiny_vit, monkeypatch):
    case = load(name, tiny_vit, monkeypatch)
    model, arrays, images = case.start().model, case.arrays, case.inputs["images"][0]
    with torch.no_grad():
        features = model.features(images)
        text, image = model.teacher_text(), model.clip.encode_image(images)
        logits = model.similarity(features)
    assert_near(text, arrays["fixed_embeddings"], 1e-5, "teacher text")
    for key, value in {
        "text_features": features.text,
        "image_features": features.image,
        "teacher_text_features": text,
        "teacher_image_features": image,
    }.items():
        assert_near(F.normalize(value, dim=-1), arrays[f"step0_{key}"], 1e-5, key)
    np.testing.assert_allclose(logits, arrays["step0_logits"], rtol=0, atol=5e-5)
    scale = model.clip.logit_scale.exp()
    teacher = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).t()
    np.testing.assert_allclose(teacher, arrays["step0_teacher_logits"], rtol=0, atol=5e-5)


def test_the_teachers_texts_of_other_classes_match(tiny_vit, monkeypatch):
    case = load("promptsrc", tiny_vit, monkeypatch)
    texts = case.for_new().model.teacher_text()
    assert_near(texts, case.arrays["fixed_embeddings_new"], 1e-5, "teacher text")


def test_the_fixed_texts_of_vpt_match(tiny_vit, monkeypatch):
    case = load("vpt", tiny_vit, monkeypatch)
    texts = case.build().model.references
    assert_near(texts, case.arrays["fixed_embeddings"], 1e-5, "fixed text")


def test_text_depth_0_is_refused_and_points_to_vpt(tiny_vit, monkeypatch):
    facts = json.loads((FOLDER / "promptsrc" / "ivlp_vpt.json").read_text())
    assert facts["build"].startswith("AssertionError")
    with pytest.raises(UserError, match=r"TRAINER.IVLP.PROMPT_DEPTH_TEXT = 0: use 1 or .* VPT"):
        prompt_run.config(facts["trainer"], facts["config_file"], tiny_vit, facts["overrides"])
