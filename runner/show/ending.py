"""What stands at the end: tables, CSV files, the picture, and the failures by name."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.files.records import RunResult, mistake_in, tail
from runner.files.writing import atomic_write, shown
from runner.launch.schedule import USER_MISTAKE, Failure, Outcome
from runner.plan.grid import VALIDATION
from runner.plan.jobs import Job, Study

if TYPE_CHECKING:
    from runner.results.tables import Table


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
    from runner.results.groups import tables_of

    groups: dict[tuple[str, Path | None], list[tuple[Study, Table]]] = {}
    for study, table in zip(studies, tables_of(studies, results), strict=True):
        groups.setdefault((study.mode.name, study.ranking), []).append((study, table))
    for (_, ranking), group in groups.items():
        known = [(study, table) for study, table in group if table.behind]
        if ranking and known:
            _write_grid(ranking, group, rank_by)
        elif known:
            _write_comparison(known, together)


def _write_comparison(measured: Sequence[tuple[Study, "Table"]], together: str) -> None:
    from runner.show.picture import write_picture
    from runner.show.published_csv import ranking_csv
    from runner.show.text import legend, render

    tables = [table for _, table in measured]
    print(f"\n{render(tables)}\n\n{legend(tables)}\n")
    _write_csv(tables)
    place = _joint_path([study for study, _ in measured], together)
    if len(measured) > 1:
        _write(place.with_suffix(".csv"), ranking_csv(tables), "table:  ")
    write_picture(place.with_suffix(".png"), tables)
    print(f"picture: {shown(place.with_suffix('.png'))}")


def _write_grid(path: Path, group: Sequence[tuple[Study, "Table"]], rank_by: str) -> None:
    from runner.plan.grid import TEST
    from runner.show.grid import rank
    from runner.show.text import tabulated

    study, tables = group[0][0], [table for _, table in group]
    trains = any(job.kind == "train" for each, _ in group for job in each.jobs)
    found, sentences = rank(tables, rank_by, trains=trains)
    label, heads = study.label.replace(f"/{study.point.folder}", ""), list(map(str, found))
    print(
        f"\n{label}, --mode {study.mode.name}:\n\n{tabulated(found.to_numpy().tolist(), heads)}\n"
    )
    print("\n".join(sentences), end="\n\n")
    _write_csv(tables)
    if rank_by == TEST:
        path = path.with_name(f"{path.stem}-chosen-on-test.csv")
    _write(path, found.to_csv(index=False, lineterminator="\n"), "ranking:")


def _write_csv(tables: Sequence["Table"]) -> None:
    from runner.show.published_csv import accuracy_csv, table_csv

    for table in tables:
        if table.behind:
            _write(table.csv, table_csv(table), "table:  ")
            for column, path in table.csv_by_column.items():
                _write(path, accuracy_csv(table, column), "table:  ")


def _write(path: Path, text: str, what: str) -> None:
    atomic_write(path, text)
    print(f"{what} {shown(path)}")


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
    if outcome.blocked:
        names = ", ".join(job.name for job in outcome.blocked)
        print(f"\nnot run, since their training failed: {names}")
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
