"""The program behind parallel_runner.py: plan, run, tally, report."""

import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner import demo, ending
from runner.arguments import Arguments, parse
from runner.errors import UserError
from runner.experiment import Experiment, read_experiment
from runner.files import shown
from runner.gpus import choose_gpus, find_gpus, make_slots
from runner.jobs import Job, Study
from runner.launcher import LocalLauncher, in_use
from runner.plan import Selection, Workspace, plan
from runner.progress import Progress
from runner.results import RunResult
from runner.schedule import USER_MISTAKE, Outcome, Scheduler, Standing, survey
from runner.stop import stop_signals

GetConfig = Callable[[str], Mapping[str, Any]]
Survey = Mapping[str, tuple[Standing, RunResult | None]]

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
    try:
        arguments = parse(argv)
        if arguments.list_names:
            _print_names(names(), get_config)
            return 0
        command = tuple(train_command or (sys.executable, shown(repo / "train.py")))
        return _run(arguments, repo, get_config, command)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as in `--list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UserError as error:
        if "--debug" in argv:
            traceback.print_exc()
        for line in error.problems:
            print(f"error: {line}", file=sys.stderr)
        return 2


def _print_names(names: Sequence[str], get_config: GetConfig) -> None:
    for name in names:
        entry = read_experiment(name, get_config(name))
        print(f"{name:<16}{entry.trainer:<16}configs/trainers/{entry.cfg_trainer}/{entry.cfg}.yaml")


def _run(arguments: Arguments, repo: Path, get_config: GetConfig, command: tuple[str, ...]) -> int:
    problems, experiments, root = [], [], ""
    for name in arguments.cfg:
        try:
            config = get_config(name)
            experiments.append(read_experiment(name, config))
            root = root or str(config.get("data", {}).get("root", ""))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    studies = _plan(arguments, repo, root, experiments, command)
    jobs = [job for study in studies for job in study.jobs]
    if arguments.dry_run:
        _print_commands(jobs, arguments)
        return 0
    found = survey(jobs)
    if arguments.demo and (arguments.fresh or not _all_done(found)):
        demo.require_cache(job.dataset for job in jobs)
    if arguments.fresh:
        _delete_folders(jobs)
        found = survey(jobs)
    _refuse_other_settings(studies, found)
    return _launch_and_report(arguments, studies, found)


def _plan(
    arguments: Arguments,
    repo: Path,
    root: str,
    experiments: Sequence[Experiment],
    command: tuple[str, ...],
) -> list[Study]:
    below = ("demo",) if arguments.demo else ()
    place = Workspace(
        repo=repo,
        data=_data_root(arguments, root),
        outputs=Path("outputs", *below).absolute(),
        results=Path("results", *below).absolute(),
        train_command=command,
    )
    chosen = Selection(
        mode=arguments.mode,
        datasets=arguments.datasets,
        seeds=arguments.seeds,
        shots=arguments.shots,
        options=arguments.options,
        demo=arguments.demo,
    )
    return plan(experiments, place, chosen)


def _data_root(arguments: Arguments, from_configs: str) -> str:
    if arguments.demo:
        return str(demo.cache())
    root = arguments.data or os.environ.get("DATA", "") or from_configs
    if not root:
        if arguments.dry_run:
            return "DATA"
        raise UserError("no data root: give --data PATH or set DATA (--demo needs neither)")
    path = Path(root).expanduser()
    if not path.is_dir() and not arguments.dry_run:
        raise UserError(f"data root {root}: no such folder; give --data PATH or set DATA")
    return str(path)


def _all_done(found: Survey) -> bool:
    return all(standing is Standing.DONE for standing, _ in found.values())


def _print_commands(jobs: Sequence[Job], arguments: Arguments) -> None:
    found = survey(jobs)
    done = sum(standing is Standing.DONE for standing, _ in found.values())
    for job in jobs:
        print(shlex.join(job.argv))
    again = ", which --fresh would run again" if arguments.fresh and done else ""
    print(f"{len(jobs)} jobs, {done} of them done{again}", file=sys.stderr)


def _delete_folders(jobs: Sequence[Job]) -> None:
    busy = [f"{job.name} is running; stop it before --fresh" for job in jobs if in_use(job.console)]
    if busy:
        raise UserError(busy)
    for job in jobs:
        try:
            if job.folder.exists():
                shutil.rmtree(job.folder)
        except OSError as error:
            raise UserError(f"cannot delete {shown(job.folder)}: {error.strerror}") from error


def _refuse_other_settings(studies: Sequence[Study], found: Survey) -> None:
    problems = []
    for study in studies:
        other = [job for job in study.jobs if found[job.name][0] is Standing.OTHER]
        if other:
            first = ", ".join(shown(job.folder) for job in other[:_SHOWN])
            more = ", ..." if len(other) > _SHOWN else ""
            problems.append(
                f"{study.label}: {len(other)} of {len(study.jobs)} runs were made with other "
                f"options, YAML or weights: {first}{more}; move or delete "
                f"{'it' if len(other) == 1 else 'them'}, or --fresh to delete all planned runs"
            )
    if problems:
        raise UserError(problems)


def _launch_and_report(arguments: Arguments, studies: Sequence[Study], found: Survey) -> int:
    jobs = [job for study in studies for job in study.jobs]
    to_run = [job for job in jobs if found[job.name][0] is not Standing.DONE]
    results = {name: result for name, (_, result) in found.items() if result}
    results = {name: results[name] for name in results if found[name][0] is Standing.DONE}
    outcome = Outcome(results=results)
    code = 0
    if to_run:
        outcome, code = _launch(arguments, jobs, to_run, results)
    else:
        print(f"{_jobs(len(jobs))}, all done{_from_logs(results)}")
    ending.write_tables(studies, outcome.results)
    ending.print_failures(outcome)
    if outcome.stopped:
        left = len(jobs) - len(outcome.results)
        print(f"stopped with {_jobs(left)} left; the same command goes on from here")
    return code


def _launch(
    arguments: Arguments, jobs: Sequence[Job], to_run: Sequence[Job], results: dict[str, RunResult]
) -> tuple[Outcome, int]:
    machine = find_gpus()
    gpus = choose_gpus(machine, arguments.gpus)
    slots = make_slots(machine, gpus, jobs_per_gpu=arguments.jobs_per_gpu, num_jobs=len(to_run))
    where = _where(gpus, len(slots), machine.why_none)
    print(
        f"{_jobs(len(jobs))}: {len(results)} done{_from_logs(results)}, {len(to_run)} to run "
        f"{where}",
        flush=True,
    )
    progress = Progress(to_run, width=len(slots))
    with stop_signals() as stop:
        scheduler = Scheduler(LocalLauncher(slots), progress, stop, retries=arguments.retries)
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
