"""Run the jobs of a plan that are not done, then tally."""

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.records import RunResult
from runner.launch import times
from runner.launch.gpus import choose_gpus, find_gpus, make_slots
from runner.launch.interface import USER_MISTAKE, Launcher
from runner.launch.local import LocalLauncher
from runner.launch.processes import Isolated
from runner.launch.schedule import Outcome, Scheduler
from runner.launch.slurm.launcher import SlurmLauncher, scripts
from runner.launch.stop_signals import stop_signals
from runner.launch.times import Times
from runner.launch.warm_worker import Warm
from runner.plan.arguments import ALL, Arguments
from runner.plan.job_folders import note_plan
from runner.plan.jobs import Job, Study, jobs_of


def dry_run(
    arguments: Arguments, studies: Sequence[Study], done: Mapping[str, RunResult], outputs: Path
) -> None:
    """Print the commands of all jobs, or what would be submitted to SLURM."""
    jobs = jobs_of(studies)
    to_run = [job for job in jobs if job.name not in done]
    if arguments.launcher == "slurm":
        known = Times(outputs / times.FILE)
        left = jobs if arguments.fresh else to_run
        print(scripts(left, _results(studies), arguments, known.seconds))
    else:
        for job in jobs:
            print(shlex.join(job.argv))
    again = ", which --fresh would run again" if arguments.fresh and done else ""
    print(f"{len(jobs)} jobs, {len(done)} of them done{again}", file=sys.stderr)


def launch_and_report(
    arguments: Arguments,
    studies: Sequence[Study],
    done: Mapping[str, RunResult],
    train_command: Sequence[str],
    outputs: Path,
) -> int:
    """Run what is not done, print and write the tables, and return the exit code: 0 done, 1 a run
    failed, 2 all were refused, 128 + signal when stopped.

    Args:
        done: the results of jobs that need not run, by name.
        train_command: how the jobs' commands begin.
        outputs: folder that all their folders lie in.
    """
    from runner.show import ending

    jobs = jobs_of(studies)
    to_run = [job for job in jobs if job.name not in done]
    outcome, code = Outcome(results=dict(done)), 0
    if to_run:
        note_plan(jobs)
        known = Times(outputs / times.FILE)
        if arguments.launcher == "slurm":
            results, where = _results(studies), "by SLURM"
            launcher: Launcher = SlurmLauncher(to_run, results, arguments, known.seconds)
        else:
            launcher, where = _local_launcher(arguments, to_run, train_command)
        head = f"{_jobs(len(jobs))}: {len(done)} done{_from_logs(done)}, {len(to_run)} to run"
        print(f"{head} {where}", flush=True)
        outcome, code = _launch(arguments, jobs, to_run, done, launcher, known)
    else:
        print(f"{_jobs(len(jobs))}, all done{_from_logs(done)}")
    together = ALL if ALL in arguments.cfg else ""
    try:
        ending.write_tables(studies, outcome.results, together=together, rank_by=arguments.rank_by)
    finally:  # also where a table cannot be written
        ending.print_failures(outcome)
        if outcome.stopped:
            left = len(jobs) - len(outcome.results)
            print(f"stopped with {_jobs(left)} left; the same command goes on from here")
    return code


def _launch(
    arguments: Arguments,
    jobs: Sequence[Job],
    to_run: Sequence[Job],
    done: Mapping[str, RunResult],
    launcher: Launcher,
    known: Times,
) -> tuple[Outcome, int]:
    from runner.show.progress import Progress

    progress = Progress(
        to_run,
        width=launcher.width,
        done=[(job, done[job.name]) for job in jobs if job.name in done],
        expected=lambda job: known.seconds(job.argv),
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


def _local_launcher(
    arguments: Arguments, to_run: Sequence[Job], train_command: Sequence[str]
) -> tuple[LocalLauncher, str]:
    """Return the launcher and where it runs, in words."""
    machine = find_gpus()
    gpus = choose_gpus(machine, arguments.gpus)
    slots = make_slots(machine, gpus, jobs_per_gpu=arguments.jobs_per_gpu, num_jobs=len(to_run))
    # A fork of a process that has its threads is safe on Linux alone.
    cold = arguments.isolated or not sys.platform.startswith("linux")
    launcher = LocalLauncher(
        slots,
        Isolated() if cold else Warm(train_command, slots[0].environment),
        limit=arguments.job_timeout * 60 if arguments.job_timeout else math.inf,
    )
    return launcher, _where(gpus, len(slots), machine.why_none)


def _results(studies: Sequence[Study]) -> Path:
    return studies[0].csv.parent.parent


def _exit_code(outcome: Outcome) -> int:
    if not outcome.failures:
        return 0
    mistakes = all(failure.exit_code == USER_MISTAKE for failure in outcome.failures)
    return USER_MISTAKE if mistakes and not outcome.results else 1


def _where(gpus: Sequence[str], num_slots: int, why_none: str) -> str:
    if gpus:
        each = f", {num_slots // len(gpus)} at a time on each" if num_slots > len(gpus) else ""
        return f"on {len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({', '.join(gpus)}){each}"
    return f"on {num_slots} CPU worker{'s' if num_slots > 1 else ''} (no GPU: {why_none})"


def _from_logs(results: Mapping[str, RunResult]) -> str:
    logs = sum(result.from_log for result in results.values())
    return f" ({logs} by the log.txt of an older run)" if logs else ""


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
