"""A tally on screen: the table, what it cost, what is not there, and how to read it."""

from collections.abc import Sequence

from runner.results.costs import cost_lines
from runner.results.groups import Table
from runner.results.stats import MEAN_OF_H, Spread
from runner.show.screen import OWN_SPLIT

READING = (
    "Accuracy in percent: mean over seeds ± population standard deviation [± half of the 95 % "
    "interval of the mean, by Student's t distribution and the sample standard deviation]."
)
READING_H = (
    "H: harmonic mean of the mean base and the mean new accuracy; in the row `average` of the two "
    "averages (the benchmark's convention).",
    "mean of H: mean of the H of every dataset and seed.",
)


def legend(tables: Sequence[Table]) -> str:
    """Return how to read the numbers of tables."""
    lines = [READING]
    if any(MEAN_OF_H in _measures(table) for table in tables):
        lines += READING_H
    return "\n".join(lines)


def _measures(table: Table) -> list[str]:
    summary = table.summary
    both = any(measure == MEAN_OF_H for _, measure in summary.cells)
    return [*summary.measures, *([MEAN_OF_H] if both else [])]


def render(table: Table) -> str:
    """Return a table and what is to be said of it alone."""
    from tabulate import tabulate

    study, summary = table.study, table.summary
    measures = _measures(table)
    rows = []
    for line in summary.lines:
        if line.average and not line.members:
            continue  # which only the published CSV has
        name = f"{line.name}*" if line.name in summary.own_splits else line.name
        cells = (summary.cells.get((line.name, measure)) for measure in measures)
        rows.append([name, *(_cell(cell, len(study.seeds)) for cell in cells)])
    align = ["left", *("left" for _ in measures)]
    text = tabulate(rows, ["dataset", *measures], disable_numparse=True, colalign=align)
    seeds = " ".join(map(str, study.seeds))
    head = f"{study.mode.name}: {study.label}, seed{'s' if len(study.seeds) > 1 else ''} {seeds}"
    return "\n".join([head, "", text, "", *_notes(table)]).rstrip()


def _cell(cell: Spread | None, seeds: int) -> str:
    if cell is None:
        return "missing"
    spread = f" ± {cell.std:.2f}" if cell.count > 1 else ""
    interval = f" [± {cell.interval:.2f}]" if cell.interval is not None else ""
    short = f" ({cell.count} of {seeds} seeds)" if cell.count < seeds else ""
    return f"{cell.mean:.2f}{spread}{interval}{short}"


def _notes(table: Table) -> list[str]:
    summary, notes = table.summary, []
    if table.study.mode.base_to_new and len(table.study.columns) == 1:
        other = "base" if table.study.columns == ("new",) else "new"
        notes.append(f"no run on {other} classes is here")
    if summary.own_splits:
        notes.append(f"* behind a name: {OWN_SPLIT}")
    for line in summary.lines:
        whole = summary.complete.get(line.name, ())
        if line.members and len(whole) < len(line.members):
            left = ", ".join(name for name in line.members if name not in whole)
            notes.append(
                f"{line.name}: over {len(whole)} of {len(line.members)} rows, those without a "
                f"missing run; left out: {left}"
            )
    logs = sum(run.from_log for run in table.runs)
    if logs:
        notes.append(f"{logs} of {len(table.runs)} runs by their log.txt, which rounds")
    notes += [f"{run.folder}: {run.reason}" for run in table.runs if run.from_log and run.reason]
    notes += [
        f"not counted, since another run of its cell is newer: {r.folder}" for r in table.spare
    ]
    notes += [f"cost: {line}" for line in cost_lines(table.runs)]
    return notes + [f"not there: {line}" for line in table.absent]
