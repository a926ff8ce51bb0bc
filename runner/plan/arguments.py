"""The command line of parallel_runner.py: flags, then KEY VALUE words for train.py."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from runner.errors import UserError, did_you_mean
from runner.launch.slurm.options import joined, read_words
from runner.plan.grid import TEST, VALIDATION, Axis
from runner.plan.modes import MODES
from runner.plan.options import option_problems, read_grid, read_modes, split_words

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
GRID = re.compile(r"[A-Za-z_][\w.]*=")


@dataclass(frozen=True)
class Arguments:
    """The command line, checked."""

    cfg: tuple[str, ...]
    modes: tuple[str, ...]
    data: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    shots: tuple[int, ...]
    gpus: tuple[int, ...]
    jobs_per_gpu: int | None  # 0 (AUTO): as many as fit
    job_timeout: int | None  # minutes
    retries: int
    isolated: bool
    launcher: str
    slurm_args: tuple[str, ...]
    max_jobs: int | None
    weights: str
    demo: bool
    dry_run: bool
    fresh: bool
    list_names: bool
    debug: bool
    options: tuple[str, ...]
    grid: tuple[Axis, ...] = ()
    rank_by: str = VALIDATION
    expanded: tuple[str, ...] = ()  # experiments that `--cfg all` stands for
    together: str = ""  # what to call the experiments as a whole


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
    _add_what_to_run(parser.add_argument_group("what to run"))
    where = parser.add_argument_group("where to run")
    where.add_argument(
        "--launcher",
        choices=["local", "slurm"],
        default="local",
        help="this machine (default), or arrays in the queue of SLURM (docs/clusters.md)",
    )
    where.add_argument(
        "--slurm-args", metavar="WORDS", help='for sbatch, as "--partition=gpu --time=60"'
    )
    where.add_argument("--max-jobs", metavar="N", help="elements that SLURM may run at once")
    where.add_argument("--gpus", nargs="+", default=[], metavar="I", help="default: all visible")
    where.add_argument(
        "--jobs-per-gpu",
        metavar="N",
        help="default: 1; auto: as many as its free memory takes, by what runs have needed; "
        "without a GPU: number of CPU workers, default the cores",
    )
    where.add_argument(
        "--job-timeout", metavar="MIN", help="end a run after so many minutes; it has failed"
    )
    where.add_argument(
        "--isolated",
        action="store_true",
        help="start each run from nothing, not as a fork of one process that has torch loaded",
    )
    where.add_argument("--retries", default="0", metavar="N", help="for a failed run; default: 0")
    show = parser.add_argument_group("show")
    show.add_argument("--list", action="store_true", help="print the experiments and stop")
    show.add_argument("--dry-run", action="store_true", help="print the commands and stop")
    show.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_what_to_run(run: argparse._ArgumentGroup) -> None:
    run.add_argument(
        "--cfg",
        nargs="+",
        default=[],
        metavar="NAME",
        help="experiments, see --list; `all`: every method and its DePT variant",
    )
    run.add_argument(
        "--mode", nargs="+", default=[], metavar="M", help="protocols; default: the entry's"
    )
    run.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=A,B",
        help="sweep: every combination of these values, in place of the entry's grid",
    )
    run.add_argument(
        "--rank-by",
        choices=[VALIDATION, TEST],
        default=VALIDATION,
        help="images whose accuracy orders a grid's points; default: val",
    )
    run.add_argument("--datasets", nargs="+", default=[], metavar="D", help="default: the mode's")
    run.add_argument(
        "--seeds",
        nargs="+",
        default=[],
        metavar="N",
        help="default: the entry's; zero-shot takes the first alone",
    )
    run.add_argument(
        "--shots",
        nargs="+",
        default=[],
        metavar="K",
        help="default: the mode's, else the entry's; not for zero-shot",
    )
    run.add_argument(
        "--weights",
        default="",
        metavar="DIR",
        help="evaluate this archive of checkpoints, train nothing",
    )
    run.add_argument("--data", default="", help="data root; default: environment DATA, configs.py")
    run.add_argument("--demo", action="store_true", help="the built-in datasets and weights")
    run.add_argument("--fresh", action="store_true", help="delete the planned runs' folders first")


def parse(argv: Sequence[str]) -> Arguments:
    """Return the checked command line.

    Raises:
        UserError: a line for the first mistake that makes the rest meaningless, else one per
            problem.
    """
    flags, options = _split(argv)
    parser = build_parser()
    known, rest = parser.parse_known_args(joined(flags))
    for word in rest:
        if word.startswith("-"):
            name = word.split("=")[0]
            names = [flag for action in parser._actions for flag in action.option_strings]
            raise UserError(f"{name}: no such flag{did_you_mean(name, names)}")
        raise UserError(f"{word}: stands alone; options are KEY VALUE, keys have a dot")
    problems = option_problems(options)
    if problems:
        raise UserError(problems)
    arguments = Arguments(
        cfg=split_words(known.cfg),
        modes=read_modes(known.mode),
        data=known.data,
        datasets=split_words(known.datasets),
        seeds=_numbers("--seeds", known.seeds, least=0),
        shots=_numbers("--shots", known.shots, least=1),
        gpus=_numbers("--gpus", known.gpus, least=0, repeat=True),
        jobs_per_gpu=_number("--jobs-per-gpu", known.jobs_per_gpu, least=1, words={"auto": AUTO}),
        job_timeout=_number("--job-timeout", known.job_timeout, least=1),
        retries=_number("--retries", known.retries, least=0) or 0,
        isolated=known.isolated,
        launcher=known.launcher,
        slurm_args=read_words(known.slurm_args or ""),
        max_jobs=_number("--max-jobs", known.max_jobs, least=1),
        weights=known.weights,
        demo=known.demo,
        dry_run=known.dry_run,
        fresh=known.fresh,
        list_names=known.list,
        debug=known.debug,
        options=tuple(options),
        grid=read_grid(known.grid),
        rank_by=known.rank_by,
    )
    _check(arguments)
    return arguments


def _check(arguments: Arguments) -> None:
    """Refuse flags that do not go together."""
    if not arguments.cfg and not arguments.list_names:
        raise UserError("--cfg is missing: name an experiment; --list shows them")
    if arguments.demo and arguments.data:
        raise UserError(
            "--data has no effect with --demo, whose datasets have a place of their own"
        )
    _check_launcher(arguments)


def _check_launcher(arguments: Arguments) -> None:
    slurm = arguments.launcher == "slurm"
    if slurm and arguments.gpus:
        raise UserError("--gpus: SLURM gives the GPUs out; say what you need in --slurm-args")
    if slurm and arguments.job_timeout:
        raise UserError("--job-timeout: SLURM keeps the time; give --time in --slurm-args")
    if not slurm and (arguments.slurm_args or arguments.max_jobs):
        flag = "--slurm-args" if arguments.slurm_args else "--max-jobs"
        raise UserError(f"{flag} has no effect without --launcher slurm")


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
            several = action.nargs == "+"
            if flag == "--mode":
                return " or ".join(MODES)
            if flag == "--grid":
                return "KEY=a,b,c"
            if action.choices:
                return " or ".join(action.choices)
            if flag in ("--cfg", "--datasets"):
                return "names"
            return "whole numbers" if several else "a whole number"
    return ""


def _numbers(
    flag: str, values: Sequence[str], *, least: int, repeat: bool = False
) -> tuple[int, ...]:
    words = [word.strip() for value in values for word in value.split(",") if word.strip()]
    numbers = [_number(flag, word, least=least) for word in words]
    found = [number for number in numbers if number is not None]
    return tuple(found if repeat else dict.fromkeys(found))


def _number(
    flag: str, word: str | None, *, least: int, words: Mapping[str, int] | None = None
) -> int | None:
    """Return what a flag says, None without it; `words` stand for numbers."""
    known = words or {}
    if word is None or word in known:
        return known[word] if word else None
    if not word.isdecimal() or int(word) < least:
        also = "".join(f", or {each}" for each in known)
        raise UserError(f"{flag} {word}: must be a whole number, {least} or more{also}")
    return int(word)
