"""What stands at the end: tables, CSV files, the picture, and the failures by name."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.files.records import RunResult, mistake_in, tail
from runner.files.writing import atomic_write, shown
from runner.launch.schedule import USER_MISTAKE, Outcome
from runner.plan.grid import TEST, VALIDATION
from runner.plan.jobs import Study

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

    groups: dict[tuple[str, Path | None], list[Table]] = {}
    for table in tables_of(studies, results):
        groups.setdefault((table.mode.name, table.ranking), []).append(table)
    for (_, ranking), tables in groups.items():
        known = [table for table in tables if table.behind]
        if ranking and known:
            _write_grid(ranking, tables, rank_by)
        elif known:
            _write_comparison(known, together)


def _write_comparison(tables: Sequence["Table"], together: str) -> None:
    from runner.show.picture import write_picture
    from runner.show.published_csv import ranking_csv
    from runner.show.text import legend, render

    print(f"\n{render(tables)}\n\n{legend(tables, alone=len(tables) == 1)}\n")
    _write_csv(tables)
    place = tables[0].csv.with_suffix("")
    if len(tables) > 1:  # in a folder named for all of them
        folder = together or "+".join(dict.fromkeys(table.experiment for table in tables))[:120]
        place = place.parents[1] / folder / tables[0].mode.name
        _write(place.with_suffix(".csv"), ranking_csv(tables), "table:  ")
    write_picture(place.with_suffix(".png"), tables)
    print(f"picture: {shown(place.with_suffix('.png'))}")


def _write_grid(path: Path, tables: Sequence["Table"], rank_by: str) -> None:
    from tabulate import tabulate

    from runner.show.grid import rank

    found, sentences = rank(tables, rank_by)
    first, heads = tables[0], list(map(str, found))
    rows = tabulate(found.to_numpy().tolist(), heads, disable_numparse=True)
    label = first.label.replace(f"/{first.point.folder}", "")
    print(f"\n{label}, --mode {first.mode.name}:\n\n{rows}\n")
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


def print_failures(outcome: Outcome) -> None:
    """Name each failed job with its command and the end of what it printed."""
    if not outcome.failures:
        return
    number = len(outcome.failures)
    print(f"\n{number} run{'' if number == 1 else 's'} failed:")
    mistakes: dict[str, None] = {}
    for failure in outcome.failures:
        mistake = mistake_in(failure.job.console) if failure.exit_code == USER_MISTAKE else ()
        mistakes |= dict.fromkeys(mistake)
        lines = mistake or tail(failure.job.console)
        print(f"\n{failure.job.name}: {failure.reason}")
        print(f"  command: {shlex.join(failure.job.argv)}")
        print(f"  log:     {shown(failure.job.console)}{', its end:' if lines else ''}")
        print("".join(f"  | {line}\n" for line in lines), end="")
    if outcome.blocked:
        names = ", ".join(job.name for job in outcome.blocked)
        print(f"\nnot run, since their training failed: {names}")
    for line in mistakes:
        print(line, file=sys.stderr)
