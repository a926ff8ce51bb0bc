"""Merging options and the hash of a configuration."""

import pytest

from dassl.config import config_sha256, get_cfg_default, merge_checked, nearest_key


def test_merge_takes_strings_as_yacs_does():
    cfg = get_cfg_default()
    entries = {"OPTIM": {"LR": "1e-5", "MAX_EPOCH": 3}, "INPUT": {"SIZE": "(32, 48)"}}
    assert merge_checked(cfg, "a.yaml", entries) == []
    assert (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH, cfg.INPUT.SIZE) == (1e-5, 3, (32, 48))


def test_whole_number_for_a_float_and_number_like_text():
    cfg = get_cfg_default()
    assert merge_checked(cfg, "cmd", ["OPTIM.LR", "1", "DATASET.ROOT", "2024"]) == []
    assert cfg.OPTIM.LR == 1.0 and type(cfg.OPTIM.LR) is float and cfg.DATASET.ROOT == "2024"


def test_lists_and_tuples_convert():
    cfg = get_cfg_default()
    merge_checked(cfg, "cmd", ["INPUT.SIZE", [24, 32], "INPUT.PIXEL_MEAN", (0.1, 0.2, 0.3)])
    assert cfg.INPUT.SIZE == (24, 32) and cfg.INPUT.PIXEL_MEAN == [0.1, 0.2, 0.3]


def test_all_problems_are_returned_and_the_rest_is_merged():
    cfg = get_cfg_default()
    entries = ["OPTIM.LEARN", "1", "OPTIM.MAX_EPOCHS", "3", "SEED", "x", "OPTIM", "5", "SEED"]
    problems = merge_checked(cfg, "the command line", entries)
    assert len(problems) == 5
    assert "OPTIM.MAX_EPOCHS: no such option; did you mean OPTIM.MAX_EPOCH?" in problems[1]
    assert "SEED = 'x': expected int like -1" in problems[2]
    assert "group of options" in problems[3]
    assert "no value given" in problems[4]
    assert merge_checked(cfg, "cmd", ["OPTIM.X", 1, "SEED", 5]) and cfg.SEED == 5


@pytest.mark.parametrize(
    ("key", "prefer", "nearest"),
    [
        ("OPTIM.MAX_EPOCHS", (), "OPTIM.MAX_EPOCH"),
        ("TRAINER.MAPLE.DEPTH", ("TRAINER.MAPLE",), "TRAINER.MAPLE.PROMPT_DEPTH"),
        ("optim.lr", (), "OPTIM.LR"),
        ("MAX_EPOCH", (), "OPTIM.MAX_EPOCH"),
        ("QQQQQQQ", (), None),
    ],
)
def test_nearest_key(key, prefer, nearest):
    cfg = get_cfg_default()
    merge = type(cfg)({"N_CTX": 2, "PROMPT_DEPTH": 9})
    cfg.TRAINER.MAPLE = merge
    cfg.TRAINER.IVLP = type(cfg)({"PROMPT_DEPTH_TEXT": 9})
    assert nearest_key(cfg, key, prefer=prefer) == nearest


def test_hash_ignores_places_and_printing_only():
    cfg = get_cfg_default()
    before = config_sha256(cfg)
    for key, value in (
        ("OUTPUT_DIR", "/x"),
        ("RESUME", "y"),
        ("VERBOSE", False),
        ("DATASET.ROOT", "/d"),
        ("DATALOADER.NUM_WORKERS", 7),
        ("TRAIN.PRINT_FREQ", 1),
        ("TRAIN.CHECKPOINT_FREQ", 2),
    ):
        cfg.merge_from_list([key, value])
    assert config_sha256(cfg) == before
    cfg.OPTIM.LR = 0.5
    assert config_sha256(cfg) != before
