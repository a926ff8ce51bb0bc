"""Which methods are tested on stored features, and what a feature is known by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from dassl.data import DatasetWrapper
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform
from dassl.engine import TRAINER_REGISTRY
from image_store import Store, activate
from tests.support import small_pets
from trainers.parts import stored_features
from trainers.parts.frozen_features import encode
from trainers.parts.register import ALIASES
from trainers.parts.stored_features import EncodedImages, stored_batches
from trainers.parts.trainer import PromptTrainer

PROMPTED = {"MaPLe", "IVLP", "VPT", "PromptSRC", "MMA", "MMRL", "MMRLpp", "CLIPLoRA", "CoPrompt"}
KNOWN = sorted(
    name
    for name in TRAINER_REGISTRY.registered_names()
    if name not in ALIASES
    and not name.endswith("DePT")
    and issubclass(TRAINER_REGISTRY.get(name), PromptTrainer)
)


@pytest.mark.parametrize("name", KNOWN)
def test_methods_with_a_frozen_image_tower_take_features(make, name):
    model = make(name).model
    with model.fixed_weights(), torch.no_grad():
        assert model.takes_features() == (name not in PROMPTED)


def test_the_dept_variant_takes_what_its_method_takes(make):
    assert make("CoOpDePT").model.takes_features()
    assert not make("MaPLeDePT").model.takes_features()


def test_a_method_that_sees_images_in_its_own_way_gets_images(make, monkeypatch):
    model = make("CoOp").model
    kind = type(model)
    monkeypatch.setattr(kind, "forward", lambda self, image: image.mean(), raising=False)
    assert not model.takes_features()
    monkeypatch.setattr(kind, "reads_by_read_image", True)
    assert model.takes_features()


def test_features_in_place_of_images_give_the_same_logits(make, batch):
    trainer = make("CoOp")
    with torch.no_grad():
        encoded = EncodedImages(trainer.model.encode_image(batch.image)).to(trainer.device)
        assert len(encoded) == len(batch.image)
        expected = trainer.model_inference(batch.image)
        assert torch.equal(trainer.model_inference(encoded), expected)


def pets(folder):
    """The 28 images of the small pets, as items."""
    if not (images := folder / "oxford_pets/images").exists():
        small_pets.write(folder)
    return [Datum(str(path), 0) for path in sorted(images.iterdir())]


@pytest.fixture
def stored(make, tmp_path):
    """Batches of the small pets for a trainer; with a loader of the caller's if it gives one."""
    items = pets(tmp_path)
    trainer = make("ZeroshotCLIP")
    activate(Store(tmp_path / "cache"))

    def call(size=5, precision="fp32", is_train=False, model=trainer.model.clip, **loading):
        transform = build_transform(trainer.cfg, is_train=is_train)
        wrapper = DatasetWrapper(trainer.cfg, items, transform)
        loader = DataLoader(wrapper, batch_size=size, **loading)
        encode = trainer._encode
        return stored_batches(loader, model, encode, precision, torch.device("cpu"))

    return call


def test_what_decides_the_last_bits_is_in_the_key(stored, monkeypatch):
    folders = {stored()._entry.folder, stored(size=4)._entry.folder}
    folders.add(stored(precision="bf16")._entry.folder)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    folders.add(stored()._entry.folder)
    monkeypatch.setattr(stored_features, "_processor", lambda: "another one")
    folders.add(stored()._entry.folder)
    monkeypatch.setattr(stored_features, "_CODE", "other code")
    folders.add(stored()._entry.folder)
    assert len(folders) == 6
    assert stored()._entry.folder in folders


def test_weights_that_were_changed_in_memory_are_others(stored, make):
    before = stored()._entry.folder
    model = make("ZeroshotCLIP").model.clip
    assert stored(model=model)._entry.folder == before
    model.visual.transformer.resblocks[0].ln_1.weight.data += 1e-3
    assert stored(model=model)._entry.folder != before


def test_a_tower_of_another_structure_is_another_one_though_its_weights_are_the_same(stored, make):
    model = make("ZeroshotCLIP").model.clip
    before = stored(model=model)._entry.folder
    model.dims = replace(model.dims, vision_head_width=model.dims.vision_head_width // 2)
    assert stored(model=model)._entry.folder != before


def test_nothing_is_kept_of_a_picture_that_changes_while_it_is_encoded(stored, tmp_path):
    batches = stored()
    digest, changed = batches._contents.digest, sorted(tmp_path.rglob("*.jpg"))[6]
    whole = changed.read_bytes()
    changed.write_bytes(sorted(tmp_path.rglob("*.jpg"))[0].read_bytes())
    assert len([*batches]) == 6
    changed.write_bytes(whole)
    again = stored()
    assert again._contents.digest == digest and again._entry.missing() == [1]


def test_images_by_chance_are_encoded_in_each_run(stored):
    assert stored(is_train=True) is None
    assert stored(sampler=RandomSampler(range(28))) is None
    assert stored(drop_last=True) is None
    activate(None)
    assert stored() is None


@pytest.fixture
def encoded(make, tmp_path):
    """Frozen features of the small pets with a store (None: without), the draw that comes after
    them, and how many images went through the tower."""
    items = pets(tmp_path)
    trainer = make("ZeroshotCLIP", "DATALOADER.TEST.BATCH_SIZE", 5, "DATALOADER.NUM_WORKERS", 0)
    tower, seen = trainer.model.clip, []
    tower.visual.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))

    def call(store, is_train=False):
        activate(store)
        seen.clear()
        torch.manual_seed(3)
        transform = build_transform(trainer.cfg, is_train=is_train)
        features = encode(trainer.cfg, tower, items, transform)
        return features, float(torch.rand(())), sum(seen)

    return call


def test_frozen_features_of_plain_images_come_from_the_store(encoded, tmp_path):
    """Those of the linear probe, and of Tip-Adapter's validation, with the same bits and draws."""
    plain, draw, seen = encoded(None)
    for expected in (28, 0):
        kept, after, through = encoded(Store(tmp_path / "cache"))
        assert np.array_equal(kept, plain) and (after, through) == (draw, expected)
    assert seen == 28 and plain.dtype == np.float64


def test_augmented_views_are_encoded_each_time_and_never_kept(encoded, tmp_path):
    plain, draw, _ = encoded(None, is_train=True)
    for _ in range(2):
        found, after, through = encoded(Store(tmp_path / "cache"), is_train=True)
        assert np.array_equal(found, plain) and (after, through) == (draw, 28)
    assert not list((tmp_path / "cache").rglob("features/*/*.npy"))


def test_a_test_and_the_frozen_features_share_the_store(encoded, stored, tmp_path):
    """The same batches through the same tower, whoever asks for them."""
    activate(Store(tmp_path / "cache"))
    by_test = torch.cat([batch["img"].feature for batch in stored(size=5)])
    found, _, through = encoded(Store(tmp_path / "cache"))
    assert through == 0 and np.array_equal(found, by_test.double().numpy())
