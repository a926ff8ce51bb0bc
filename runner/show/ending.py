"""What stands at the end: tables, CSV files, the picture, and the failures by name."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.records import RunResult, mistake_in, tail
from runner.files.writing import atomic_write, shown
from runner.launch.schedule import USER_MISTAKE, Failure, Outcome
from runner.plan.grid import VALIDATION
from runner.plan.jobs import Job, Study, jobs_of
from runner.results.scores import Measured, measure
from runner.results.stats import Summary, summarise
from runner.show.published_csv import accuracy_csv, base_to_new_csv, shots_csv


def write_tables(
    studies: Sequence[Study],
    results: Mapping[str, RunResult],
    *,
    together: str = "",
    rank_by: str = VALIDATION,
) -> None:
    """Print the comparison of each mode, or the ranking of each grid, write a CSV per study and the
    picture, and say where they lie.

    Nothing is printed or written for a study without any result.

    Args:
        together: name of the folder that takes what compares several studies.
        rank_by: images whose accuracy ranks the points of a grid.
    """
    every = [(study, measure(study, results)) for study in studies]
    measured = [(study, found) for study, found in every if found.scores]
    groups: dict[tuple[str, Path | None], list[tuple[Study, Measured]]] = {}
    for study, found in every:
        groups.setdefault((study.mode.name, study.ranking), []).append((study, found))
    for (_, ranking), group in groups.items():
        known = [(study, found) for study, found in group if found.scores]
        if ranking and known:
            _write_grid(ranking, group, results, rank_by)
        elif known:
            _write_comparison(known, together)
    missing = [job.name for job in jobs_of(studies) if job.name not in results]
    missing += [name for study in studies for name in study.absent]
    if missing and measured:
        print(f"missing: {', '.join(missing)}")


def _write_comparison(measured: Sequence[tuple[Study, Measured]], together: str) -> None:
    from runner.show.picture import write_picture
    from runner.show.screen import ranking_csv, render

    mode = measured[0][0].mode
    summaries = [_summary(study, found) for study, found in measured]
    print(f"\n{render(mode, summaries)}\n")
    _write_tables(measured)
    place = _joint_path([study for study, _ in measured], together)
    if len(measured) > 1:
        atomic_write(place.with_suffix(".csv"), ranking_csv(summaries))
        print(f"table:   {shown(place.with_suffix('.csv'))}")
    write_picture(place.with_suffix(".png"), mode, summaries)
    print(f"picture: {shown(place.with_suffix('.png'))}")


def _write_grid(
    path: Path,
    measured: Sequence[tuple[Study, Measured]],
    results: Mapping[str, RunResult],
    rank_by: str,
) -> None:
    from runner.results.ranking import grid_csv, rank, render_grid

    studies = [study for study, _ in measured]
    summaries = [_summary(study, found) for study, found in measured]
    ranking = rank(studies, summaries, results, rank_by)
    label = studies[0].label.replace(f"/{studies[0].point.folder}", "")
    print(f"\n{label}, --mode {studies[0].mode.name}:\n\n{render_grid(ranking)}\n")
    _write_tables(measured)
    if ranking.by_test:
        path = path.with_name(f"{path.stem}-chosen-on-test.csv")
    atomic_write(path, grid_csv(ranking))
    print(f"ranking: {shown(path)}")


def _write_tables(measured: Sequence[tuple[Study, Measured]]) -> None:
    for study, found in measured:
        for path, text in _csv_files(study, found) if found.scores else ():
            atomic_write(path, text)
            print(f"table:   {shown(path)}")


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
