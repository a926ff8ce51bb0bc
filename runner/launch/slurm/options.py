"""What is asked of SLURM for an array: the options of --slurm-args, and ours where those are
silent."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from runner.errors import UserError
from runner.launch.slurm.batch import Element

DAY = 24 * 60
LEAST_MINUTES = 10  # a warning comes two minutes before the end, and up to one minute early
_GPUS = ("--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket")
_TIME = ("--time", "-t")
_GPU_VARIABLES = ("SBATCH_GRES", "SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK")
_TAKEN = {
    ("--array", "-a"): "the runner makes the arrays; --max-jobs limits what runs at once",
    ("--clusters", "-M"): "the runner asks the queue of this cluster alone",
    ("--wrap",): "the runner submits a script of its own",
    ("--parsable",): "the runner gives it",
    ("--wait", "-W"): "the runner waits by itself",
    ("--chdir", "-D"): "runs start in the folder of the runner",
    ("--test-only",): "nothing would be submitted; --dry-run shows the script",
}


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        words: of --slurm-args.
        max_jobs: elements of an array that may run at once; None: no limit.
        per_element: chains that share an element, and so a GPU.
    """

    words: tuple[str, ...] = ()
    max_jobs: int | None = None
    per_element: int = 1


def check_words(words: Sequence[str]) -> None:
    """
    Raises:
        UserError: an option among --slurm-args that the runner gives itself.
    """
    problems = [
        f"--slurm-args: {name} cannot be given: {why}"
        for names, why in _TAKEN.items()
        for name in names
        if _named(words, (name,))
    ]
    if problems:
        raise UserError(problems)


def resources(
    elements: Sequence[Element], options: Options, seconds: Callable[[Sequence[str]], float | None]
) -> dict[str, str]:
    """Return our own options for sbatch: one GPU, and a time limit, each where the user has said
    nothing of it."""
    chosen = {}
    if not _named(options.words, _GPUS) and not any(map(os.environ.get, _GPU_VARIABLES)):
        chosen["gres"] = "gpu:1"
    if not _named(options.words, _TIME) and not os.environ.get("SBATCH_TIMELIMIT"):
        chosen["time"] = str(_minutes(elements, seconds))
    return chosen


def _minutes(elements: Iterable[Element], seconds: Callable[[Sequence[str]], float | None]) -> int:
    """Return twice what the longest element has taken before, a day if a task of it is new.

    Chains that share an element are counted as if they ran one after the other.
    """
    longest = 0.0
    for element in elements:
        times = [seconds(task.argv) for chain in element for task in chain]
        known = [each for each in times if each is not None]
        if len(known) < len(times):
            return DAY
        longest = max(longest, sum(known))
    return max(LEAST_MINUTES, math.ceil(2 * longest / 60))


def _named(words: Sequence[str], options: Sequence[str]) -> bool:
    """Whether one of the options is among the words: `--time=5`, `--time 5`, `-t5`."""
    return any(
        word == option
        or word.startswith(f"{option}=")
        or (len(option) == 2 and word.startswith(option) and not word.startswith("--"))
        for word in words
        for option in options
    )
