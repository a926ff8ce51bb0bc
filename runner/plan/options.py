"""The words of the command line that are no flags: KEY VALUE for train.py, modes, grids."""

import re
from collections.abc import Sequence

from runner.errors import UserError, did_you_mean
from runner.plan.grid import VALIDATE, Axis, parse_axis
from runner.plan.modes import MODES

KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
WITHOUT_DOT = ("USE_CUDA", "VERBOSE", "VERSION")
# Set by the runner for every job: as an option they would contradict the folder of the run.
TAKEN = {
    "DATASET.NAME": "--datasets",
    "DATASET.NUM_SHOTS": "--shots",
    "DATASET.ROOT": "--data",
    "DATASET.SUBSAMPLE_CLASSES": "--mode",
    "OUTPUT_DIR": "--seeds for seeds",
    "SEED": "--seeds for seeds",
    "TRAINER.NAME": "--cfg",
}


def key_problem(key: str, *, swept: bool = False) -> str:
    """Return what is wrong with a key, nothing if it may be given; `swept`: as one of a grid."""
    if key in TAKEN:
        return f"{key}: set by the runner for every run; use {TAKEN[key]}"
    if swept and key in (VALIDATE, "RESUME"):
        return f"{key}: is not to be swept over; a grid sets {VALIDATE} itself"
    if not KEY.fullmatch(key) and key not in WITHOUT_DOT:
        return f"{key}: not a key; options are KEY VALUE, as OPTIM.LR 0.002"
    return ""


def option_problems(options: Sequence[str]) -> list[str]:
    """Return what is wrong with KEY VALUE words, a line each."""
    problems = [
        f"{word}: flags stand before the KEY VALUE options" for word in options if word[:2] == "--"
    ]
    if problems:
        return problems
    problems = [line for key in options[::2] if (line := key_problem(key))]
    if not problems and len(options) % 2:
        problems.append(f"{options[-1]}: has no value; options are KEY VALUE")
    return problems


def split_words(values: Sequence[str]) -> tuple[str, ...]:
    """Split at commas and drop repetitions."""
    words = [word.strip() for value in values for word in value.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def read_modes(values: Sequence[str]) -> tuple[str, ...]:
    """Return the words of --mode.

    Raises:
        UserError: no such mode.
    """
    names = split_words(values)
    wrong = [
        f"--mode {name}: no such mode{did_you_mean(name, MODES)}"
        for name in names
        if name not in MODES
    ]
    if wrong:
        raise UserError(wrong)
    return names


def read_grid(words: Sequence[str]) -> tuple[Axis, ...]:
    """Return the words of --grid.

    Raises:
        UserError: not KEY=a,b,c, a key that may not be given, or one that is given twice.
    """
    axes = tuple(map(parse_axis, words))
    keys = [axis.key for axis in axes]
    problems = [f"--grid {line}" for key in keys if (line := key_problem(key, swept=True))]
    problems += [f"--grid {key}: given twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise UserError(problems)
    return axes
