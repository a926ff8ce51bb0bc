"""CLIP-Adapter: zero-shot CLIP with a residual adapter on the image feature."""

import pytest
import torch
import torch.nn.functional as F

from dassl.engine import TRAINER_REGISTRY
from dassl.utils.errors import UserError
from tests.support import prompt_run

OTHER = ["blue jay", "tulip", "pizza"]
RATIO = "TRAINER.CLIP_ADAPTER.RATIO"
KEYS = {"adapter.fc.0.weight", "adapter.fc.2.weight"}


def by_hand(trainer, image, ratio, first, second):
    """s cos(r relu(relu(f W1') W2') + (1 - r) f, u) of images [B, 3, H, H] -> [B, C]."""
    model = trainer.model
    f = model.clip.encode_image(image)
    adapted = torch.relu(torch.relu(f @ first.t()) @ second.t())
    mixed = F.normalize(ratio * adapted + (1 - ratio) * f, dim=-1)
    return model.clip.logit_scale.exp() * mixed @ F.normalize(model.references, dim=-1).t()


@pytest.mark.parametrize("options, ratio", [((), 0.2), ((RATIO, 0.6), 0.6)])
def test_logits_and_loss_are_those_of_the_formula(options, ratio, make, batch):
    trainer = make("CLIPAdapter", *options)
    weights = [tensor.detach() for tensor in trainer.model.parameters()]
    with torch.no_grad():
        expected = by_hand(trainer, batch.image, ratio, *weights)
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image), expected)
    loss = prompt_run.step(trainer, batch.image, batch.label)["loss"]
    torch.testing.assert_close(loss, F.cross_entropy(expected, batch.label))


def test_without_the_adapters_share_it_is_zero_shot_clip(make, batch):
    adapter, zero_shot = make("CLIPAdapter", RATIO, 0.0), make("ZeroshotCLIP")
    scores = [prompt_run.logits(trainer, batch.image) for trainer in (adapter, zero_shot)]
    torch.testing.assert_close(*scores)


def test_a_share_above_1_is_refused(make):
    with pytest.raises(UserError, match=r"RATIO = 1.5: use 1 or less"):
        make("CLIPAdapter", RATIO, 1.5)


def test_the_adapter_is_the_only_thing_that_trains(make, batch):
    trainer = make("CLIPAdapter")
    tower = {name: tensor.clone() for name, tensor in trainer.model.clip.state_dict().items()}
    references = trainer.model.references.clone()
    prompt_run.step(trainer, batch.image, batch.label)
    gradients = {name: tensor.grad for name, tensor in trainer.model.named_parameters()}
    assert gradients.keys() == set(trainer.model.state_dict()) == KEYS
    assert all(gradient.any() for gradient in gradients.values())
    assert torch.equal(references, trainer.model.references)
    for name, tensor in trainer.model.clip.state_dict().items():
        assert torch.equal(tensor, tower[name]), name


@pytest.mark.parametrize("kind, width", [("vit", 32), ("resnet", 64)])
def test_the_adapter_has_the_width_of_the_backbone(kind, width, make, request):
    options, weights = (), "deep_vit"
    if kind == "resnet":
        options, weights = ("INPUT.SIZE", "(64, 64)"), "small_resnet"
    trainer = make("CLIPAdapter", *options, weights=request.getfixturevalue(weights))
    shapes = [tuple(tensor.shape) for tensor in trainer.model.parameters()]
    assert shapes == [(width // 4, width), (width, width // 4)]


def test_new_classes_are_scored_with_the_same_adapter(make, batch, tmp_path):
    trained = make("CLIPAdapter", "OPTIM.WARMUP_EPOCH", -1, "OPTIM.LR", 0.1)
    prompt_run.step(trained, batch.image, batch.label, batch_idx=1)
    trained.save_model(0, str(tmp_path))
    new = make("CLIPAdapter", "DATASET.SUBSAMPLE_CLASSES", "new", names=OTHER, seed=2)
    new.load_model(str(tmp_path), epoch=-1)
    weights = [tensor.detach() for tensor in trained.model.parameters()]
    with torch.no_grad():
        expected = by_hand(new, batch.image, 0.2, *weights)
    torch.testing.assert_close(prompt_run.logits(new, batch.image), expected)


def test_a_published_file_loads(make, tmp_path):
    """Koorye/SkipTuning saves the adapter alone, in half, in the folder `learnable_params`."""
    place = tmp_path / "learnable_params"
    place.mkdir()
    state = {"adapter.fc.0.weight": torch.randn(8, 32).half()}
    state["adapter.fc.2.weight"] = torch.randn(32, 8).half()
    torch.save({"state_dict": state, "epoch": 10}, place / "model.pth.tar-10")
    trainer = make("CLIPAdapter")
    trainer.load_model(str(tmp_path), epoch=-1)
    for name, tensor in trainer.model.named_parameters():
        assert torch.equal(tensor, state[name].float())


@pytest.mark.parametrize("name", ["CLIPAdapter", "CLIPAdapterDePT"])
def test_ours_are_saved_under_the_published_names(name, make, tmp_path):
    make(name).save_model(0, str(tmp_path))
    content = torch.load(tmp_path / "learnable_params/model.pth.tar-1", weights_only=False)
    assert set(content["state_dict"]) >= KEYS


def test_the_published_name_of_the_slow_variant_is_the_same_method():
    alias, method = (TRAINER_REGISTRY.get(n) for n in ("OriginCLIPAdapter", "CLIPAdapter"))
    assert issubclass(alias, method)


def test_dept_reads_the_adapted_feature(make, batch):
    model = make("CLIPAdapterDePT").model
    with torch.no_grad():
        raw = model.clip.encode_image(batch.image)
        assert torch.equal(model.features(batch.image).image, model.adapt_image(raw))
