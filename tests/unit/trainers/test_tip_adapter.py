"""Tip-Adapter on a small dataset: what the cache holds, what is searched, what is refused."""

import pytest
import torch
import torch.nn.functional as F

from dassl.engine import build_trainer
from dassl.utils import set_random_seed
from dassl.utils.errors import UserError
from tests.support import prompt_run, small_pets
from train import build_parser, setup_cfg
from trainers.parts.cache_search import Scores, candidates, search

NODE = "TRAINER.TIPADAPTER"
OTHER = ["blue jay", "tulip", "pizza"]


@pytest.fixture
def on_pets(small_vit, tmp_path):
    """Builds a trainer on the small pets: on_pets("TipAdapter", "KEY", value, ..., out="out")."""
    root = tmp_path / "data"
    if not root.exists():
        small_pets.write(root)

    def call(name, *options, out="out", seed=1):
        words = ["--trainer", name, "--root", root, "--seed", seed, "--backbone", small_vit]
        words += ["--config-file", "configs/trainers/TipAdapter/vit_b16.yaml"]
        words += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml"]
        words += ["--output-dir", tmp_path / out, "INPUT.SIZE", "(32, 32)", "USE_CUDA", "False"]
        words += ["DATALOADER.NUM_WORKERS", 0, "DATASET.NUM_SHOTS", 2, f"{NODE}.PREC", "fp32"]
        words += [f"{NODE}.SEARCH_STEP", "(3, 3)", f"{NODE}.AUGMENT_EPOCH", 2, *options]
        set_random_seed(seed)
        return build_trainer(setup_cfg(build_parser().parse_args([str(word) for word in words])))

    return call


def test_the_cache_holds_the_shots_in_their_order(on_pets):
    trainer = on_pets("TipAdapter", "INPUT.TRANSFORMS", "['normalize']")
    trainer.fit()
    model, items = trainer.model, trainer.dm.dataset.train_x
    assert len(model.adapter.weight) == len(items) == 8
    assert model.labels.tolist() == [item.label for item in items]
    (batch,) = [b for b in trainer.train_loader_x if len(b["img"]) == 8]
    with torch.no_grad():
        features = F.normalize(model.clip.encode_image(batch["img"]), dim=-1)
    keys = model.adapter.weight.detach()[batch["index"]]
    torch.testing.assert_close(keys, features, rtol=1e-5, atol=1e-6)


def test_logits_are_those_of_the_formula(make, batch):
    trainer = prompt_run.wander(make("TipAdapterF", f"{NODE}.INIT_ALPHA", 2.5))
    model = trainer.model
    keys = model.adapter.weight.detach()
    with torch.no_grad():
        image = F.normalize(model.clip.encode_image(batch.image), dim=-1)
        text = F.normalize(model.references, dim=-1)
        cache = torch.zeros(4, 5)
        for entry, label in enumerate(model.labels.tolist()):
            cache[:, label] += torch.exp(-(1 - image @ keys[entry]))
    expected = 100 * image @ text.t() + 2.5 * cache
    torch.testing.assert_close(prompt_run.logits(trainer, batch.image), expected)


def test_the_grid_is_the_published_one():
    assert candidates(7, 200)[:2] == [0.1, pytest.approx(0.1345)]
    assert candidates(7, 200)[-1] == pytest.approx(6.9655) and len(candidates(3, 20)) == 20


def test_the_search_takes_the_first_of_the_best(monkeypatch):
    """Against a loop over the whole grid, in one part and in several."""
    draw = torch.Generator().manual_seed(3)
    values = F.one_hot(torch.randint(4, (9,), generator=draw), 4).float()
    clip, affinity = torch.randn(50, 4, generator=draw), torch.rand(50, 9, generator=draw)
    scores = Scores(clip, affinity, values, torch.randint(4, (50,), generator=draw))
    betas, alphas = candidates(9, 5), candidates(4, 6)
    best = (0.0, 0.0, -1.0)
    for beta in betas:
        for alpha in alphas:
            hits = scores.logits(beta, alpha).argmax(1) == scores.labels
            accuracy = 100 * float(hits.sum()) / 50
            if accuracy > best[2]:
                best = (beta, alpha, accuracy)
    assert search(scores, betas, alphas) == best
    monkeypatch.setattr("trainers.parts.cache_search.IMAGES_AT_ONCE", 7)
    assert search(scores, betas, alphas) == best


@pytest.mark.parametrize("whole, count", [(True, 8), (False, 4)])
def test_validation_is_whole_or_few(whole, count, on_pets):
    trainer = on_pets("TipAdapter", f"{NODE}.WHOLE_VAL", whole, "DATASET.NUM_SHOTS", 1)
    assert len(trainer.validation()[0]) == count


@pytest.mark.parametrize("name", ["TipAdapter", "TipAdapterF"])
def test_a_saved_cache_scores_the_same_when_loaded(name, on_pets, tmp_path):
    trained = on_pets(name, "DATASET.SUBSAMPLE_CLASSES", "base", "OPTIM.MAX_EPOCH", 2)
    trained.train()
    again = on_pets(name, "DATASET.SUBSAMPLE_CLASSES", "base", out="again", seed=4)
    again.load_model(str(tmp_path / "out"), epoch=-1)
    assert (again.model.beta, again.model.alpha) == (trained.model.beta, trained.model.alpha)
    image = next(iter(again.test_loader))["img"]
    assert torch.equal(prompt_run.logits(again, image), prompt_run.logits(trained, image))
    assert again.test() == trained.test_record.results["accuracy"]


def test_new_classes_keep_zero_shot_clips_logits(on_pets, tmp_path):
    on_pets("TipAdapter", "DATASET.SUBSAMPLE_CLASSES", "base").train()
    new = on_pets("TipAdapter", "DATASET.SUBSAMPLE_CLASSES", "new", out="new")
    image = next(iter(new.test_loader))["img"]
    new.load_model(str(tmp_path / "out"))
    with torch.no_grad():
        expected = new.model.clip_logits(new.model.features(image))
    assert torch.equal(prompt_run.logits(new, image), expected)


@pytest.mark.parametrize("name", ["TipAdapter", "TipAdapterF"])
def test_a_finished_run_only_tests_again(name, on_pets, monkeypatch):
    first = on_pets(name, "OPTIM.MAX_EPOCH", 1)
    first.train()
    again = on_pets(name, "OPTIM.MAX_EPOCH", 1)
    monkeypatch.setattr(type(again), "fill_cache", None)
    again.train()
    assert again.test_record.results == first.test_record.results


def test_a_resumed_training_ends_as_the_unbroken_one(on_pets, tmp_path):
    options = ("OPTIM.LR", 0.05, "DATALOADER.TRAIN_X.BATCH_SIZE", 3)
    options = ("OPTIM.MAX_EPOCH", 3, *options)
    unbroken = on_pets("TipAdapterF", *options)
    unbroken.train()
    stopped = on_pets("TipAdapterF", *options, out="stopped")

    def stop():
        if stopped.epoch == 2:
            raise KeyboardInterrupt

    stopped.before_epoch = stop
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    resumed = on_pets("TipAdapterF", *options, out="stopped", seed=1)
    resumed.train()
    assert resumed.start_epoch == 2
    ends = [t.model.adapter.weight for t in (resumed, unbroken)]
    assert torch.equal(*ends)
    assert resumed.model.checkpoint_extra()["cache"]["beta"] == unbroken.model.beta


def test_the_last_short_batch_is_trained_on(on_pets):
    trainer = on_pets("TipAdapterF", "DATALOADER.TRAIN_X.BATCH_SIZE", 3)
    assert [len(batch["label"]) for batch in trainer.train_loader_x] == [3, 3, 2]
    assert len(trainer.train_loader_x) == 3


@pytest.mark.parametrize("name", ["TipAdapter", "TipAdapterF"])
@pytest.mark.parametrize("shots", [-1, 0])
def test_a_cache_without_shots_is_one_line(name, shots, on_pets):
    with pytest.raises(UserError, match=rf"DATASET.NUM_SHOTS = {shots}: the cache .*use 1 or more"):
        on_pets(name, "DATASET.NUM_SHOTS", shots).train()


def test_a_search_without_validation_images_is_one_line(on_pets):
    trainer = on_pets("TipAdapter")
    trainer.dm.dataset._val = None
    with pytest.raises(UserError, match=r"SEARCH_HP True: OxfordPets has no validation images"):
        trainer.train()


def test_without_a_search_the_given_numbers_stay(on_pets):
    trainer = on_pets("TipAdapter", f"{NODE}.SEARCH_HP", False, f"{NODE}.INIT_ALPHA", 4.0)
    trainer.train()
    assert (trainer.model.alpha, trainer.model.beta) == (4.0, 1.0)


def test_an_empty_cache_is_not_tested(on_pets):
    with pytest.raises(UserError, match=r"the cache is empty; train, or give .*--model-dir"):
        on_pets("TipAdapter").test()


def test_a_file_of_another_method_is_refused(on_pets):
    with pytest.raises(UserError, match="holds no cache"):
        on_pets("TipAdapter").model.prepare_load({}, {"classnames": []})


def published(folder, keys, labels, num_classes):
    """A cache as the public code saves it, in half; its trained keys are twice the others."""
    folder.mkdir()
    torch.save(keys.t().half(), folder / "keys_2shots.pt")
    torch.save(F.one_hot(labels, num_classes).half(), folder / "values_2shots.pt")
    torch.save(torch.nn.Parameter(2 * keys), folder / "best_F_2shots.pt")
    return str(folder)


@pytest.mark.parametrize("name, factor", [("TipAdapter", 1), ("TipAdapterF", 2)])
def test_a_published_cache_is_loaded_and_searched(name, factor, on_pets, tmp_path, caplog):
    trained = on_pets("TipAdapter")
    trained.fit()
    keys = trained.model.adapter.weight.detach()
    folder = published(tmp_path / "caches", keys, trained.model.labels, 4)
    other = on_pets(name, out="other", seed=9)
    with caplog.at_level("INFO"):
        other.load_model(folder)
    assert "Searched on 8 validation images" in caplog.text
    torch.testing.assert_close(other.model.adapter.weight, factor * keys, rtol=1e-3, atol=1e-3)
    assert torch.equal(other.model.values, trained.model.values)


def test_a_published_cache_of_other_classes_or_another_backbone_is_refused(on_pets, tmp_path):
    folder = published(tmp_path / "caches", torch.ones(6, 32), torch.arange(6) % 3, 3)
    with pytest.raises(UserError, match="is of 3 classes, this run has 4"):
        on_pets("TipAdapter").load_model(folder)
    folder = published(tmp_path / "wide", torch.ones(8, 64), torch.arange(8) % 4, 4)
    with pytest.raises(UserError, match=r"keys of width 64, .* have 32; set MODEL.BACKBONE.NAME"):
        on_pets("TipAdapter").load_model(folder)
