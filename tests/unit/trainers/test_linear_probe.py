"""The linear probe: the published draw and search, and the trainer around them."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dassl.data.datasets import DatumMT
from dassl.engine import build_trainer
from dassl.utils.errors import UserError
from tests.support import command, small_pets, tiny_clip
from train import build_parser, setup_cfg
from trainers.parts import probe_search
from trainers.parts.classes import ClassSpace, Task
from trainers.parts.probe_search import GRID, Images, Search, draw, mean_accuracy

GOLDEN = command.PROJECT / "tests/golden/softcpt"


@pytest.fixture(scope="module")
def golden():
    arrays = np.load(GOLDEN / "linear_probe.npz")
    images = [
        Images(arrays[f"{split}_x"].astype(np.float64), arrays[f"{split}_y"])
        for split in ("train", "val", "test")
    ]
    return images, json.loads((GOLDEN / "linear_probe.json").read_text())["runs"]


def few_shots(golden, shots, seed):
    (train, val, test), _ = golden
    in_train, in_val = draw(train.labels, val.labels, shots, seed)
    return train[in_train], val[in_val], test


def test_the_draw_is_that_of_the_legacy_generator_train_before_val():
    train, val = np.repeat([1, 0, 2], 6), np.repeat([0, 1, 2], 5)
    np.random.seed(3)
    expected = [
        [
            place
            for label in range(3)
            for place in np.random.choice(np.where(y == label)[0], n, False)
        ]
        for y, n in ((train, 5), (val, 4))
    ]
    before = np.random.get_state()[1].copy()
    assert list(draw(train, val, shots=5, seed=3)) == expected
    assert np.array_equal(np.random.get_state()[1], before), "the global generator is left alone"


@pytest.mark.parametrize(
    ("shots", "message"),
    [
        (0, "0 shots: a linear probe needs 1 image"),
        (7, r"7 shots need 7 train images of each class, but label 1 \(dog\) has 6"),
        (6, r"6 shots need 4 val images of each class, but label 0 \(cat\) has 3"),
    ],
)
def test_too_few_images_are_told_with_the_class(shots, message):
    with pytest.raises(UserError, match=message):
        draw(np.repeat([0, 1], [9, 6]), np.repeat([0, 1], [3, 4]), shots, 1, ["cat", "dog"])


def test_the_end_that_stays_is_fitted_once(golden, monkeypatch):
    train, val, _ = few_shots(golden, 8, 2)
    strengths = []
    fit = probe_search.fit
    monkeypatch.setattr(probe_search, "fit", lambda x, c: strengths.append(c) or fit(x, c))
    rounds = list(Search(train, val).rounds(8))
    assert strengths[:7] == list(GRID) and len(strengths) == 7 + 2 + 7
    first, second = rounds[:2]
    kept = "fit_right" if first.takes_right else "fit_left"
    assert getattr(first, kept) is getattr(second, kept)
    refitted = fit(train, second.strength).predict(val.features)
    assert np.array_equal(refitted, second.best.classifier.predict(val.features))


def test_mean_accuracy_skips_classes_without_images():
    assert mean_accuracy(np.array([1, 1, 3, 0]), np.array([1, 1, 3, 3])) == 0.75


def test_one_class_and_a_missing_library_are_one_line(monkeypatch):
    images = Images(np.ones((3, 2)), np.zeros(3, int))
    with pytest.raises(UserError, match="two classes or more"):
        probe_search.fit(images, 1.0)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UserError, match="pip install scikit-learn"):
        probe_search.fit(images, 1.0)


# The trainer.


@pytest.fixture
def make(small_vit, tmp_path):
    """Builds the trainer on the small pets: make("KEY", value, ..., seed=1, out="out")."""
    root = tmp_path / "data"
    if not root.exists():
        small_pets.write(root)

    def call(*options, seed=1, weights=small_vit, out="out"):
        words = ["--trainer", "LinearProbe", "--root", root, "--seed", seed, "--backbone", weights]
        words += ["--config-file", "configs/trainers/LinearProbe/vit_b16.yaml"]
        words += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml"]
        words += ["--output-dir", tmp_path / out, "INPUT.SIZE", "(32, 32)", "USE_CUDA", "False"]
        words += ["DATALOADER.NUM_WORKERS", 0, "DATASET.NUM_SHOTS", 2, *options]
        torch.manual_seed(5)
        return build_trainer(setup_cfg(build_parser().parse_args([str(word) for word in words])))

    return call


def test_whole_splits_are_read_and_the_probe_draws_its_own_shots(make):
    trainer = make()
    assert len(trainer.dm.dataset.train_x) == 12 and trainer.cfg.DATASET.NUM_SHOTS == 2


def test_coefficients_are_those_of_the_published_search_on_encoded_images(make):
    """Done again by hand: all images through the tower, the draw, the search."""
    trainer = make("TRAINER.LP.NUM_STEP", 3, seed=2)
    trainer.train()
    transform = trainer.test_loader.dataset.transform
    tower = trainer.model.clip.encode_image

    def images(items):
        from dassl.utils import read_image

        pixels = torch.stack([transform(read_image(item.impath)) for item in items])
        with torch.no_grad():
            features = tower(pixels).double().numpy()
        return Images(features, np.array([item.label for item in items]))

    data = trainer.dm.dataset
    train, val, test = images(data.train_x), images(data.val), images(data.test)
    in_train, in_val = draw(train.labels, val.labels, 2, 2)
    *_, last = Search(train[in_train], val[in_val]).rounds(3)
    expected = last.best.classifier
    np.testing.assert_allclose(trainer.model.weight.detach(), expected.coef_, rtol=1e-3, atol=1e-6)
    right = 100 * np.mean(expected.predict(test.features) == test.labels)
    assert trainer.test_record.results["accuracy"] == pytest.approx(right)


def test_the_seed_names_the_draw(make):
    first, again, other = (make(seed=seed, out=f"out{n}") for n, seed in enumerate((1, 1, 2)))
    for trainer in (first, again, other):
        trainer.train()
    assert torch.equal(first.model.weight, again.model.weight)
    assert not torch.equal(first.model.weight, other.model.weight)


def test_a_saved_probe_is_loaded_for_the_same_classes_only(make, tmp_path, tiny_vit):
    base = make("DATASET.SUBSAMPLE_CLASSES", "base")
    base.train()
    path = tmp_path / "out/linear_probe/model.pth.tar-1"
    state = torch.load(path, weights_only=True)["state_dict"]
    assert {key: list(value.shape) for key, value in state.items()} == {
        "weight": [2, 32],
        "bias": [2],
    }
    again = make("DATASET.SUBSAMPLE_CLASSES", "base", seed=4, out="again")
    again.load_model(str(tmp_path / "out"), epoch=-1)
    assert again.test() == base.test_record.results["accuracy"]
    new = make("DATASET.SUBSAMPLE_CLASSES", "new", out="new")
    with pytest.raises(UserError, match=r"only the classes it was fitted on: abyssinian, beagle"):
        new.load_model(str(tmp_path / "out"))


def test_a_probe_of_another_tower_is_refused(make, tmp_path):
    make().train()
    sizes = {"layers": 2, "text_layers": 2, "vision_width": 64, "text_width": 64, "embed_dim": 32}
    other = make(weights=tiny_clip.saved(tmp_path / "other.pt", seed=9, **sizes), out="new")
    with pytest.raises(UserError, match=r"fitted on features of .*small_vit.pt, and this run's"):
        other.load_model(str(tmp_path / "out"))


def test_a_part_of_the_classes_by_folder_id_is_scored_by_its_rows(make, tmp_path):
    """ImageNet-A of ImageNet: the run's classes, in the run's order."""
    fitted, part = make(), make(out="part")
    names, ids = fitted.model.space.names, ("na", "nb", "nc", "nd")
    fitted.model.space = ClassSpace(names, ids)
    fitted.train()
    part.model.space = ClassSpace((names[3], names[1]), ("nd", "nb"))
    part.load_model(str(tmp_path / "out"))
    image = next(iter(part.test_loader))["img"]
    with torch.no_grad():
        assert torch.equal(part.model(image), fitted.model(image)[:, [3, 1]])


def test_every_task_has_a_search_of_its_own(make, tmp_path):
    """Two tasks of two pets: each gets the coefficients of a run on its own images."""
    trainer = make()
    space = ClassSpace(trainer.model.space.names, tasks=(Task("a", 0, 2), Task("b", 2, 4)))
    data = trainer.dm.dataset
    trainer.model.space = space
    trainer.dm.dataset = SimpleNamespace(
        train_x=[pet_of_two_tasks(item) for item in data.train_x],
        val=[pet_of_two_tasks(item) for item in data.val],
        taskid2metric=["overall_acc", "mean_acc"],
    )
    trainer.run_epoch()
    base = make("DATASET.SUBSAMPLE_CLASSES", "base", out="base")
    base.run_epoch()
    new = make("DATASET.SUBSAMPLE_CLASSES", "new", out="new")
    new.run_epoch()
    expected = torch.cat([base.model.weight, new.model.weight])
    torch.testing.assert_close(trainer.model.weight, expected, rtol=1e-3, atol=1e-6)


def pet_of_two_tasks(item):
    """An item of the pets, as one of two tasks of two classes."""
    return DatumMT(item.impath, [item.label % 2], 0, [item.label // 2])


def test_a_file_of_another_method_is_refused(make):
    with pytest.raises(UserError, match="holds no linear probe"):
        make().model.prepare_load({"ctx": torch.zeros(2)}, {})


def test_a_finished_run_fits_nothing_and_tests_again(make, monkeypatch):
    first = make()
    first.train()
    monkeypatch.setattr(probe_search, "fit", None)
    again = make()
    again.train()
    assert again.test_record.results == first.test_record.results


@pytest.mark.parametrize("shots", [-1, 0])
def test_without_shots_the_key_is_named(shots, make):
    with pytest.raises(UserError, match=f"DATASET.NUM_SHOTS = {shots}: .*use 1 or more"):
        make("DATASET.NUM_SHOTS", shots).train()


def test_an_unfitted_probe_is_not_tested(make):
    with pytest.raises(UserError, match="--model-dir"):
        make().test()


def test_two_classes_score_as_scikit_learn_predicts(make):
    """It keeps one row for two classes."""
    model = make("DATASET.SUBSAMPLE_CLASSES", "new").model
    generator = np.random.RandomState(0)
    images = Images(generator.randn(20, 32), np.repeat([0, 1], 10))
    classifier = probe_search.fit(images, 1.0)
    model.take(classifier, 0, 2)
    unseen = generator.randn(50, 32)
    logits = torch.from_numpy(unseen) @ model.weight.T + model.bias
    assert np.array_equal(logits.argmax(1).numpy(), classifier.predict(unseen))
