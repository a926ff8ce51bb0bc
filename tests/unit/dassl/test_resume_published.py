"""A run goes on from checkpoints of the public engine, which leaves no resume state."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from tests.unit.dassl.test_resume import BEST_VAL, OPTIONS, train_until
from tests.unit.dassl.toy import logged_run, make_config, start


@pytest.fixture(scope="module")
def published(images, tmp_path_factory):
    """Three epochs of a run, as the public engine leaves them."""
    folder = tmp_path_factory.mktemp("published")
    options = [*OPTIONS, "TRAIN.CHECKPOINT_FREQ", 1]
    train_until(start(make_config(images, folder, options, trainer="ToyTwoModels")), 3)
    (folder / "resume.pth.tar").unlink()
    return folder


def resume_published(published, images, folder, change, options=()):
    shutil.copytree(published, folder)
    change(folder)
    cfg = make_config(images, folder, [*OPTIONS, *options], trainer="ToyTwoModels")
    return logged_run(cfg, lambda trainer: trainer.train())


def rates(trainer):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = Path(trainer.output_dir) / "tensorboard"
    newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    events = EventAccumulator(str(newest))
    events.Reload()
    return [event.value for event in events.Scalars("train/lr")][4::5]


def test_published_folder_resumes_with_the_right_learning_rate(published, images, tmp_path):
    trainer = resume_published(published, images, tmp_path / "run", lambda folder: None)
    assert trainer.seen[0][0] == 3
    whole = start(make_config(images, tmp_path / "whole", OPTIONS))
    whole.train()
    assert rates(trainer) == pytest.approx(rates(whole)[3:])
    assert trainer.get_current_lr() == pytest.approx(whole.get_current_lr(), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "epoch"),
    [
        (lambda folder: (folder / "frozen" / "model.pth.tar-3").unlink(), 2),
        (lambda folder: os.truncate(folder / "linear" / "model.pth.tar-3", 500), 2),
        (lambda folder: (folder / "linear" / "checkpoint").unlink(), 3),
        (lambda folder: (folder / "linear" / "checkpoint").write_text("model-best.pth.tar\n"), 3),
        (lambda folder: shutil.rmtree(folder / "frozen"), 0),
    ],
    ids=["one file missing", "one cut short", "no pointer", "pointer to best", "one folder gone"],
)
def test_highest_epoch_whole_in_all_folders(change, epoch, published, images, tmp_path):
    trainer = resume_published(published, images, tmp_path / "run", change)
    assert trainer.seen[0][0] == epoch


def test_best_result_of_a_published_folder_is_kept(published, images, tmp_path):
    def add_best(folder):
        for name in ("linear", "frozen"):
            state = torch.load(folder / name / "model.pth.tar-2", weights_only=True)
            torch.save({**state, "val_result": 100.0}, folder / name / "model-best.pth.tar")

    trainer = resume_published(published, images, tmp_path / "run", add_best, BEST_VAL)
    assert trainer.best_result == 100.0 and trainer.best_epoch == 2
    best = torch.load(tmp_path / "run" / "linear" / "model-best.pth.tar", weights_only=True)
    assert best["epoch"] == 2
