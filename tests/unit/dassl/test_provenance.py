"""What result.json says a number is of."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY
from dassl.engine.provenance import provenance
from dassl.engine.result import write_result
from dassl.utils.checkpoint_watch import watched_files
from tests.unit.dassl.toy import CLASSES, ToyData, ToyTrainer, golden_options, make_config, start

OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NUM_SHOTS", 2, "OPTIM.MAX_EPOCH", 2]
SECONDS = {"build": 0.0, "train": 0.0, "test": 0.0}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def run(images, output, options=(), *, trainer="ToyTwoModels", model=None, epoch=None):
    """A training, or the test of a model; returns the content of its result.json."""
    runner = start(make_config(images, output, [*OPTIONS, *options], trainer=trainer))
    with watched_files() as files:
        if model is None:
            runner.train()
        else:
            runner.load_model(str(model), epoch)
            runner.test()
    path = write_result(
        runner.cfg, runner, seconds=SECONDS, job_key=None, files=files, trained=model is None
    )
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """(folder, result) of a training whose best epoch is the first one."""
    folder = tmp_path_factory.mktemp("trained") / "out"
    every = ["TRAIN.CHECKPOINT_FREQ", 1]
    return folder, run(images, folder, every)


def paths(result):
    return [file["path"] for file in result["provenance"]["checkpoint"]["files"]]


def test_a_training_names_the_files_that_it_tested(trained):
    folder, result = trained
    checkpoint = result["provenance"]["checkpoint"]
    assert checkpoint["epoch"] == result["epoch"] == result["epochs"] == 2
    assert paths(result) == ["frozen/model.pth.tar-2", "linear/model.pth.tar-2"]
    for file in checkpoint["files"]:
        assert file["sha256"] == sha256((folder / file["path"]).read_bytes())


def test_a_test_names_the_epoch_that_it_loaded(trained, images, tmp_path):
    folder, _ = trained
    result = run(images, tmp_path / "out", model=folder, epoch=1)
    assert (result["epoch"], result["epochs"]) == (1, None)
    place = tmp_path / "out" / paths(result)[1]
    assert place.resolve() == (folder / "linear" / "model.pth.tar-1").resolve()


def test_a_test_without_a_model_is_of_an_untrained_one(images, tmp_path):
    result = run(images, tmp_path, model="")
    assert result["provenance"]["checkpoint"] == "untrained"
    assert (result["epoch"], result["epochs"]) == (0, None)
    result = run(images, tmp_path / "none", ["OPTIM.MAX_EPOCH", 0])
    assert result["provenance"]["checkpoint"] == "untrained" and result["epochs"] == 0


def test_the_best_model_is_named_where_it_was_deployed(images, tmp_path, monkeypatch):
    test = ToyTrainer.test
    worse = iter([80.0, 70.0])
    monkeypatch.setattr(
        ToyTrainer, "test", lambda self, split=None: next(worse) if split else test(self)
    )
    result = run(images, tmp_path, ["TEST.FINAL_MODEL", "best_val"], trainer="ToyTrainer")
    assert paths(result) == ["linear/model-best.pth.tar"] and result["epoch"] == 1


def test_a_finished_run_that_tests_again_names_the_same_files(images, tmp_path):
    first, again = (run(images, tmp_path) for _ in range(2))
    assert first["provenance"] == again["provenance"]


def test_the_digests_are_of_what_the_docs_say(trained, images):
    data = trained[1]["provenance"]["dataset"]
    assert data["classnames_sha256"] == sha256("".join(f"{c}\n" for c in CLASSES).encode())
    trainer = start(make_config(images, "unused", OPTIONS))
    splits = {"train": trainer.dm.dataset.train_x, "val": trainer.dm.dataset.val}
    lines = sorted(
        f"{split} {item.label} {Path(item.impath).relative_to(images).as_posix()}\n"
        for split, items in splits.items()
        for item in items
    )
    assert data["fewshot_sha256"] == sha256("".join(lines).encode())
    assert [data[f"num_{split}"] for split in ("train", "val", "test")] == [10, 10, 15]
    assert data["split_file"] is data["partial"] is None


def test_a_draw_is_told_by_its_seed_and_whole_splits_have_none(images, tmp_path):
    def digest(seed, shots=2):
        options = [*OPTIONS, "DATASET.NUM_SHOTS", shots]
        trainer = start(make_config(images, tmp_path, options, seed=seed))
        facts = provenance(trainer.cfg, trainer, files=(), trained=False)
        return facts["dataset"]["fewshot_sha256"]

    assert digest(1) == digest(1) != digest(2)
    assert digest(1, shots=-1) is None


@DATASET_REGISTRY.register(force=True)
class ToySplit(ToyData):
    """Names a split file, as the readers of public datasets do; here some file that is there."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.split_file = Path(cfg.DATASET.ROOT) / "toy" / "c0" / "00.png"
        self.partial = {"classes": 5, "of": 9}


def test_the_split_file_is_named_below_the_data_root(images, tmp_path):
    options = [*OPTIONS, "DATASET.NAME", "ToySplit"]
    trainer = start(make_config(images, tmp_path, options))
    data = provenance(trainer.cfg, trainer, files=(), trained=False)["dataset"]
    digest = sha256((images / "toy/c0/00.png").read_bytes())
    assert data["split_file"] == {"path": "toy/c0/00.png", "sha256": digest}
    assert data["partial"] == {"classes": 5, "of": 9}


@TRAINER_REGISTRY.register(force=True)
class ToyOwnFiles(ToyTrainer):
    """Reads and writes its files itself, as published trainers do; names an initial model."""

    def save_model(self, epoch, directory, **kwargs):
        folder = Path(directory, "mine")
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), folder / "weights.pt")

    def backbone_facts(self):
        return {"name": "pixels"}


def test_a_trainer_that_saves_for_itself_gets_what_is_known(images, tmp_path):
    initial = tmp_path / "initial.pt"
    torch.save(nn.Linear(1, 1).state_dict(), initial)
    options = ["MODEL.INIT_WEIGHTS", str(initial), "MODEL.BACKBONE.NAME", "resnet18"]
    facts = run(images, tmp_path / "out", options, trainer="ToyOwnFiles")["provenance"]
    assert facts["checkpoint"] == {"files": [], "epoch": 2}
    assert facts["backbone"] == {"name": "pixels"}
    assert facts["initial_weights"] == {
        "path": "../initial.pt",
        "sha256": sha256(initial.read_bytes()),
    }
    plain = run(images, tmp_path / "plain", options[2:], trainer="ToyTrainer")["provenance"]
    assert plain["backbone"]["name"] == "resnet18" and plain["initial_weights"] is None
    assert (plain["precision"], plain["gpu"], plain["torch"]) == (None, None, torch.__version__)


def test_transforms_are_told_with_their_numbers_and_without_addresses(images, tmp_path):
    steps = ("random_translation", "cutout", "normalize")
    trainer = start(make_config(images, tmp_path, [*OPTIONS, "INPUT.TRANSFORMS", steps]))
    told = provenance(trainer.cfg, trainer, files=(), trained=False)["transforms"]
    assert "Cutout(n_holes=1, length=16)" in told["train"] and " at 0x" not in str(told)
    assert told["test"].startswith("Resize(") and " > " in told["test"]
