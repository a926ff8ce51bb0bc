"""What is asked of SLURM for an array: the options of --slurm-args, and ours where those are
silent."""

import os
from collections.abc import Sequence

from runner.errors import UserError

DAY = 24 * 60  # minutes
_GPUS = ("--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket")
_TIME = ("--time", "-t")
_GPU_VARIABLES = ("SBATCH_GRES", "SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK")
_TAKEN = (
    *("--array", "-a", "--chdir", "-D", "--clusters", "-M", "--parsable", "--test-only"),
    *("--wait", "-W", "--wrap"),
)


def check_words(words: Sequence[str]) -> None:
    """
    Raises:
        UserError: an option among --slurm-args that the runner gives itself.
    """
    problems = [
        f"--slurm-args: {name} cannot be given: what it says is the runner's to say"
        for name in _TAKEN
        if name in _names(words)
    ]
    if problems:
        raise UserError(problems)


def resources(words: Sequence[str]) -> dict[str, str]:
    """Return our own options for sbatch: one GPU, and a day, since many sites refuse an array
    without a limit; each where `words` of --slurm-args say nothing of it."""
    chosen = {}
    if _names(words).isdisjoint(_GPUS) and not any(map(os.environ.get, _GPU_VARIABLES)):
        chosen["gres"] = "gpu:1"
    if _names(words).isdisjoint(_TIME) and not os.environ.get("SBATCH_TIMELIMIT"):
        chosen["time"] = str(DAY)
    return chosen


def _names(words: Sequence[str]) -> set[str]:
    """Return the options among words: `--time` of `--time=5` and `--time 5`, `-t` of `-t5`."""
    return {word.partition("=")[0] if word.startswith("--") else word[:2] for word in words}
