"""Run the jobs of a plan that are not done, then tally."""

from collections.abc import Mapping, Sequence

from runner import ending
from runner.arguments import Arguments
from runner.gpus import choose_gpus, find_gpus, make_slots
from runner.jobs import Job, Study, jobs_of
from runner.launcher import Launcher, LocalLauncher
from runner.progress import Progress
from runner.results import RunResult
from runner.schedule import USER_MISTAKE, Outcome, Scheduler, Standing, Survey, survey
from runner.slurm import make_launcher
from runner.slurm_options import Options
from runner.starters import Isolated, Warm
from runner.stop import stop_signals


def launch_and_report(
    arguments: Arguments, studies: Sequence[Study], found: Survey, train_command: Sequence[str]
) -> int:
    """Run what is not done, print and write the tables, and return the exit code: 0 done, 1 a run
    failed, 2 all were refused, 128 + signal when stopped.

    `train_command`: how the jobs' commands begin.
    """
    jobs = jobs_of(studies)
    to_run = [job for job in jobs if found[job.name][0] is not Standing.DONE]
    results = {name: result for name, (_, result) in found.items() if result}
    results = {name: results[name] for name in results if found[name][0] is Standing.DONE}
    outcome = Outcome(results=results)
    code = 0
    if to_run:
        launcher, where = _launcher(arguments, studies, to_run, train_command)
        head = f"{_jobs(len(jobs))}: {len(results)} done{_from_logs(results)}, {len(to_run)} to run"
        print(f"{head} {where}", flush=True)
        outcome, code = _launch(arguments, jobs, to_run, results, launcher)
    else:
        print(f"{_jobs(len(jobs))}, all done{_from_logs(results)}")
    ending.write_tables(
        studies, outcome.results, together=arguments.together, rank_by=arguments.rank_by
    )
    ending.print_failures(outcome)
    if outcome.stopped:
        left = len(jobs) - len(outcome.results)
        print(f"stopped with {_jobs(left)} left; the same command goes on from here")
    return code


def _launch(
    arguments: Arguments,
    jobs: Sequence[Job],
    to_run: Sequence[Job],
    results: dict[str, RunResult],
    launcher: Launcher,
) -> tuple[Outcome, int]:
    progress = Progress(
        to_run,
        width=launcher.width,
        done=[(job, results[job.name]) for job in jobs if job.name in results],
    )
    with stop_signals() as stop:
        scheduler = Scheduler(launcher, progress, stop, retries=arguments.retries)
        try:
            outcome = scheduler.run(to_run)
        finally:
            progress.close()
    found, names = survey(jobs), {job.name for job in to_run}
    late = outcome.count_in({name: found[name] for name in found if name in names})
    if late:
        print(f"done meanwhile by another runner: {', '.join(late)}")
    code = stop.exit_code if outcome.stopped else _exit_code(outcome)
    outcome.results = {**results, **outcome.results}
    return outcome, code


def _launcher(
    arguments: Arguments,
    studies: Sequence[Study],
    to_run: Sequence[Job],
    train_command: Sequence[str],
) -> tuple[Launcher, str]:
    """Return the launcher and where it runs, in words."""
    if arguments.launcher == "slurm":
        options = Options(arguments.slurm_args, arguments.max_jobs, arguments.jobs_per_gpu or 1)
        return make_launcher(to_run, studies[0].csv.parent.parent, options), "by SLURM"
    machine = find_gpus()
    gpus = choose_gpus(machine, arguments.gpus)
    slots = make_slots(machine, gpus, jobs_per_gpu=arguments.jobs_per_gpu, num_jobs=len(to_run))
    starter = Isolated() if arguments.isolated else Warm(train_command, slots[0].environment)
    return LocalLauncher(slots, starter), _where(gpus, len(slots), machine.why_none)


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
