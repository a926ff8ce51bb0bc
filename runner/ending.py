"""What stands at the end: tables, CSV files, the picture, and the failures by name."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files import atomic_write, shown
from runner.jobs import Job, Study
from runner.results import RunResult, mistake_in, tail
from runner.schedule import USER_MISTAKE, Failure, Outcome
from runner.scores import Measured, measure
from runner.stats import Summary, summarise
from runner.tally import accuracy_csv, base_to_new_csv, shots_csv


def write_tables(
    studies: Sequence[Study], results: Mapping[str, RunResult], *, together: str = ""
) -> None:
    """Print the comparison, write a CSV per study and the picture, and say where they lie.

    Nothing is printed or written for a study without any result.

    Args:
        together: name of the folder that takes what compares several studies.
    """
    from runner.report import write_picture
    from runner.table import ranking_csv, render

    every = [(study, measure(study, results)) for study in studies]
    measured = [(study, found) for study, found in every if found.scores]
    if measured:
        mode = measured[0][0].mode
        summaries = [_summary(study, found) for study, found in measured]
        print(f"\n{render(mode, summaries)}\n")
        for study, found in measured:
            for path, text in _csv_files(study, found):
                atomic_write(path, text)
                print(f"table:   {shown(path)}")
        place = _joint_path([study for study, _ in measured], together)
        if len(measured) > 1:
            atomic_write(place.with_suffix(".csv"), ranking_csv(summaries))
            print(f"table:   {shown(place.with_suffix('.csv'))}")
        write_picture(place.with_suffix(".png"), mode, summaries)
        print(f"picture: {shown(place.with_suffix('.png'))}")
    missing = [job.name for study in studies for job in study.jobs if job.name not in results]
    missing += [name for study in studies for name in study.absent]
    if missing and measured:
        print(f"missing: {', '.join(missing)}")


def _summary(study: Study, found: Measured) -> Summary:
    return summarise(
        study.label, found.lines, study.columns, study.seeds, found.scores, found.own_splits
    )


def _csv_files(study: Study, found: Measured) -> list[tuple[Path, str]]:
    """Return the tables of a study: where and what."""
    lines, seeds, scores = found.lines, study.seeds, found.scores
    if study.mode.table == "b2n":
        return [(study.csv, base_to_new_csv(lines, seeds, scores, study.columns))]
    if study.mode.table == "accuracy":
        return [(study.csv, accuracy_csv(lines, study.columns[0], seeds, scores))]
    return [(study.csv, shots_csv(lines, study.columns, seeds, scores))] + [
        (path, accuracy_csv(lines, column, seeds, scores))
        for column, path in study.csv_by_column.items()
    ]


def _joint_path(studies: Sequence[Study], together: str) -> Path:
    """Return the place of the picture, without ending. One study: beside its CSV; several: in a
    folder named for all of them."""
    names = list(dict.fromkeys(study.name for study in studies))
    first = studies[0]
    if len(studies) == 1:
        return first.csv.with_suffix("")
    folder = together or "+".join(names)[:120]
    return first.csv.parent.parent / folder / first.mode.name


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
