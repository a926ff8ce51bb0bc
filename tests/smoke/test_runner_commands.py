"""train.py takes every command that the runner plans: trainers, YAML files and options exist."""

import shlex
from itertools import pairwise

import pytest

import configs
import train
from parallel_runner import main
from runner.plan.experiment import read_experiment

ALIKE = {"dg", "fs-b2n"}  # have the settings of xd and b2n


def planned(capsys, *words):
    """What a dry run prints, a command for each trainer, YAML and list of options."""
    capsys.readouterr()
    assert main([*words, "--seeds", "1", "--dry-run"]) == 0
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
    modes = set(read_experiment(name, configs.get_config(name)).modes) - ALIKE
    call = ["--cfg", name, "--mode", *modes]
    commands = [*planned(capsys, *call), *planned(capsys, *call, "--demo")]
    assert len(commands) >= 2
    for words in commands:
        args = train.build_parser().parse_args(words)
        cfg = train.setup_cfg(args)
        assert cfg.is_frozen() and args.trainer == cfg.TRAINER.NAME
