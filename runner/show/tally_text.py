"""A tally on screen: the table, what it cost, what is not there, and how to read it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runner.results.reading import Row
from runner.results.tables import MEAN_OF_H, Table
from runner.show.screen import OWN_SPLIT, marked, odd_lines, tabulated

COSTS = {
    "seconds per epoch": ("seconds_per_epoch", ".2f"),
    "peak memory, MiB": ("peak_memory_mb", ",.0f"),
    "trainable parameters": ("trainable_parameters", ",.0f"),
    "test images per second": ("test_images_per_second", ",.1f"),
}
"""What is told of every run: name, column, and how its numbers are written."""
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
    both = any(measure == MEAN_OF_H for _, measure in table.cells)
    return [*table.measures, *([MEAN_OF_H] if both else [])]


def render(table: Table) -> str:
    """Return a table and what is to be said of it alone."""
    measures = _measures(table)
    rows = [
        [
            marked(line.name, line.name in table.own_splits),
            *(_cell(table, line.name, measure) for measure in measures),
        ]
        for line in table.lines
        if line.members or not line.average  # an average over none only the published CSV has
    ]
    seeds = " ".join(map(str, table.seeds))
    head = f"{table.mode.name}: {table.label}, seed{'s' if len(table.seeds) > 1 else ''} {seeds}"
    text = tabulated(rows, ["dataset", *measures], ())
    return "\n".join([head, "", text, "", *_notes(table)]).rstrip()


def _cell(table: Table, line: str, measure: str) -> str:
    cell = table.cells.get((line, measure))
    if cell is None:
        return table.lacking(line, measure)
    spread = f" ± {cell.std:.2f}" if cell.count > 1 else ""
    interval = f" [± {cell.interval:.2f}]" if cell.interval is not None else ""
    short = f" ({cell.count} of {len(table.seeds)} seeds)" if cell.count < len(table.seeds) else ""
    return f"{cell.mean:.2f}{spread}{interval}{short}"


def _notes(table: Table) -> list[str]:
    notes = []
    if table.mode.base_to_new and len(table.columns) == 1:
        other = "base" if table.columns == ("new",) else "new"
        notes.append(f"no run on {other} classes is here")
    if table.own_splits:
        notes.append(f"* behind a name: {OWN_SPLIT}")
    notes += odd_lines([table])
    for line in table.lines:
        whole = table.complete.get(line.name, ())
        if line.members and len(whole) < len(line.members):
            left = ", ".join(name for name in line.members if name not in whole)
            notes.append(
                f"{line.name}: over {len(whole)} of {len(line.members)} rows, those without a "
                f"missing run; left out: {left}"
            )
    logs = [run for run in table.runs if run["from_log"]]
    if logs:
        notes.append(f"{len(logs)} of {len(table.runs)} runs by their log.txt, which rounds")
    notes += [f"{run['folder']}: {run['reason']}" for run in logs if run["reason"]]
    notes += [
        f"not counted, since another run of its cell is newer: {run['folder']}"
        for run in table.spare
    ]
    for cost in costs(table.runs):
        spread = f" ({cost.range})" if cost.range else ""
        number = f"{cost.runs} run{'' if cost.runs == 1 else 's'}"
        notes += [f"cost: {cost.name}: mean {cost.text}{spread}, {number}"] if cost.runs else []
    return notes + [f"not there: {line}" for line in table.absent]


class Cost(NamedTuple):
    """A measure over runs: its mean, also as text, and from where to where it goes; empty where
    `runs`, of those that have left it, is 0."""

    name: str
    runs: int
    mean: float | None = None
    text: str = ""
    range: str = ""


def costs(runs: Iterable[Row]) -> Iterator[Cost]:
    """Yield each of COSTS."""
    found = list(runs)
    for name, (column, shape) in COSTS.items():
        values = [run[column] for run in found if run[column] is not None]
        if not values:
            yield Cost(name, 0)
            continue
        mean, low, high = sum(values) / len(values), min(values), max(values)
        spread = f"{low:{shape}} to {high:{shape}}" if high > low else ""
        yield Cost(name, len(values), mean, f"{mean:{shape}}", spread)
