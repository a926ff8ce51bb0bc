"""Run the jobs of a plan that are not done, then tally."""

import math
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.records import RunResult
from runner.launch.gpus import find_slots
from runner.launch.interface import USER_MISTAKE, Launcher
from runner.launch.local import LocalLauncher
from runner.launch.processes import Isolated
from runner.launch.schedule import Outcome, Scheduler
from runner.launch.slurm.launcher import SlurmLauncher, scripts
from runner.launch.stop_signals import stop_signals
from runner.launch.times import FILE, Times
from runner.launch.warm_worker import Warm
from runner.plan.arguments import ALL
from runner.plan.build import Workspace
from runner.plan.job_folders import note_plan
from runner.plan.jobs import Job, Study, jobs_of


def dry_run(
    arguments: Namespace, jobs: Sequence[Job], done: Mapping[str, RunResult], results: Path
) -> None:
    """Print the commands of all jobs, or what would be submitted to SLURM."""
    if arguments.launcher == "slurm":
        left = [job for job in jobs if arguments.fresh or job.name not in done]
        print(scripts(left, results, arguments))
    else:
        for job in jobs:
            print(shlex.join(job.argv))
    again = ", which --fresh would run again" if arguments.fresh and done else ""
    print(f"{len(jobs)} jobs, {len(done)} of them done{again}", file=sys.stderr)


def launch_and_report(
    arguments: Namespace,
    studies: Sequence[Study],
    done: Mapping[str, RunResult],
    place: Workspace,
) -> int:
    """Run what is not done, print and write the tables, and return the exit code: 0 done, 1 a run
    failed, 2 all were refused, 128 + signal when stopped.

    Args:
        done: the results of jobs that need not run, by name.
    """
    from runner.show import ending

    jobs = jobs_of(studies)
    outcome, code = Outcome(results=dict(done)), 0
    if len(done) == len(jobs):
        print(f"{_jobs(len(jobs))}, all done")
    else:
        outcome, code = _launch(arguments, jobs, done, place)
    together = ALL if ALL in arguments.cfg else ""
    try:
        ending.write_tables(studies, outcome.results, together=together, rank_by=arguments.rank_by)
    finally:  # also where a table cannot be written
        ending.print_failures(outcome)
        if outcome.stopped:
            left = len(jobs) - len(outcome.results)
            print(f"stopped with {_jobs(left)} left; the same command goes on from here")
    return code


def _launcher(
    arguments: Namespace, to_run: Sequence[Job], place: Workspace
) -> tuple[Launcher, str]:
    """Return the launcher and where it runs, in words."""
    if arguments.launcher == "slurm":
        return SlurmLauncher(to_run, place.results, arguments), "by SLURM"
    shared, number = arguments.jobs_per_gpu, len(to_run)
    slots, where = find_slots(arguments.gpus, jobs_per_gpu=shared, num_jobs=number)
    # A fork of a process that has its threads is safe on Linux alone.
    cold = arguments.isolated or not sys.platform.startswith("linux")
    starter = Isolated() if cold else Warm(place.train_command, slots[0].environment)
    limit = arguments.job_timeout * 60 if arguments.job_timeout else math.inf
    return LocalLauncher(slots, starter, limit=limit), where


def _launch(
    arguments: Namespace, jobs: Sequence[Job], done: Mapping[str, RunResult], place: Workspace
) -> tuple[Outcome, int]:
    """Run the jobs that are not done; return how all ended, and the exit code."""
    from runner.show.progress import Progress

    note_plan(jobs)
    to_run = [job for job in jobs if job.name not in done]
    launcher, where = _launcher(arguments, to_run, place)
    print(f"{_jobs(len(jobs))}: {len(done)} done, {len(to_run)} to run {where}", flush=True)
    known = Times(place.outputs / FILE)
    progress = Progress(
        to_run,
        width=launcher.width,
        done=[(job, done[job.name]) for job in jobs if job.name in done],
        expected=known.seconds,
    )
    with stop_signals() as stop:
        scheduler = Scheduler(launcher, progress, stop, known, retries=arguments.retries)
        try:
            outcome = scheduler.run(to_run)
        finally:
            progress.close()
    code = stop.exit_code if outcome.stopped else _exit_code(outcome)
    outcome.results = {**done, **outcome.results}
    return outcome, code


def _exit_code(outcome: Outcome) -> int:
    if not outcome.failures:
        return 0
    mistakes = all(failure.exit_code == USER_MISTAKE for failure in outcome.failures)
    return USER_MISTAKE if mistakes and not outcome.results else 1


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
