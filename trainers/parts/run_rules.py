"""Flags and keys of which one makes another meaningless: what is refused, what gets a line.

A flag that asks for something else than the run does is refused. A key that is not read because of
another key's value gets a notice, if it was typed: the run is still the one that its config says.
Lines of published scripts and guides break no rule that refuses.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

# Flag of train.py -> the config key that it sets.
FLAG_KEYS: Mapping[str, str] = {
    "root": "DATASET.ROOT",
    "output_dir": "OUTPUT_DIR",
    "resume": "RESUME",
    "old_data_path": "DATALOADER.OLD_DATA_PATH",
    "new_data_path": "DATALOADER.NEW_DATA_PATH",
    "source_domains": "DATASET.SOURCE_DOMAINS",
    "target_domains": "DATASET.TARGET_DOMAINS",
    "transforms": "INPUT.TRANSFORMS",
    "backbone": "MODEL.BACKBONE.NAME",
    "memory_limit": "MODEL.MEMORY_LIMIT",
    "head": "MODEL.HEAD.NAME",
    "seed": "SEED",
    "trainer": "TRAINER.NAME",
}


@dataclass(frozen=True)
class Asked:
    """What a command line asks for.

    Attributes:
        args: the flags.
        cfg: the merged config.
        trainer: the class, None where its name is unknown.
        typed: the KEY VALUE words.
    """

    args: Namespace
    cfg: CfgNode
    trainer: Any
    typed: Mapping[str, str]

    def flag(self, name: str) -> Any:
        """A flag's value; None where a parser does not have it or it was not given."""
        value = getattr(self.args, name, None)
        return None if value in ("", False) or (name == "seed" and value == -1) else value

    @property
    def tests(self) -> bool:
        return bool(self.flag("eval_only"))

    @property
    def trains(self) -> bool:
        return not self.tests and not self.flag("no_train")

    @property
    def ours(self) -> bool:
        """Whether the trainer says what it reads; one written for the public engine does not."""
        return hasattr(self.trainer, "options")

    @property
    def loads(self) -> bool:
        """Whether the trainer has tensors of its own that a checkpoint could hold."""
        return not self.ours or self.trainer.trainable or bool(self.trainer.checkpoint)

    @property
    def name(self) -> str:
        return str(getattr(self.trainer, "__name__", self.cfg.TRAINER.NAME))

    @property
    def by_hand(self) -> set[str]:
        """The config keys that the command line sets, by flags or words."""
        flagged = {key for flag, key in FLAG_KEYS.items() if self.flag(flag) is not None}
        return flagged | set(self.typed)

    @property
    def key_twice(self) -> str:
        """The first flag whose config key was typed as well, with another value."""
        for flag, key in FLAG_KEYS.items():
            given = self.flag(flag)
            if given is not None and key in self.typed and str(given) != self.typed[key]:
                return flag
        return ""


@dataclass(frozen=True)
class Rule:
    """One contradiction.

    Attributes:
        name: what tests and readers call it.
        refused: whether the run is refused, or only told of it.
        broken: whether what was asked for is against the rule.
        line: what is said: the words at fault and the way to what was probably meant.
    """

    name: str
    refused: bool
    broken: Callable[[Any], bool]
    line: Callable[[Any], str]


def lines_of(rules: Sequence[Rule], asked: Any) -> tuple[list[str], list[str]]:
    """The lines of all broken rules: those that refuse the run, and notices."""
    broken = [rule for rule in rules if rule.broken(asked)]
    refusals = [rule.line(asked) for rule in broken if rule.refused]
    return refusals, [f"Notice: {rule.line(asked)}" for rule in broken if not rule.refused]


def _model_dir(asked: Asked) -> str:
    folder = asked.flag("model_dir")
    does = "trains from the start" if asked.trains else "trains and tests nothing (--no-train)"
    return (
        f"--model-dir {folder}: is read with --eval-only, and without it this run {does}; to test "
        f"the model add --eval-only, to train on from it give MODEL.INIT_WEIGHTS {folder} instead"
    )


def _no_folder(asked: Asked) -> str:
    path = Path(asked.flag("model_dir"))
    if path.is_file():
        return f"--model-dir {path}: is a file; give the folder of its run: {path.parent.parent}"
    return f"--model-dir {path}: no such folder; give the output folder of a run"


def _key_twice(asked: Asked) -> str:
    flag = asked.key_twice
    key = FLAG_KEYS[flag]
    return (
        f"--{flag.replace('_', '-')} {asked.flag(flag)} and {key} {asked.typed[key]}: "
        "two values of one option; give one of them"
    )


def _typed_no_test(asked: Asked) -> bool:
    return "TEST.NO_TEST" in asked.typed


FLAG_RULES = (
    Rule(
        "a model to test, in a training",
        True,
        lambda a: a.flag("model_dir") is not None and not a.tests,
        _model_dir,
    ),
    Rule(
        "an epoch to test, in a training",
        True,
        lambda a: a.flag("load_epoch") is not None and not a.tests and not a.flag("model_dir"),
        lambda a: (
            f"--load-epoch {a.flag('load_epoch')}: is an epoch of --model-dir, for --eval-only, "
            "and this run is no test; a training goes on from the newest epoch of its own folder, "
            "or of --resume, and starts from trained tensors with MODEL.INIT_WEIGHTS"
        ),
    ),
    Rule(
        "a test of tensors that were never trained",
        True,
        lambda a: (
            a.tests
            and a.ours
            and a.loads
            and a.flag("model_dir") is None
            and not a.flag("untrained")
        ),
        lambda a: (
            f"--eval-only without --model-dir: {a.name} has trained tensors, and none would be "
            "loaded; give the folder of a run (--model-dir), or --untrained to test the tensors "
            "as they start"
        ),
    ),
    Rule(
        "a folder of a model that is not there",
        True,
        lambda a: (
            a.tests
            and a.loads
            and a.flag("model_dir") is not None
            and not Path(a.flag("model_dir")).is_dir()
        ),
        _no_folder,
    ),
    Rule(
        "untrained on purpose, in a training",
        True,
        lambda a: a.flag("untrained") and not a.tests,
        lambda a: (
            "--untrained: tests tensors as they start, with --eval-only; add it, or drop both"
        ),
    ),
    Rule(
        "untrained on purpose, and a model",
        True,
        lambda a: (
            a.flag("untrained")
            and a.tests
            and (a.flag("model_dir") is not None or a.flag("load_epoch") is not None)
        ),
        lambda a: (
            "--untrained and "
            f"{'--model-dir' if a.flag('model_dir') is not None else '--load-epoch'}: the first "
            "tests tensors as they start, the second those of a run; give one of them"
        ),
    ),
    Rule(
        "a training to go on with, in a test",
        True,
        lambda a: a.tests and bool(a.cfg.RESUME),
        lambda a: (
            f"--resume {a.cfg.RESUME} (RESUME): goes on with a training, and --eval-only trains "
            "nothing; drop one, or give the folder to test as --model-dir"
        ),
    ),
    Rule(
        "a test without a test",
        True,
        lambda a: a.tests and a.cfg.TEST.NO_TEST and _typed_no_test(a),
        lambda a: "--eval-only and TEST.NO_TEST True: the run would do nothing; drop one of them",
    ),
    Rule(
        "a test with the YAML of a training without one",
        False,
        lambda a: a.tests and a.cfg.TEST.NO_TEST and not _typed_no_test(a),
        lambda a: "TEST.NO_TEST of the YAML does not count with --eval-only: the run tests",
    ),
    Rule(
        "the best of epochs that nobody tests",
        False,
        lambda a: a.trains and a.cfg.TEST.NO_TEST and a.cfg.TEST.FINAL_MODEL == "best_val",
        lambda a: "TEST.FINAL_MODEL best_val does not count with TEST.NO_TEST: no epoch is tested",
    ),
    Rule(
        "a store, and none",
        True,
        lambda a: bool(a.flag("no_cache")) and a.flag("cache") is not None,
        lambda a: f"--cache {a.flag('cache')} and --no-cache: one or the other",
    ),
    Rule("a flag and its key", True, lambda a: bool(a.key_twice), _key_twice),
    Rule(
        "half of a path's replacement",
        True,
        lambda a: bool(a.cfg.DATALOADER.OLD_DATA_PATH) != bool(a.cfg.DATALOADER.NEW_DATA_PATH),
        lambda a: (
            f"--old-data-path {a.cfg.DATALOADER.OLD_DATA_PATH!r} and --new-data-path "
            f"{a.cfg.DATALOADER.NEW_DATA_PATH!r}: give both or none"
        ),
    ),
    Rule(
        "no training, in a test",
        False,
        lambda a: a.tests and a.flag("no_train"),
        lambda a: "--no-train says nothing beside --eval-only: the run tests",
    ),
    Rule(
        "an epoch of a method without tensors",
        False,
        lambda a: a.tests and not a.loads and a.flag("load_epoch") is not None,
        lambda a: f"--load-epoch: {a.name} has nothing to load",
    ),
    Rule(
        "untrained on purpose, of a method without tensors",
        False,
        lambda a: a.tests and not a.loads and a.flag("untrained"),
        lambda a: f"--untrained: {a.name} has nothing to train, and is tested as it is",
    ),
    Rule(
        "no shots",
        False,
        lambda a: not a.tests and a.cfg.DATASET.NUM_SHOTS < 1 and a.cfg.DATASET.NUM_SHOTS != -1,
        lambda a: (
            f"DATASET.NUM_SHOTS {a.cfg.DATASET.NUM_SHOTS}: trains on every training image, as -1 "
            "does (the published meaning); a test without training is --eval-only"
        ),
    ),
    Rule(
        "no epoch",
        False,
        lambda a: a.trains and a.cfg.OPTIM.MAX_EPOCH == 0,
        lambda a: "OPTIM.MAX_EPOCH 0: nothing is trained; the test is of the tensors as they start",
    ),
    Rule(
        "initial weights of what does not train",
        False,
        lambda a: bool(a.cfg.MODEL.INIT_WEIGHTS) and a.ours and not a.trainer.trainable,
        lambda a: f"MODEL.INIT_WEIGHTS is not read by {a.name}, which takes no steps",
    ),
    Rule(
        "initial weights under loaded ones",
        False,
        lambda a: (
            bool(a.cfg.MODEL.INIT_WEIGHTS)
            and a.tests
            and a.flag("model_dir") is not None
            and a.loads
        ),
        lambda a: "MODEL.INIT_WEIGHTS does not count: the tensors of --model-dir take their place",
    ),
)
