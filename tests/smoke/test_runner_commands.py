"""train.py takes every command that the runner plans: trainers, YAML files and options exist."""

import shlex
from itertools import pairwise

import pytest

import configs
import train
from parallel_runner import main

MODES = ("b2n", "xd", "fs", "mt")  # dg and fs-b2n have their settings


def planned(capsys, *words):
    """What a dry run prints, a command for each trainer, YAML and list of options."""
    capsys.readouterr()
    if main([*words, "--seeds", "1", "--dry-run"]) != 0:
        return []  # tests/unit/runner/test_published_settings.py knows which modes there are
    commands = {}
    for line in capsys.readouterr().out.splitlines():
        words = shlex.split(line)
        words = words[words.index("--root") :]
        flags = dict(pairwise(words))
        options = words[words.index("DATASET.NUM_SHOTS") + 4 :]
        commands.setdefault((flags["--trainer"], flags["--config-file"], *options), words)
    return list(commands.values())


@pytest.mark.parametrize("name", configs.experiments())
def test_train_py_takes_what_is_planned(name, capsys):
    commands = [
        words
        for demo in ((), ("--demo",))
        for mode in MODES
        for words in planned(capsys, "--cfg", name, "--mode", mode, *demo)
    ]
    assert len(commands) >= 2
    for words in commands:
        args = train.build_parser().parse_args(words)
        cfg = train.setup_cfg(args)
        assert cfg.is_frozen() and args.trainer == cfg.TRAINER.NAME
