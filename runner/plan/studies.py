"""Turn experiments into studies: which datasets, seeds and shots, and which tables."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import shown
from runner.plan.archive import seed_folder
from runner.plan.build import Builder, Workspace
from runner.plan.experiment import Experiment
from runner.plan.grid import points
from runner.plan.jobs import Job, Study
from runner.plan.modes import DEFAULT_MODE, MODES, Mode
from runner.plan.option_keys import VALIDATE


def plan(experiments: Sequence[Experiment], place: Workspace, chosen: Namespace) -> list[Study]:
    """Return a study per experiment and number of shots (per experiment in mode fs, whose table has
    a column for each), jobs in the order of running.

    Raises:
        UserError: unknown datasets, missing YAML files, an archive without a checkpoint to
            evaluate, one line each.
    """
    modes = _choose_modes(experiments, chosen)
    _check_grids(experiments, chosen)
    studies: list[Study] = []
    for mode in modes:
        made = [
            study
            for experiment in experiments
            if mode.name in experiment.modes
            for point in points(chosen.grid or experiment.grid)
            for study in Builder(experiment, mode, place, chosen, point).studies()
        ]
        absent = sum(len(study.absent) for study in made)
        if absent and not any(study.jobs for study in made):
            dataset = "<source>" if mode.transfer else "<dataset>"
            looks = seed_folder(mode, dataset, shots="<K>", seed="<N>")
            raise UserError(
                f"--weights {chosen.weights}: holds none of the {absent} checkpoints; mode "
                f"{mode.name} looks for {looks}/<model>/model.pth.tar-<epoch>"
            )
        studies += made
    by_folder: dict[Path, Job] = {}
    names: set[str] = set()
    return [
        replace(study, jobs=tuple(_shared(job, study, by_folder, names) for job in study.jobs))
        for study in studies
    ]


def _choose_modes(experiments: Sequence[Experiment], chosen: Namespace) -> list[Mode]:
    """Return the modes of a call: the named ones, else that of the entries, base-to-new where
    theirs differ.

    Raises:
        UserError: an entry that is named does not run in such a mode.
    """
    own = {experiment.mode for experiment in experiments}
    modes = chosen.mode or (own.pop() if len(own) == 1 else DEFAULT_MODE,)
    problems = [
        f"--mode {mode}: {experiment.name} has {', '.join(experiment.modes)}"
        for mode in modes
        for experiment in experiments
        if mode not in experiment.modes and experiment.name in chosen.cfg
    ]
    if problems:
        raise UserError(problems)
    return [MODES[mode] for mode in modes]


def _check_grids(experiments: Sequence[Experiment], chosen: Namespace) -> None:
    """Refuse keys that the command line both sweeps over and fixes."""
    fixed = chosen.options[::2]
    problems = [
        f"{axis.key}: stands in the grid of {experiment.name} and among the KEY VALUE options; "
        "leave one out"
        for experiment in experiments
        for axis in chosen.grid or experiment.grid
        if axis.key in fixed
    ]
    if VALIDATE in fixed and any(chosen.grid or experiment.grid for experiment in experiments):
        problems.append(f"{VALIDATE}: set by the runner for the runs of a grid")
    if problems:
        raise UserError(problems)


def _shared(job: Job, study: Study, by_folder: dict[Path, Job], names: set[str]) -> Job:
    """Give runs that lie in one folder one name, and those in two two names: modes share runs (the
    trainings of xd and dg), and may have different ones of one name (zero-shot of fs and xd)."""
    known = by_folder.get(job.folder)
    if known and known.key != job.key:
        raise UserError(
            f"{known.name} and {job.name} are runs of different settings in one folder, "
            f"{shown(job.folder)}; ask for them one after the other, the results moved between"
        )
    if known:
        return replace(known, column=job.column)
    needs = by_folder.get(job.needs.folder) if job.needs else None
    free = job.name if job.name not in names else f"{job.name} ({study.mode.name})"
    by_folder[job.folder] = made = replace(job, name=free, needs=needs)
    names.add(free)
    return made
