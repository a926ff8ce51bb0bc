"""Tests of runs on features and crops of the store are those of the plain path, bit for bit."""

import errno
import json
import os

import numpy as np
import pytest
import torch

import train as program
from tests.support import command, small_pets, tiny_clip

METHODS = ("ZeroshotCLIP", "CoOp", "CoOpDePT", "KgCoOp", "CoCoOp", "MaPLe")
YAMLS = {"ZeroshotCLIP": "CoOp/demo", "CoCoOp": "CoCoOp/demo", "KgCoOp": "KgCoOp/demo"}
YAMLS |= {"LinearProbe": "LinearProbe/vit_b16", "TipAdapterF": "TipAdapter/vit_b16"}
YAMLS |= {f"{name}DePT": YAMLS[name] for name in ("CoCoOp", "KgCoOp")}
BATCHES = ("DATALOADER.TEST.BATCH_SIZE", "3")  # of eight images: the last one is short


class Lab:
    """Runs on the small pets, with a store of its own."""

    def __init__(self, folder, weights, capsys):
        self.folder, self.weights, self._capsys = folder, weights, capsys
        self.cache = folder / "cache"
        self.pets = small_pets.write(folder / "data")

    def run(self, trainer, name, *flags, settings=()):
        """A run's predictions, its log and its folder."""
        output = self.folder / name
        first, pairs = command.train_words(
            trainer, self.pets, self.weights, output, *BATCHES, *settings
        )
        if trainer in YAMLS:
            first[first.index("--config-file") + 1] = f"configs/trainers/{YAMLS[trainer]}.yaml"
        words = [*first, "--seed", "1", "--save-predictions", *map(str, flags), *pairs]
        done = command.call(self._capsys, program.run, *words)
        assert done.returncode == 0, done.stderr
        with np.load(output / "predictions.npz") as found:
            return found["logits"], (output / "log.txt").read_text(), output

    def store(self, *kinds):
        """Names of the parts in the store."""
        return sorted(path.name for kind in kinds for path in self.cache.rglob(f"{kind}/*/*.npy"))


@pytest.fixture
def lab(tmp_path, small_vit, capsys):
    return Lab(tmp_path, small_vit, capsys)


def flags_of_a_test(trainer, output):
    """Flags of a test of a run."""
    return [
        "--eval-only",
        *([] if trainer == "ZeroshotCLIP" else ["--model-dir", output, "--load-epoch", "-1"]),
    ]


@pytest.mark.parametrize("trainer", METHODS)
def test_predictions_are_the_same_to_the_last_bit(lab, trainer):
    first = ["--eval-only"] if trainer == "ZeroshotCLIP" else []
    logits, log, output = lab.run(trainer, "plain", "--no-cache", *first)
    assert "come from the store" not in log and not lab.cache.exists()
    filling, log, _ = lab.run(trainer, "filling", "--cache", lab.cache, *first)
    assert np.array_equal(filling, logits)
    frozen = trainer != "MaPLe"
    assert ("features of 0 of 3 batches come from the store" in log) == frozen
    assert len(lab.store("features")) == 2 * 3 * frozen and bool(lab.store("crops")) != frozen
    reading, log, _ = lab.run(
        trainer, "again", "--cache", lab.cache, *flags_of_a_test(trainer, output)
    )
    assert np.array_equal(reading, logits)
    assert ("features of 3 of 3 batches come from the store" in log) == frozen


def test_methods_and_seeds_share_what_the_first_has_encoded(lab, monkeypatch):
    lab.run("ZeroshotCLIP", "first", "--cache", lab.cache, "--eval-only")
    monkeypatch.setattr("clip.vit.VisionTransformer.encode", lambda *_: pytest.fail("encoded"))
    words = ["--cache", lab.cache, "--eval-only", "--untrained"]
    for trainer in ("CoOp", "KgCoOp", "CoCoOpDePT"):
        assert "3 of 3 batches" in lab.run(trainer, trainer, *words)[1]


@pytest.mark.parametrize(("trainer", "lists"), [("LinearProbe", 4), ("TipAdapterF", 3)])
def test_what_is_fitted_to_frozen_features_is_the_same_to_the_last_bit(lab, trainer, lists):
    """Few shots, few and all validation images, test images; shots of the other are augmented."""
    tip = ("TRAINER.TIPADAPTER.SEARCH_STEP", "(3, 3)", "TRAINER.TIPADAPTER.PREC", "fp32")
    settings = tip if trainer == "TipAdapterF" else ()
    plain, log, _ = lab.run(trainer, "plain", "--no-cache", settings=settings)
    assert "come from the store" not in log
    for name, kept in (("filling", 0), ("reading", 3)):
        found, log, _ = lab.run(trainer, name, "--cache", lab.cache, settings=settings)
        assert np.array_equal(found, plain)
        assert log.count(f"features of {kept} of 3 batches come from the store") == lists


def test_validation_between_epochs_leaves_the_training_as_it_is(lab):
    settings = ["TEST.FINAL_MODEL", "best_val", "DATALOADER.TRAIN_X.BATCH_SIZE", "4"]
    states = []
    for name, flags in {"plain": ["--no-cache"], "one": [], "two": []}.items():
        flags = flags or ["--cache", lab.cache]
        _, log, output = lab.run("CoOp", name, *flags, settings=settings)
        file = next(output.glob("prompt_learner/model.pth.tar-2"))
        states.append(torch.load(file, weights_only=True)["state_dict"]["ctx"])
    assert "3 of 3 batches" in log
    assert all(torch.equal(states[0], state) for state in states[1:])


def test_other_weights_and_another_batch_size_have_features_of_their_own(lab, tmp_path):
    words = ["--cache", lab.cache, "--eval-only"]
    lab.run("ZeroshotCLIP", "first", *words)
    settings = {"layers": 2, "text_layers": 2, "vision_width": 64, "text_width": 64}
    lab.weights = tiny_clip.saved(lab.folder / "other.pt", **settings, embed_dim=32, seed=1)
    plain, *_ = lab.run("ZeroshotCLIP", "plain", "--no-cache", "--eval-only")
    other, log, _ = lab.run("ZeroshotCLIP", "other", *words)
    assert "features of 0 of 3" in log and np.array_equal(other, plain)
    smaller = ("DATALOADER.TEST.BATCH_SIZE", "2")
    assert "features of 0 of 4" in lab.run("ZeroshotCLIP", "two", *words, settings=smaller)[1]
    gelu = ("MODEL.BACKBONE.ACTIVATION", "gelu")
    assert "features of 0 of 3" in lab.run("ZeroshotCLIP", "gelu", *words, settings=gelu)[1]


def test_a_full_disk_gives_one_notice_and_the_same_result(lab, monkeypatch):
    logits, _, _ = lab.run("ZeroshotCLIP", "plain", "--no-cache", "--eval-only")

    def full(file, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for module in ("image_store.entry", "image_store.folder"):
        monkeypatch.setattr(f"{module}.write_whole", full)
    found, log, _ = lab.run("ZeroshotCLIP", "full", "--cache", lab.cache, "--eval-only")
    assert np.array_equal(found, logits)
    assert log.count("takes no more test images (No space left on device)") == 1
    assert lab.store("features", "crops", "digests") == []


def test_a_damaged_batch_is_encoded_again(lab):
    words = ["--cache", lab.cache, "--eval-only"]
    logits, *_ = lab.run("ZeroshotCLIP", "first", *words)
    for file in lab.cache.rglob("features/*/000001.npy"):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again, *_ = lab.run("ZeroshotCLIP", "again", *words)
    assert np.array_equal(again, logits)


def test_flags_that_contradict_each_other_are_refused(lab, capsys):
    done = command.call(capsys, program.run, "--cache", "x", "--no-cache", "--trainer", "CoOp")
    assert done.returncode == 2
    assert "--cache x and --no-cache: one or the other" in done.stderr


def test_the_result_does_not_say_where_features_came_from(lab):
    entries = []
    for name, flags in {"plain": ["--no-cache"], "one": ["--cache", lab.cache]}.items():
        *_, output = lab.run("ZeroshotCLIP", name, *flags, "--eval-only")
        content = json.loads((output / "result.json").read_text())
        entries.append({k: v for k, v in content.items() if k not in ("seconds", "peak_memory_mb")})
    assert entries[0] == entries[1]
