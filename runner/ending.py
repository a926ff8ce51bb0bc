"""What stands at the end: tables, CSV files, the picture, and the failures by name."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files import atomic_write, shown
from runner.jobs import Job, Study
from runner.results import RunResult, mistake_in, tail
from runner.schedule import USER_MISTAKE, Failure, Outcome
from runner.stats import summarise
from runner.tally import base_to_new_csv


def scores_of(study: Study, results: Mapping[str, RunResult]) -> dict[tuple[str, str, int], float]:
    """Return accuracy by (dataset, column, seed) of the jobs that have a result."""
    return {
        (job.dataset, job.column, job.seed): results[job.name].accuracy
        for job in study.jobs
        if job.name in results
    }


def write_tables(
    studies: Sequence[Study],
    results: Mapping[str, RunResult],
) -> None:
    """Print the comparison, write a CSV per study and the picture, and say where they lie.

    Nothing is printed or written for a study without any result.
    """
    from runner.report import write_picture
    from runner.table import render

    measured = [study for study in studies if scores_of(study, results)]
    if not measured:
        return
    summaries = [
        summarise(study.label, study.datasets, study.seeds, scores_of(study, results))
        for study in measured
    ]
    print(f"\n{render(summaries)}\n")
    for study in measured:
        scores = scores_of(study, results)
        atomic_write(study.csv, base_to_new_csv(study.datasets, study.seeds, scores))
        print(f"table:   {shown(study.csv)}")
    picture = _picture_path(measured)
    write_picture(picture, summaries)
    print(f"picture: {shown(picture)}")
    missing = [job for study in studies for job in study.jobs if job.name not in results]
    if missing:
        print(f"missing: {', '.join(job.name for job in missing)}")


def _picture_path(studies: Sequence[Study]) -> Path:
    """One experiment: beside its CSV; several: in a folder named for all of them."""
    names = list(dict.fromkeys(study.name for study in studies))
    if len(names) == 1 and len(studies) == 1:
        return studies[0].csv.with_suffix(".png")
    mode = studies[0].csv.name.split("-")[0]
    return studies[0].csv.parent.parent / "+".join(names)[:120] / f"{mode}.png"


def print_failures(outcome: Outcome) -> None:
    """Name each failed job with its command and the end of what it printed."""
    if not outcome.failures:
        return
    number = len(outcome.failures)
    print(f"\n{number} run{'' if number == 1 else 's'} failed:")
    for failure in outcome.failures:
        _print_failure(failure)
    for reason, jobs in (
        ("their training failed", outcome.blocked),
        ("runs like them were refused", outcome.hopeless),
    ):
        if jobs:
            print(f"\nnot run, since {reason}: {', '.join(job.name for job in jobs)}")
    mistakes = dict.fromkeys(
        line
        for failure in outcome.failures
        if failure.exit_code == USER_MISTAKE
        for line in mistake_in(failure.job.console)
    )
    for line in mistakes:
        print(line, file=sys.stderr)


def _print_failure(failure: Failure) -> None:
    job: Job = failure.job
    print(f"\n{job.name}: {failure.reason}")
    print(f"  command: {shlex.join(job.argv)}")
    lines = tail(job.console)
    if failure.exit_code == USER_MISTAKE:
        lines = list(mistake_in(job.console)) or lines
    print(f"  log:     {shown(job.console)}{', its end:' if lines else ''}")
    for line in lines:
        print(f"  | {line}")
