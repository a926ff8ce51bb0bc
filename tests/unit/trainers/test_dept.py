"""DePT as a wrapper: what its formula promises for every method it wraps."""

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.support.prompt_run import wander
from tests.unit.trainers.conftest import NAMES, trained_methods

METHODS = [n for n in trained_methods() if f"{n}DePT" in trained_methods()]
OTHER = ["blue jay", "tulip", "pizza"]


@pytest.mark.parametrize("method", METHODS)
def test_weight_0_gives_the_base_methods_loss_and_gradients(method, shallow, batch):
    plain = shallow(method)
    dept = shallow(f"{method}DePT", "TRAINER.LINEAR_PROBE.WEIGHT", 0.0)
    state = plain.model.state_dict()
    dept.model.load_state_dict(state, strict=False)
    losses = []
    for trainer in (plain, dept):
        torch.manual_seed(4)  # of dropout
        losses.append(prompt_run.step(trainer, batch.image, batch.label)["loss"])
    assert torch.equal(*losses)
    gradients = {name: p.grad for name, p in dept.model.named_parameters()}
    for name, tensor in plain.model.named_parameters():
        if tensor.grad is not None:
            assert torch.equal(tensor.grad, gradients[name]), name


@pytest.mark.parametrize("method", METHODS)
def test_loss_is_the_published_mixture(method, shallow, batch):
    """The method's own terms stand beside the mixture, unscaled."""
    model = shallow(f"{method}DePT").model
    objective = model.objective(model.features(batch.image, batch), batch)
    parts = objective.parts
    mixed = 0.3 * parts["loss_ce"] + 0.7 * parts["loss_lp"] + sum(objective.others.values())
    torch.testing.assert_close(objective.total(), mixed, rtol=1e-6, atol=0)


def test_folded_head_equals_film_then_linear(shallow, batch):
    model = wander(shallow("CoOpDePT")).model
    with torch.no_grad():
        features = model.features(batch.image)
        plain = model.linear_logits(model.film_lp_img(features.image))
        folded = model.head_logits(features, model.head_rows())
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-4)


def test_without_fusion_the_linear_head_decides_alone(shallow, batch):
    model = wander(shallow("CoOpDePT", "TRAINER.LINEAR_PROBE.TEST_TIME_FUSION", False)).model
    with torch.no_grad():
        features = model.features(batch.image)
        head = model.linear_logits(model.film_lp_img(features.image))
        torch.testing.assert_close(model.logits(features), head, rtol=1e-4, atol=1e-4)


def test_order_of_classes_does_not_change_the_loss(shallow, batch):
    order = [3, 0, 4, 1, 2]
    first = wander(shallow("CoOpDePT"))
    second = shallow("CoOpDePT", names=[NAMES[i] for i in order])
    state = dict(first.model.state_dict())
    for key in ("linear_probe_proj.weight", "linear_probe_proj.bias"):
        state[key] = state[key][order]
    second.model.load_state_dict(state)
    label = torch.tensor([order.index(int(y)) for y in batch.label])
    losses = [
        prompt_run.step(first, batch.image, batch.label)["loss"],
        prompt_run.step(second, batch.image, label)["loss"],
    ]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)


def test_other_classes_are_scored_by_similarity_alone(shallow, batch, tmp_path):
    trained = wander(shallow("CoOpDePT"))
    trained.save_model(0, str(tmp_path))
    new = shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER, seed=2)
    new.load_model(str(tmp_path))
    before = prompt_run.logits(new, batch.image)
    with torch.no_grad():
        new.model.linear_probe_proj.weight += 1
        new.model.film_lp_img.scale *= 2
    assert torch.equal(before, prompt_run.logits(new, batch.image))


def test_classes_of_the_head_are_fused_whatever_the_subset_is_called(shallow, batch, tmp_path):
    trained = wander(shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "all"))
    trained.save_model(0, str(tmp_path))
    again = shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "all", seed=2)
    again.load_model(str(tmp_path))
    expected = prompt_run.logits(trained, batch.image)
    torch.testing.assert_close(prompt_run.logits(again, batch.image), expected)
    features = again.model.features(batch.image)
    assert not torch.allclose(again.model.similarity(features), expected)


def test_a_subset_by_folder_id_reads_its_rows_of_the_head(shallow, batch, tmp_path):
    ids = ["n1", "n2", "n3", "n4", "n5"]
    trained = wander(shallow("CoOpDePT", class_ids=ids))
    trained.save_model(0, str(tmp_path))
    part = shallow("CoOpDePT", names=[NAMES[3], NAMES[1]], class_ids=["n4", "n2"], seed=2)
    part.load_model(str(tmp_path))
    expected = prompt_run.logits(trained, batch.image)[:, [3, 1]]
    torch.testing.assert_close(prompt_run.logits(part, batch.image), expected, rtol=1e-4, atol=1e-4)


def published_file(trainer, folder, epoch=1):
    """Writes a checkpoint as the DePT repository does: the whole model, towers included, no class
    list."""
    state = dict(trainer.model.state_dict())
    state["prompt_learner.token_prefix"] = torch.zeros(5, 1, 64)
    state["prompt_learner.token_suffix"] = torch.zeros(5, 60, 64)
    state["image_encoder.conv1.weight"] = torch.zeros(2, 2)
    state["text_encoder.ln_final.weight"] = torch.zeros(2)
    state["logit_scale"] = torch.tensor(4.6)
    place = folder / "PromptLearner"
    place.mkdir(parents=True)
    content = {"state_dict": state, "epoch": epoch, "optimizer": None, "scheduler": None}
    torch.save(content, place / f"model.pth.tar-{epoch}")


def test_published_file_is_fused_by_the_rule_on_names(shallow, batch, tmp_path):
    trained = wander(shallow("CoOpDePT"))
    published_file(trained, tmp_path)
    base = shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "base", seed=2)
    base.load_model(str(tmp_path), epoch=-1)
    expected = prompt_run.logits(trained, batch.image)
    torch.testing.assert_close(prompt_run.logits(base, batch.image), expected)
    new = shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER, seed=2)
    new.load_model(str(tmp_path), epoch=1)
    assert prompt_run.logits(new, batch.image).shape == (4, 3)


def test_published_head_of_imagenet_is_cut_to_a_variants_classes_by_folder_id(
    shallow, batch, tmp_path
):
    trained = wander(shallow("CoOpDePT"))
    published_file(trained, tmp_path)
    options = ("DATASET.SUBSAMPLE_CLASSES", "all", "DATASET.NAME", "ImageNetA")
    some = {"names": [NAMES[3], NAMES[1]], "class_ids": ["n4", "n2"]}
    variant = shallow("CoOpDePT", *options, **some, all_class_ids=["n1", "n2", "n3", "n4", "n5"])
    variant.load_model(str(tmp_path))
    expected = prompt_run.logits(trained, batch.image)[:, [3, 1]]
    actual = prompt_run.logits(variant, batch.image)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_published_head_of_another_class_count_is_refused(shallow, tmp_path):
    published_file(shallow("CoOpDePT"), tmp_path)
    base = shallow("CoOpDePT", "DATASET.SUBSAMPLE_CLASSES", "base", names=OTHER)
    with pytest.raises(UserError, match="has 5 classes, this run has 3"):
        base.load_model(str(tmp_path))


def test_new_layers_that_name_no_part_are_refused(shallow):
    with pytest.raises(UserError, match=r"OPTIM.NEW_LAYERS = .*prompt_learner, film_lp_img"):
        shallow("CoOpDePT", "OPTIM.NEW_LAYERS", "['foo']")


def test_head_and_film_run_at_their_own_rate_and_only_named_tensors_train(shallow, batch):
    trainer = shallow("MaPLeDePT", "OPTIM.LR", 0.002, "OPTIM.LR_EXP", 5.0, "OPTIM.WARMUP_EPOCH", -1)
    assert [group["lr"] for group in trainer.optim.param_groups] == pytest.approx([0.002, 0.01])
    narrow = shallow("MaPLeDePT", "TRAINER.NAMES_TO_UPDATE", "['film', 'linear_probe']")
    prompt_run.step(narrow, batch.image, batch.label)
    moved = {name for name, p in narrow.model.named_parameters() if p.grad is not None}
    assert moved == {n for n, _ in narrow.model.named_parameters() if "prompt_learner" not in n}
