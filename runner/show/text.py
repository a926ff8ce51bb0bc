"""Tables as text, at the end of a sweep and by `tally`: one alone with all that is to be said of
it; several of a mode dataset by dataset; more than that can show, a row for each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tabulate import tabulate

from runner.results.lines import merge
from runner.results.ranking import ranked, ranking_columns
from runner.results.reading import Row
from runner.results.tables import MEAN_OF_H, Table

LONG = 4  # experiments that are still compared dataset by dataset
OWN_SPLIT = "the split is not a published one, so these accuracies are not comparable"
H_NOTES = (
    "H: harmonic mean of the mean base and the mean new accuracy; in averages, of the two averages "
    "(the published convention).",
    "mean of H: mean of the H of every dataset and seed.",
)
COSTS = {
    "seconds per epoch": ("seconds_per_epoch", ".2f"),
    "peak memory, MiB": ("peak_memory_mb", ",.0f"),
    "trainable parameters": ("trainable_parameters", ",.0f"),
    "test images per second": ("test_images_per_second", ",.1f"),
}
"""What is told of every run: name, column, and how its numbers are written."""
MEASURED = {
    "top 5, %": ("top5_accuracy", ".2f"),
    "macro F1, %": ("macro_f1", ".2f"),
    "NLL": ("nll", ".3f"),
    "Brier": ("brier", ".3f"),
    "ECE": ("ece", ".3f"),
    "adaptive ECE": ("ece_adaptive", ".3f"),
    "AUROC, %": ("auroc", ".2f"),
    "FPR95, %": ("fpr95", ".2f"),
}
"""What is told of runs with measures.json, as COSTS are."""


def render(tables: Sequence[Table]) -> str:
    """Return the tables of one mode as one, with what is to be said of them; `legend` says how to
    read the numbers."""
    first, alone = tables[0], len(tables) == 1
    measures, rows = list(first.measures), []
    if alone and first.mode.base_to_new and len(first.columns) > 1:
        measures.append(MEAN_OF_H)
    if len(tables) > LONG:
        columns = ranking_columns(tables)
        heads = ["experiment", *(heading for heading, _, _ in columns)]
        for table in ranked(tables):
            cells = (cell_text(table, line.name, measure) for _, line, measure in columns)
            rows.append([starred(table.label, [table]), *cells])
    else:
        heads = ["dataset", *([] if alone else ["experiment"]), *measures]
        for line in merge([table.lines for table in tables]):
            having = [t for t in tables if any(line.name == each.name for each in t.lines)]
            name = starred(line.name, having, line.name)
            for table in having:
                label = [] if alone else [starred(table.label, [table], line.name)]
                cells = (cell_text(table, line.name, m, interval=alone) for m in measures)
                rows.append([name, *label, *cells])
                name = ""
    lines = [
        tabulate(rows, heads, disable_numparse=True),
        "",
        *_notes(tables),
        *(_details(first) if alone else []),
    ]
    if alone:
        seeds = f"seed{'s' if len(first.seeds) > 1 else ''} {' '.join(map(str, first.seeds))}"
        lines = [f"{first.mode.name}: {first.label}, {seeds}", "", *lines]
    return "\n".join(lines).rstrip()


def legend(tables: Sequence[Table], *, alone: bool) -> str:
    """Return how to read the numbers of tables, each `alone` or all as one."""
    lines = ["Accuracy in percent: mean over seeds ± population standard deviation."]
    if any(table.mode.base_to_new for table in tables):
        lines += H_NOTES if alone else H_NOTES[:1]
    if alone:
        lines.append(
            "[± half of the 95 % interval of the mean, by Student's t distribution and the sample "
            "standard deviation]"
        )
    return "\n".join(lines)


def starred(name: str, tables: Iterable[Table], line: str = "") -> str:
    """Return a name, with a star if a split in tables, or in a line of them, is not a published
    one."""
    own = any(line in each.own_splits if line else each.own_splits for each in tables)
    return f"{name}*" if own else name


def cell_text(table: Table, line: str, measure: str, *, interval: bool = False) -> str:
    """Return a mean with its spread over seeds, or what stands in its place."""
    cell = table.cells.get((line, measure))
    if cell is None:
        return table.lacking(line, measure)
    spread = f" ± {cell.std:.2f}" if cell.count > 1 else ""
    half = f" [± {cell.interval:.2f}]" if interval and cell.interval is not None else ""
    short = f" ({cell.count} of {len(table.seeds)} seeds)" if cell.count < len(table.seeds) else ""
    return f"{cell.mean:.2f}{spread}{half}{short}"


def _notes(tables: Sequence[Table]) -> list[str]:
    """Return what is not whole, not comparable or not there."""
    own = any(table.own_splits for table in tables)
    notes = [f"* behind a name: {OWN_SPLIT}"] if own else []
    notes += odd_lines(tables)
    averages = [(t, line) for t in tables for line in t.lines if line.average and line.members]
    most = Counter[str]()
    for _, line in averages:
        most[line.name] = max(most[line.name], len(line.members))
    for table, line in averages:
        whole, rows = table.complete[line.name], most[line.name]
        if len(whole) < rows:
            left = ", ".join(name for name in line.members if name not in whole)
            why = f", those without a missing run; left out: {left}" if left else ""
            notes.append(f"{table.label}: {line.name} over {len(whole)} of {rows} rows{why}")
    return notes + [f"not there: {line}" for table in tables for line in table.absent]


def odd_lines(tables: Iterable[Table]) -> list[str]:
    """Return which cells have no mean since a run of them differs in its provenance, and which."""
    runs: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        for (line, measure), said in table.odd.items():
            for each in said:
                runs.setdefault((table.label, each), []).append(f"{line} {measure}")
    return [
        f"odd: {label}: no mean of {', '.join(cells)}: {each}"
        for (label, each), cells in runs.items()
    ]


def _details(table: Table) -> list[str]:
    """Return where the numbers of a table come from, and what they cost."""
    notes = []
    if table.mode.base_to_new and len(table.columns) == 1:
        notes.append(f"no run on {'base' if table.columns == ('new',) else 'new'} classes is here")
    logs = [run for run in table.runs if run["from_log"]]
    if logs:
        notes.append(f"{len(logs)} of {len(table.runs)} runs by their log.txt, which rounds")
    notes += [f"{run['folder']}: {run['reason']}" for run in logs if run["reason"]]
    newer = "not counted, since another run of its cell is newer"
    notes += [f"{newer}: {run['folder']}" for run in table.spare]
    for name, cost in costs(table.runs).items():
        spread = f" ({cost.range})" if cost.range else ""
        number = f"{cost.runs} run{'' if cost.runs == 1 else 's'}"
        notes.append(f"cost: {name}: mean {cost.text}{spread}, {number}")
    return notes


class Cost(NamedTuple):
    """A measure over `runs`: its mean, and from where to where it goes."""

    runs: int = 0
    text: str = ""
    range: str = ""


def costs(runs: Iterable[Row], which: Mapping[str, tuple[str, str]] = COSTS) -> dict[str, Cost]:
    """Return each of COSTS, or of another such mapping, that runs have left, over these."""
    found, known = {}, list(runs)
    for name, (column, shape) in which.items():
        if values := [run[column] for run in known if run[column] is not None]:
            mean, low, high = sum(values) / len(values), min(values), max(values)
            spread = f"{low:{shape}} to {high:{shape}}" if high > low else ""
            found[name] = Cost(len(values), f"{mean:{shape}}", spread)
    return found
