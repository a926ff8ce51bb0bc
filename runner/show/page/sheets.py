"""The tables of a report without a form yet: HTML, LaTeX and Markdown are made of the same
entries."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.files.writing import shown
from runner.results import layouts
from runner.results.lines import Line
from runner.results.provenance import shared_and_own
from runner.results.reading import Row
from runner.results.schema import DONE, FAILED
from runner.results.tables import MEAN_OF_H, Spread, Table
from runner.show.page.sections import Section
from runner.show.text import COSTS, H_NOTES, MEASURED, OWN_SPLIT, Cost, costs, starred

MEASURES = {"base": "Base classes", "new": "New classes", "H": "H", "accuracy": "Accuracy"}
COST_NOTES = (
    "Mean over all datasets and seeds of the section, with the lowest and highest behind it.",
    "Seconds per epoch: of the runs that trained, validation during it included.",
)

MEASURE_NOTES = (
    "Mean over the datasets and seeds that have left predictions, with the lowest and highest.",
    "NLL in nats; Brier 0 to 2; ECE: 15 bins of equal width, adaptive: of equally many images.",
)


@dataclass(frozen=True)
class Entry:
    """One cell that is more than a text.

    Attributes:
        text: what it says; of a number two decimals, or as its column has it.
        spread: the standard deviation behind a mean, as text.
        kind: `number`, `missing`, `within`, `outside`, `name`, or nothing.
        best: whether no other of its column is higher.
        note: what a number is over, short; of a name what is to be said of it.
        link: name of the part of the page that explains it.
    """

    text: str
    spread: str = ""
    kind: str = ""
    best: bool = False
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        heads: names of its columns.
        notes: sentences below it.
        folded: whether the page shows it on request alone.
        key: name for links within the page.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Entry | str]]
    notes: Sequence[str] = ()
    folded: bool = False
    key: str = ""

    def numeric(self, place: int) -> bool:
        """Whether a column holds numbers alone."""
        found = [row[place] for row in self.rows]
        kinds = [each.kind if isinstance(each, Entry) else "text" for each in found]
        return bool(found) and {*kinds} <= {"number", "missing"}


def spread_entry(cell: Spread, *, best: bool = False, note: str = "", link: str = "") -> Entry:
    """Return the entry of a mean with its standard deviation."""
    std = f"{cell.std:.2f}" if cell.count > 1 else ""
    return Entry(f"{cell.mean:.2f}", std, "number", best, note, link)


def section_sheets(section: Section) -> list[Sheet]:
    """Return the tables of methods by datasets: one for each measure, averages first where there
    are several."""
    sheets = []
    if len(section.measures) > 1:
        columns = [(line, m) for line in section.averages for m in (*section.measures, MEAN_OF_H)]
        heads = [MEASURES.get(measure, measure) for _, measure in columns]
        first = section.averages[0]
        sheets.append(_sheet(section, "Averages" if first.average else first.name, heads, columns))
    for measure in section.measures:
        columns = [(line, measure) for line in section.lines]
        heads = [section.name(line) for line in section.lines]
        sheets.append(_sheet(section, MEASURES.get(measure, measure), heads, columns))
    return sheets


def _sheet(
    section: Section, title: str, heads: Sequence[str], columns: Sequence[tuple[Line, str]]
) -> Sheet:
    names = [Entry(starred(each.label, [each]), kind="name") for each in section.methods]
    body = [_column(section, *column) for column in columns]
    short = any(entry.note for column in body for entry in column)
    notes = _notes(section, {measure for _, measure in columns}, short)
    return Sheet(title, ["method", *heads], list(zip(names, *body, strict=True)), notes)


def _column(section: Section, line: Line, measure: str) -> list[Entry]:
    """Return a number of every method; the best is among those that lack nothing."""
    cells = [method.cells.get((line.name, measure)) for method in section.methods]
    notes = [_lack(section, method, line, measure) for method in section.methods]
    whole = [cell.mean for cell, note in zip(cells, notes, strict=True) if cell and not note]
    winner = f"{max(whole):.2f}" if len(whole) > 1 else ""
    entries = []
    for method, cell, note in zip(section.methods, cells, notes, strict=True):
        if cell is None:
            entries.append(Entry(method.lacking(line.name, measure), kind="missing"))
        else:
            best = not note and f"{cell.mean:.2f}" == winner
            link = _runs_key(section, method)
            entries.append(spread_entry(cell, best=best, note=note, link=link))
    return entries


def _runs_key(section: Section, method: Table) -> str:
    return f"runs-{section.key}-{section.methods.index(method)}"


def _lack(section: Section, table: Table, line: Line, measure: str) -> str:
    """Return what a number lacks beside the others of its column, nothing for a whole one."""
    cell = table.cells.get((line.name, measure))
    if cell and cell.count < len(table.seeds):
        return f"{cell.count} of {len(table.seeds)} seeds"
    if cell and line.average:
        members = [method.complete.get(line.name, ()) for method in section.methods]
        own, widest = table.complete.get(line.name, ()), max(members, key=len)
        if set(own) != set(widest):
            return f"over {len(own)} of {len(widest)}"
    return ""


def _notes(section: Section, measures: Collection[str], short: bool) -> list[str]:
    notes = list(H_NOTES) if "H" in measures else []
    if any(len(method.seeds) > 1 for method in section.methods):
        notes.append("± population standard deviation over seeds.")
    if short:
        notes.append("[ ] behind a number: what it is over; such a number is never the best.")
    for method in section.methods:
        splits = sorted({run["split"] for run in method.members} - {"test", ""})
        if splits:
            notes.append(f"{method.label}: measured on {' and '.join(splits)} images.")
    if any(method.own_splits for method in section.methods):
        notes.append(f"* behind a name: {OWN_SPLIT}.")
    return notes


def cost_sheet(section: Section) -> Sheet:
    """Return what the runs of each method cost: mean and range over all datasets and seeds."""
    rows = []
    for method in section.methods:
        done = [run for run in (*method.runs, *method.spare) if run["state"] == DONE]
        devices = ", ".join(dict.fromkeys(run["device"] for run in done if run["device"]))
        count = Entry(str(len(done)), kind="number")
        rows.append([*_costs_row(method.label, costs(done), COSTS), count, devices])
    return Sheet("Cost", ["method", *COSTS, "runs", "device"], rows, COST_NOTES)


def measures_sheets(section: Section) -> list[Sheet]:
    """Return a table of how sure the methods are and how rightly, of runs that have kept their
    predictions; none where none has."""
    found = {
        method.label: costs([row for row in method.members if row["nll"] is not None], MEASURED)
        for method in section.methods
    }
    names = [name for name in MEASURED if any(name in each for each in found.values())]
    rows = [_costs_row(label, each, names) for label, each in found.items() if each]
    return [Sheet("More than accuracy", ["method", *names], rows, MEASURE_NOTES)] if rows else []


def _costs_row(label: str, found: Mapping[str, Cost], names: Iterable[str]) -> list[Entry | str]:
    each = [found.get(name, Cost()) for name in names]
    entries = (Entry(cost.text, kind="number", note=cost.range) for cost in each)
    return [Entry(label, kind="name"), *entries]


def runs_sheet(section: Section, method: Table) -> Sheet:
    """Return the runs behind a method's numbers: their provenance, options and versions, below the
    table what all have alike."""
    shared, own = shared_and_own(method.members)
    rows = [
        (
            *(row["task"] or row["dataset"], row["subset"], str(row["seed"])),
            f"{row['accuracy']:.2f}",
            *("" if row[name] is None else str(row[name]) for name in own),
            row["folder"],
        )
        for row in method.members
        if row["state"] == DONE
    ]
    stated = ", ".join(f"{name} {value}" for name, value in shared.items())
    notes = [f"The same for all: {stated}."] if stated else []
    heads = ("dataset", "classes", "seed", "accuracy", *own, "folder")
    title, key = f"Runs behind {method.label}", _runs_key(section, method)
    return Sheet(title, heads, rows, notes, folded=True, key=key)


def unfinished_sheet(left: Sequence[Row]) -> Sheet:
    """Return a row for each run without a result."""
    rows = [
        (
            Entry(row["state"], kind="outside" if row["state"] == FAILED else "missing"),
            Entry(row["experiment"], kind="name"),
            _which(row),
            row["reason"],
            _where(Path(row["folder"])),
        )
        for row in left
    ]
    heads = ("state", "experiment", "run", "why", "console or folder")
    return Sheet("Runs without a result", heads, rows)


def _where(folder: Path) -> str:
    place = layouts.place(folder.parts)
    console = place.console(folder) if place else folder
    return shown(console if console.exists() else folder)


def _which(row: Row) -> str:
    seed = f" seed {row['seed']}" if row["seed"] >= 0 else ""
    subset = "" if row["subset"] == "all" else f" {row['subset']}"
    shots = f" {row['shots']} shot{'s' if row['shots'] > 1 else ''}" if row["shots"] else ""
    return f"{row['trainer']} {row['dataset']}{subset}{shots}{seed}"
