"""train.py takes every YAML of configs/trainers, for the method and its DePT variant."""

from pathlib import Path

import pytest

import train

REPO = Path(__file__).resolve().parents[2]
YAMLS = sorted(REPO.glob("configs/trainers/*/*.yaml"))


def test_there_are_the_published_ones():
    folders = [path.parent.name for path in YAMLS]
    assert folders.count("CoOp") >= 17 and folders.count("MaPLe") >= 3


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_train_py_takes_it(path, tmp_path):
    name = path.parent.name
    for trainer in (name, f"{name}DePT") if name in ("CoOp", "MaPLe") else (name,):
        words = ["--root", str(tmp_path), "--trainer", trainer, "--config-file", str(path)]
        words += ["--dataset-config-file", str(REPO / "configs/datasets/oxford_pets.yaml")]
        cfg = train.setup_cfg(train.build_parser().parse_args(words))
        assert trainer == cfg.TRAINER.NAME and cfg.is_frozen()
        assert len(cfg.INPUT.SIZE) == 2
        assert cfg.INPUT.INTERPOLATION == "bicubic"
