"""The program behind parallel_runner.py: plan, run, tally, report."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from image_store import default_folder
from runner.errors import UserError, exit_code
from runner.execute import dry_run, launch_and_report
from runner.files.consoles import in_use
from runner.files.writing import shown
from runner.launch.slurm.arrays import Arrays
from runner.output import lasting_output
from runner.plan.arguments import ALL, parse
from runner.plan.build import Workspace
from runner.plan.experiment import Experiment, read_experiment
from runner.plan.job_folders import survey
from runner.plan.jobs import Job, Study, jobs_of
from runner.plan.studies import plan

GetConfig = Callable[[str], Mapping[str, Any]]

_SHOWN = 3  # folders named in an error


def main(
    argv: Sequence[str],
    *,
    repo: Path,
    names: Callable[[], Sequence[str]],
    get_config: GetConfig,
    train_command: Sequence[str] | None = None,
) -> int:
    """Run the command line and return its exit code: 0 done, 1 a run failed, 2 a mistake of the
    user, 128 + signal when stopped.

    Args:
        argv: words after the program's name.
        repo: folder of configs/ and train.py.
        names, get_config: the experiments (configs.py).
        train_command: program that every job starts with, default this Python and train.py.
    """

    def run() -> int:
        arguments = parse(argv)
        if arguments.list_names:
            _print_names(names(), get_config)
            return 0
        command = tuple(train_command or (sys.executable, shown(repo / "train.py")))
        return _run(arguments, repo, _experiments(arguments, names(), get_config), command)

    return exit_code(run, debug="--debug" in argv)


def _print_names(names: Sequence[str], get_config: GetConfig) -> None:
    for name in names:
        entry = read_experiment(name, get_config(name))
        path = f"configs/trainers/{entry.cfg_trainer}/{entry.cfg}.yaml"
        print(f"{name:<26}{entry.trainer:<17}{','.join(entry.modes):<24}{path}")


def _experiments(
    arguments: Namespace, names: Sequence[str], get_config: GetConfig
) -> list[Experiment]:
    """Read the experiments that are named, with those that `all` stands for in its place."""
    problems, found = [], []
    wanted = [each for name in arguments.cfg for each in (names if name == ALL else [name])]
    for name in dict.fromkeys(wanted):
        try:
            found.append(read_experiment(name, get_config(name)))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return [entry for entry in found if entry.in_all or entry.name in arguments.cfg]


def _run(
    arguments: Namespace, repo: Path, experiments: Sequence[Experiment], command: tuple[str, ...]
) -> int:
    below = ["demo"] if arguments.demo else []
    outputs, results = (Path(name, *below).absolute() for name in ("outputs", "results"))
    root = _data_root(arguments, next((entry.root for entry in experiments if entry.root), ""))
    place = Workspace(repo, root, outputs, results, command)
    studies = plan(experiments, place, arguments)
    jobs = jobs_of(studies)
    _say_absent(arguments, experiments, studies)
    if arguments.dry_run:
        dry_run(arguments, jobs, survey(jobs)[0], results)
        return 0
    if arguments.fresh:
        _delete_folders(jobs, results)
    done, other = survey(jobs)
    _refuse_other_settings(studies, other)
    with lasting_output():
        return launch_and_report(arguments, studies, done, place)


def _data_root(arguments: Namespace, from_configs: str) -> str:
    if arguments.demo:
        return str(default_folder())
    root = arguments.data or os.environ.get("DATA", "") or from_configs
    path = Path(root or "DATA").expanduser()
    if not arguments.dry_run and not (root and path.is_dir()):
        what = f"data root {root}: no such folder;" if root else "no data root:"
        raise UserError(f"{what} give --data PATH or set DATA (--demo needs neither)")
    return str(path)


def _say_absent(
    arguments: Namespace, experiments: Sequence[Experiment], studies: Sequence[Study]
) -> None:
    for mode in dict.fromkeys(study.mode.name for study in studies):
        without = [entry.name for entry in experiments if mode not in entry.modes]
        if without:
            print(f"--cfg all: without {', '.join(without)}: no --mode {mode}", file=sys.stderr)
    for name in (name for study in studies for name in study.absent):
        print(f"left out: {name}", file=sys.stderr)


def _delete_folders(jobs: Sequence[Job], results: Path) -> None:
    arrays = Arrays(results)
    arrays.look()
    busy = [f"{job.name} is running; stop it before --fresh" for job in jobs if in_use(job.console)]
    busy += [
        f"{job.name} is with SLURM; `scancel {element.name}` before --fresh"
        for job in jobs
        if (element := arrays.find(job))
    ]
    if busy:
        raise UserError(busy)
    there = [job for job in jobs if job.folder.exists()]
    if there:
        places = ", ".join(dict.fromkeys(shown(job.console.parent.parent) for job in there))
        runs = "1 run" if len(there) == 1 else f"{len(there)} runs"
        print(f"--fresh: deletes {runs} in {places}", flush=True)
    for job in there:
        try:
            shutil.rmtree(job.folder)
        except OSError as error:
            why = error.strerror or error
            raise UserError(f"cannot delete {shown(job.folder)}: {why}") from error


def _refuse_other_settings(studies: Sequence[Study], other: Sequence[Job]) -> None:
    names, problems = {job.name for job in other}, []
    for study in studies:
        wrong = [shown(job.folder) for job in study.jobs if job.name in names]
        if wrong:
            first = ", ".join([*wrong[:_SHOWN], *(["..."] if len(wrong) > _SHOWN else [])])
            problems.append(
                f"{study.label}: {len(wrong)} of {len(study.jobs)} runs were made with other "
                f"options, YAML or weights, or not by this runner: {first}; move or delete "
                f"{'it' if len(wrong) == 1 else 'them'}, or --fresh to delete all planned runs; "
                "--grid KEY=VALUE gives other options folders of their own"
            )
    if problems:
        raise UserError(problems)
