"""Which keys may stand among the KEY VALUE words for train.py, in a grid and in configs.py."""

import re
from collections.abc import Sequence

KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
WITHOUT_DOT = ("USE_CUDA", "VERBOSE", "VERSION")
VALIDATE = "TEST.VALIDATE_AT_END"  # puts the accuracy on the validation images into result.json
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
    flags = [word for word in options if word.startswith("--")]
    if flags:
        return [f"{word}: flags stand before the KEY VALUE options" for word in flags]
    problems = [line for key in options[::2] if (line := key_problem(key))]
    if not problems and len(options) % 2:
        return [f"{options[-1]}: has no value; options are KEY VALUE"]
    return problems
