"""What may stand in --slurm-args, and what it says of GPUs."""

import os
from collections.abc import Sequence

from runner.errors import UserError

_GPUS = ("--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket")
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


def speak_of_gpus(words: Sequence[str]) -> bool:
    """Return whether words of --slurm-args, or SBATCH_ variables, say which GPUs an element gets:
    what they say adds to a --gres in the script, while other options take its place."""
    return not _names(words).isdisjoint(_GPUS) or any(map(os.environ.get, _GPU_VARIABLES))


def _names(words: Sequence[str]) -> set[str]:
    """Return the options among words: `--time` of `--time=5` and `--time 5`, `-t` of `-t5`."""
    return {word.partition("=")[0] if word.startswith("--") else word[:2] for word in words}
