"""The command line of parallel_runner.py: flags, then KEY VALUE words for train.py."""

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NoReturn

from runner.errors import UserError, did_you_mean
from runner.plan.grid import TEST, VALIDATION, Axis, parse_axis
from runner.plan.modes import MODES
from runner.plan.option_keys import key_problem, option_problems

DESCRIPTION = "Run experiments over datasets, seeds and GPUs, resume what was stopped, tally."
EPILOG = """\
From the first word with a dot on, the rest are KEY VALUE words for train.py. Lists take commas or
blanks. A run counts as done by its result.json, so the same command resumes; tables cover exactly
what the command names.

modes:
  b2n     train on base classes, test on base and new ones
  xd      train on ImageNet, test on ten other datasets
  dg      the training of xd, tested on four variants of ImageNet
  fs      train and test on all classes, with 1, 2, 4, 8 and 16 shots
  fs-b2n  b2n with 4, 8 and 16 shots
  gb2n    the training of b2n, tested on base and new classes together
  mt      train on several datasets together, a result for each

examples:
  python parallel_runner.py --cfg maple maple_dept --demo
  python parallel_runner.py --cfg all --demo
  python parallel_runner.py --cfg promptsrc --mode xd --data ~/data
  python parallel_runner.py --cfg maple_dept --data ~/data --seeds 1 2 OPTIM.MAX_EPOCH 20
  python parallel_runner.py --cfg coop --demo --mode b2n xd --grid OPTIM.LR=0.002,0.02
"""
ALL = "all"  # --cfg all: every experiment that does not keep out of it
WITH_DOTS = ("--cache", "--data", "--weights", "--slurm-args")  # flags whose value may have one
TAKEN = {  # options of sbatch that the runner gives itself
    *("--array", "-a", "--chdir", "-D", "--clusters", "-M", "--parsable", "--test-only"),
    *("--wait", "-W", "--wrap"),
}
GRID = re.compile(r"[A-Za-z_][\w.]*=")
MANY: dict[str, Any] = {"nargs": "+", "default": []}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the flags; `parse` also takes the KEY VALUE words apart."""
    parser = _Parser(
        prog="parallel_runner.py",
        usage="%(prog)s --cfg NAME... [flags] [KEY VALUE ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_what_to_run(parser.add_argument_group("what to run").add_argument)
    _add_where_to_run(parser.add_argument_group("where to run").add_argument)
    show = parser.add_argument_group("show")
    show.add_argument(
        "--list", dest="list_names", action="store_true", help="print the experiments and stop"
    )
    show.add_argument("--dry-run", action="store_true", help="print the commands and stop")
    show.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_what_to_run(add: Callable[..., Any]) -> None:
    every = "experiments, see --list; `all`: every method and its DePT variant"
    add("--cfg", **MANY, metavar="NAME", type=_words, help=every)
    add("--mode", **MANY, metavar="M", type=_modes, help="protocols; default: the entry's")
    sweep = "sweep: every combination of these values, in place of the entry's grid"
    add("--grid", **MANY, action="extend", metavar="KEY=A,B", type=parse_axis, help=sweep)
    rank = "images whose accuracy orders a grid's points; default: val"
    add("--rank-by", choices=[VALIDATION, TEST], default=VALIDATION, help=rank)
    add("--datasets", **MANY, metavar="D", type=_words, help="default: the mode's")
    seeds = "default: the entry's; zero-shot takes the first alone"
    add("--seeds", **MANY, metavar="N", type=_numbers(0), help=seeds)
    shots = "default: the mode's, else the entry's; not for zero-shot"
    add("--shots", **MANY, metavar="K", type=_numbers(1), help=shots)
    archive = "evaluate this archive of checkpoints, train nothing"
    add("--weights", default="", metavar="DIR", help=archive)
    add("--data", default="", help="data root; default: environment DATA, configs.py")
    add("--demo", action="store_true", help="the built-in datasets and weights")
    kept = "keep predictions and measures of the tests to come (docs/predict.md)"
    add("--save-predictions", action="store_true", help=kept)
    add("--fresh", action="store_true", help="delete the planned runs' folders first")


def _add_where_to_run(add: Callable[..., Any]) -> None:
    who = "this machine (default), or arrays in the queue of SLURM (docs/clusters.md)"
    add("--launcher", choices=["local", "slurm"], default="local", help=who)
    words = 'for sbatch, as "--partition=gpu --time=60"'
    add("--slurm-args", default=(), metavar="WORDS", type=_sbatch_words, help=words)
    most = "elements of an array that SLURM may run at once"
    add("--max-jobs", metavar="N", type=_number(1), help=most)
    add("--gpus", **MANY, metavar="I", type=_numbers(0), help="default: all visible")
    share = "default: 1; without a GPU: number of CPU workers, default the cores"
    add("--jobs-per-gpu", metavar="N", type=_number(1), help=share)
    limit = "end a run after so many minutes; it has failed"
    add("--job-timeout", metavar="MIN", type=_number(1), help=limit)
    alone = "start each run from nothing, not as a fork of one process that has torch loaded"
    add("--isolated", action="store_true", help=alone)
    kept = "folder of test images and features for all runs; default: PROMPTLAB_CACHE, ~/.cache"
    add("--cache", default="", metavar="DIR", help=kept)
    add("--no-cache", action="store_true", help="decode and encode test images in each run")
    again = "for a failed run; default: 0"
    add("--retries", default=0, metavar="N", type=_number(0), help=again)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the checked command line, its KEY VALUE words as `options`. What is empty is as the
    entry, else the mode says.

    Raises:
        UserError: a line for the first mistake that makes the rest meaningless, else one per
            problem.
    """
    flags, options = _split(argv)
    parser = build_parser()
    try:
        known, rest = parser.parse_known_args(flags)
    except UserError as error:
        if options and "expected" in str(error):
            why = f"{options[0]} has a dot and so begins the KEY VALUE options"
            raise UserError(f"{error}; {why}") from error
        raise
    for word in rest:
        if word.startswith("-"):
            name = word.split("=")[0]
            raise UserError(
                f"{name}: no such flag{did_you_mean(name, parser._option_string_actions)}"
            )
        raise UserError(f"{word}: stands alone; options are KEY VALUE, keys have a dot")
    for name in ("cfg", "mode", "datasets", "seeds", "shots"):
        setattr(known, name, tuple(dict.fromkeys(chain(*getattr(known, name)))))
    known.gpus, known.options = tuple(chain(*known.gpus)), options
    problems = option_problems(options) or _grid_problems(known.grid) or _clashes(known)
    if problems:
        raise UserError(problems)
    return known


def _split(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return flags and options: options start at the first word with a dot that is neither a flag
    nor the value of one of WITH_DOTS. --slurm-args is joined with its value, which argparse would
    take for another flag."""
    flags: list[str] = []
    in_grid, before = False, ""
    for place, word in enumerate(argv):
        in_grid = (in_grid or before == "--grid") and GRID.match(word) is not None
        if "." in word and not word.startswith("-") and not in_grid and before not in WITH_DOTS:
            return flags, tuple(argv[place:])
        if before == "--slurm-args":
            flags[-1] += f"={word}"
        else:
            flags.append(word)
        before = word
    return flags, ()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _modes(text: str) -> list[str]:
    for name in _words(text):
        if name not in MODES:
            raise argparse.ArgumentTypeError(f"{name}: no such mode{did_you_mean(name, MODES)}")
    return _words(text)


def _number(least: int) -> Callable[[str], int]:
    """Return what reads a whole number."""

    def read(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise argparse.ArgumentTypeError(f"{word}: must be a whole number, {least} or more")
        return int(word)

    return read


def _numbers(least: int) -> Callable[[str], list[int]]:
    read = _number(least)
    return lambda text: [read(word) for word in _words(text)]


def _sbatch_words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
    if taken := ", ".join(sorted(option_names(words) & TAKEN)):
        why = "cannot be given: what it says is the runner's to say"
        raise argparse.ArgumentTypeError(f"{taken} {why}")
    return words


def option_names(words: Sequence[str]) -> set[str]:
    """Return the options among words: `--time` of `--time=5` and `--time 5`, `-t` of `-t5`."""
    return {word.partition("=")[0] if word.startswith("--") else word[:2] for word in words}


def _grid_problems(axes: Sequence[Axis]) -> list[str]:
    keys = [axis.key for axis in axes]
    problems = [f"--grid {line}" for key in keys if (line := key_problem(key, swept=True))]
    repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    return [*problems, *(f"--grid {key}: given twice" for key in repeated)]


def _clashes(given: argparse.Namespace) -> list[str]:
    """Return what is wrong with flags that do not go together."""
    slurm = given.launcher == "slurm"
    wrong = {
        "--cfg is missing: name an experiment; --list shows them": not (
            given.cfg or given.list_names
        ),
        "--data has no effect with --demo, whose datasets have a place of their own": (
            given.demo and given.data
        ),
        f"--cache {given.cache} and --no-cache: one or the other": given.cache and given.no_cache,
        "--gpus: SLURM gives the GPUs out; say what you need in --slurm-args": slurm and given.gpus,
        "--jobs-per-gpu: SLURM gives every element a GPU of its own": slurm and given.jobs_per_gpu,
        "--job-timeout: SLURM keeps the time; give --time in --slurm-args": (
            slurm and given.job_timeout
        ),
        "--slurm-args has no effect without --launcher slurm": given.slurm_args and not slurm,
        "--max-jobs has no effect without --launcher slurm": given.max_jobs and not slurm,
    }
    return [line for line, holds in wrong.items() if holds]
