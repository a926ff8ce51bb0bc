"""The command line of parallel_runner.py: flags, then KEY VALUE words for train.py."""

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
  mt      train on several datasets together, a result for each

examples:
  python parallel_runner.py --cfg maple maple_dept --demo
  python parallel_runner.py --cfg all --demo
  python parallel_runner.py --cfg promptsrc --mode xd --data ~/data
  python parallel_runner.py --cfg maple_dept --data ~/data --seeds 1 2 OPTIM.MAX_EPOCH 20
  python parallel_runner.py --cfg coop --demo --mode b2n xd --grid OPTIM.LR=0.002,0.02
"""
AUTO = 0  # --jobs-per-gpu auto
WITH_DOTS = ("--data", "--weights", "--slurm-args")  # flags whose value may have one
EXPECTED = {"NAME": "names", "D": "names", "M": " or ".join(MODES), "KEY=A,B": "KEY=a,b,c"}
GRID = re.compile(r"[A-Za-z_][\w.]*=")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The command line, checked. What is empty is as the entry, else the mode says."""

    cfg: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    grid: tuple[Axis, ...] = ()
    rank_by: str = VALIDATION
    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    weights: str = ""
    data: str = ""
    demo: bool = False
    fresh: bool = False
    launcher: str = "local"
    slurm_args: tuple[str, ...] = ()
    max_jobs: int | None = None
    gpus: tuple[int, ...] = ()
    jobs_per_gpu: int | None = None  # 0 (AUTO): as many as fit
    job_timeout: int | None = None  # minutes
    isolated: bool = False
    retries: int = 0
    list_names: bool = False
    dry_run: bool = False
    debug: bool = False
    options: tuple[str, ...] = ()  # KEY VALUE words
    expanded: tuple[str, ...] = ()  # experiments that `--cfg all` stands for
    together: str = ""  # what to call the experiments as a whole


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))


class _Joined(argparse.Action):
    """Joins the lists that the words of a flag stand for; only --grid adds to what stood before."""

    def __call__(
        self, parser: object, namespace: object, values: Any, option_string: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest) if self.dest == "grid" else ()
        setattr(namespace, self.dest, (*before, *chain(*values)))


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
    _add_what_to_run(parser.add_argument_group("what to run"))
    _add_where_to_run(parser.add_argument_group("where to run"))
    show = parser.add_argument_group("show")
    show.add_argument(
        "--list", dest="list_names", action="store_true", help="print the experiments and stop"
    )
    show.add_argument("--dry-run", action="store_true", help="print the commands and stop")
    show.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_what_to_run(run: argparse._ArgumentGroup) -> None:
    words: dict[str, Any] = {"nargs": "+", "action": _Joined, "default": ()}
    every = "experiments, see --list; `all`: every method and its DePT variant"
    run.add_argument("--cfg", **words, metavar="NAME", type=_words, help=every)
    modes = "protocols; default: the entry's"
    run.add_argument("--mode", **words, metavar="M", type=_modes, help=modes)
    sweep = "sweep: every combination of these values, in place of the entry's grid"
    run.add_argument("--grid", **words, metavar="KEY=A,B", type=_axes, help=sweep)
    rank = "images whose accuracy orders a grid's points; default: val"
    run.add_argument("--rank-by", choices=[VALIDATION, TEST], default=VALIDATION, help=rank)
    own = "default: the mode's"
    run.add_argument("--datasets", **words, metavar="D", type=_words, help=own)
    seeds = "default: the entry's; zero-shot takes the first alone"
    run.add_argument("--seeds", **words, metavar="N", type=_Numbers("--seeds", 0), help=seeds)
    shots = "default: the mode's, else the entry's; not for zero-shot"
    run.add_argument("--shots", **words, metavar="K", type=_Numbers("--shots"), help=shots)
    archive = "evaluate this archive of checkpoints, train nothing"
    run.add_argument("--weights", default="", metavar="DIR", help=archive)
    run.add_argument("--data", default="", help="data root; default: environment DATA, configs.py")
    run.add_argument("--demo", action="store_true", help="the built-in datasets and weights")
    run.add_argument("--fresh", action="store_true", help="delete the planned runs' folders first")


def _add_where_to_run(where: argparse._ArgumentGroup) -> None:
    who = "this machine (default), or arrays in the queue of SLURM (docs/clusters.md)"
    where.add_argument("--launcher", choices=["local", "slurm"], default="local", help=who)
    words = 'for sbatch, as "--partition=gpu --time=60"'
    where.add_argument("--slurm-args", default=(), metavar="WORDS", type=_shell_words, help=words)
    most = "elements that SLURM may run at once"
    where.add_argument("--max-jobs", metavar="N", type=_Number("--max-jobs"), help=most)
    gpus: dict[str, Any] = {"nargs": "+", "action": _Joined, "default": (), "metavar": "I"}
    where.add_argument("--gpus", **gpus, type=_Numbers("--gpus", 0), help="default: all visible")
    share = (
        "default: 1; auto: as many as its free memory takes, by what runs have needed; "
        "without a GPU: number of CPU workers, default the cores"
    )
    number = _Number("--jobs-per-gpu", words={"auto": AUTO})
    where.add_argument("--jobs-per-gpu", metavar="N", type=number, help=share)
    limit = "end a run after so many minutes; it has failed"
    where.add_argument("--job-timeout", metavar="MIN", type=_Number("--job-timeout"), help=limit)
    alone = "start each run from nothing, not as a fork of one process that has torch loaded"
    where.add_argument("--isolated", action="store_true", help=alone)
    again = "for a failed run; default: 0"
    where.add_argument(
        "--retries", default=0, metavar="N", type=_Number("--retries", 0), help=again
    )


def parse(argv: Sequence[str]) -> Arguments:
    """Return the checked command line.

    Raises:
        UserError: a line for the first mistake that makes the rest meaningless, else one per
            problem.
    """
    flags, options = _split(argv)
    parser = build_parser()
    known, rest = parser.parse_known_args(_with_slurm_args(flags))
    for word in rest:
        if word.startswith("-"):
            name = word.split("=")[0]
            names = [flag for action in parser._actions for flag in action.option_strings]
            raise UserError(f"{name}: no such flag{did_you_mean(name, names)}")
        raise UserError(f"{word}: stands alone; options are KEY VALUE, keys have a dot")
    for name in ("cfg", "mode", "datasets", "seeds", "shots"):
        setattr(known, name, tuple(dict.fromkeys(getattr(known, name))))
    arguments = Arguments(**vars(known), options=tuple(options))
    problems = option_problems(options) or _grid_problems(arguments.grid) or _clashes(arguments)
    if problems:
        raise UserError(problems)
    return arguments


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return flags and options: options start at the first word with a dot that is neither a flag
    nor the value of one of WITH_DOTS.

    Raises:
        UserError: that word stands where a flag needs its value.
    """
    in_grid = False
    for place, word in enumerate(argv):
        before = argv[place - 1] if place else ""
        in_grid = (in_grid or before == "--grid") and GRID.match(word) is not None
        if "." in word and not word.startswith("-") and not in_grid and before not in WITH_DOTS:
            if expected := _expected(before):
                raise UserError(
                    f"{before}: expects {expected}, but {word} has a dot and so begins the KEY "
                    "VALUE options"
                )
            return list(argv[:place]), list(argv[place:])
    return list(argv), []


def _expected(flag: str) -> str:
    """Return what a flag takes, in words; nothing for a flag without value or no flag."""
    for action in build_parser()._actions:
        if flag in action.option_strings and action.nargs != 0:
            numbers = "whole numbers" if action.nargs == "+" else "a whole number"
            choices = " or ".join(map(str, action.choices or ()))
            return choices or EXPECTED.get(str(action.metavar), numbers)
    return ""


def _with_slurm_args(flags: list[str]) -> list[str]:
    """Join --slurm-args and its value, which argparse would take for another flag."""
    if "--slurm-args" in flags[:-1]:
        place = flags.index("--slurm-args")
        return [*flags[:place], f"--slurm-args={flags[place + 1]}", *flags[place + 2 :]]
    return flags


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _shell_words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"--slurm-args {text}: {error}") from error


def _modes(text: str) -> list[str]:
    for name in _words(text):
        if name not in MODES:
            raise UserError(f"--mode {name}: no such mode{did_you_mean(name, MODES)}")
    return _words(text)


def _axes(text: str) -> list[Axis]:
    return [parse_axis(text)]


@dataclass(frozen=True, eq=False)
class _Number:
    """Reads the whole number of a flag, or one of the `words` that stand for numbers."""

    flag: str
    least: int = 1
    words: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, word: str) -> int:
        if word in self.words:
            return self.words[word]
        if not word.isdecimal() or int(word) < self.least:
            also = "".join(f", or {each}" for each in self.words)
            raise UserError(
                f"{self.flag} {word}: must be a whole number, {self.least} or more{also}"
            )
        return int(word)


class _Numbers(_Number):
    """Reads several, with commas between them."""

    def __call__(self, text: str) -> list[int]:  # type: ignore[override]
        return [super(_Numbers, self).__call__(word) for word in _words(text)]


def _grid_problems(axes: Sequence[Axis]) -> list[str]:
    keys = [axis.key for axis in axes]
    problems = [f"--grid {line}" for key in keys if (line := key_problem(key, swept=True))]
    repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    return [*problems, *(f"--grid {key}: given twice" for key in repeated)]


def _clashes(arguments: Arguments) -> list[str]:
    """Return what is wrong with flags that do not go together."""
    slurm = arguments.launcher == "slurm"
    wrong = {
        "--cfg is missing: name an experiment; --list shows them": not (
            arguments.cfg or arguments.list_names
        ),
        "--data has no effect with --demo, whose datasets have a place of their own": (
            arguments.demo and arguments.data
        ),
        "--gpus: SLURM gives the GPUs out; say what you need in --slurm-args": (
            slurm and arguments.gpus
        ),
        "--job-timeout: SLURM keeps the time; give --time in --slurm-args": (
            slurm and arguments.job_timeout
        ),
        "--slurm-args has no effect without --launcher slurm": not slurm and arguments.slurm_args,
        "--max-jobs has no effect without --launcher slurm": not slurm and arguments.max_jobs,
    }
    return [line for line, holds in wrong.items() if holds]
