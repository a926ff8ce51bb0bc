"""The tables of a report without a form yet: HTML, LaTeX and Markdown are made of the same
entries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.files.writing import shown
from runner.results.lines import Line
from runner.results.provenance import shared_and_own
from runner.results.reading import Row
from runner.results.schema import DONE, FAILED
from runner.results.tables import MEAN_OF_H, Spread, Table
from runner.show.page.sections import Method, Section
from runner.show.screen import OWN_SPLIT, experiment_name
from runner.show.tally_text import COSTS

MEASURES = {"base": "Base classes", "new": "New classes", "H": "H", "accuracy": "Accuracy"}
MISSING = "missing"
_WIDE = 60  # letters from which a cell may break
H_NOTE = (
    "H: harmonic mean of the mean over seeds of base and of new; in averages, of the two averages "
    "(the published convention). Mean of H: the mean of each dataset's and seed's own."
)
COST_NOTES = (
    "Mean over all datasets and seeds of the section, with the lowest and highest behind it.",
    "Seconds per epoch: of the runs that trained, validation during it included.",
)


@dataclass(frozen=True)
class Entry:
    """One cell.

    Attributes:
        text: what it says; of a number two decimals, or as its column has it.
        spread: the standard deviation behind a mean, as text.
        kind: `number`, `missing`, `within`, `outside`, `name`, or nothing.
        best: whether no other of its column is higher.
        note: what a number is over, short; of a name what is to be said of it.
        order: what a column is sorted by, where that is not the text.
        link: name of the part of the page that explains it.
    """

    text: str
    spread: str = ""
    kind: str = ""
    best: bool = False
    note: str = ""
    order: float | None = None
    link: str = ""

    @property
    def style(self) -> str:
        """Its classes in the page's style sheet."""
        long = "long" if len(self.text) > _WIDE else ""
        return " ".join(filter(None, [self.kind, "best" if self.best else "", long]))


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        heads: over each column.
        groups: over several columns, as (text, columns), the first column included; may be empty.
        notes: sentences below it.
        folded: whether the page shows it on request alone.
        key: name for links within the page.
        plain: whether its rows hold texts in place of entries.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    folded: bool = False
    key: str = ""
    plain: bool = False

    def numeric(self, place: int) -> bool:
        """Whether a column holds numbers alone."""
        kinds = ("number", "missing")
        found = [row[place] for row in self.rows if not self.plain]
        return bool(found) and all(entry.kind in kinds or not entry.text for entry in found)


def number(value: float | None, shape: str = ".2f") -> Entry:
    """Return the entry of a plain number, an empty one for none."""
    if value is None:
        return Entry("")
    text = f"{value:{shape}}"
    zero = not text.strip("+-0.,")
    return Entry(text.lstrip("+-") if zero else text, kind="number", order=value)


def spread_entry(cell: Spread, *, best: bool = False, note: str = "", link: str = "") -> Entry:
    """Return the entry of a mean with its standard deviation."""
    std = f"{cell.std:.2f}" if cell.count > 1 else ""
    return Entry(f"{cell.mean:.2f}", std, "number", best, note, cell.mean, link)


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
    notes = [[cell_note(section, m.table, *column) for column in columns] for m in section.methods]
    bests = []
    for place, (line, measure) in enumerate(columns):
        whole = [
            cell.mean
            for method, own in zip(section.methods, notes, strict=True)
            if (cell := method.table.cells.get((line.name, measure))) and not own[place]
        ]
        bests.append(f"{max(whole):.2f}" if len(whole) > 1 else "")
    rows = []
    for method, own in zip(section.methods, notes, strict=True):
        entries = [Entry(experiment_of(method), kind="name")]
        for (line, measure), winner, note in zip(columns, bests, own, strict=True):
            cell = method.table.cells.get((line.name, measure))
            if cell is None:
                odd = (line.name, measure.replace(MEAN_OF_H, "H")) in method.table.odd
                entries.append(Entry("odd" if odd else MISSING, kind="missing"))
                continue
            won = not note and f"{cell.mean:.2f}" == winner
            link = runs_key(section, method)
            entries.append(spread_entry(cell, best=won, note=note, link=link))
        rows.append(tuple(entries))
    said = _notes(section, {measure for _, measure in columns}, any(any(own) for own in notes))
    return Sheet(title, ("method", *heads), tuple(rows), tuple(said))


def experiment_of(method: Method) -> str:
    """Return a method's name, with a star where a split is not a published one."""
    return f"{method.label}{experiment_name(method.table)[len(method.table.label) :]}"


def runs_key(section: Section, method: Method) -> str:
    """Return the name of the part of the page that lists a method's runs."""
    return f"runs-{section.key}-{section.methods.index(method)}"


def cell_note(section: Section, table: Table, line: Line, measure: str) -> str:
    """Return what a number lacks beside the others of its column, nothing for a whole one."""
    cell = table.cells.get((line.name, measure))
    if cell is None:
        return ""
    if cell.count < len(table.seeds):
        return f"{cell.count} of {len(table.seeds)} seeds"
    if line.average:
        members = [method.table.complete.get(line.name, ()) for method in section.methods]
        own, widest = table.complete.get(line.name, ()), max(members, key=len)
        if set(own) != set(widest):
            return f"over {len(own)} of {len(widest)}"
    return ""


def _notes(section: Section, measures: Collection[str], short: bool) -> list[str]:
    notes = [H_NOTE] if "H" in measures else []
    if any(len(method.table.seeds) > 1 for method in section.methods):
        notes.append("± population standard deviation over seeds.")
    if short:
        notes.append("[ ] behind a number: what it is over; such a number is never the best.")
    for method in section.methods:
        splits = sorted({run["split"] for run in method.table.members} - {"test", ""})
        if splits:
            notes.append(f"{method.label}: measured on {' and '.join(splits)} images.")
    if any(method.table.own_splits for method in section.methods):
        notes.append(f"* behind a name: {OWN_SPLIT}.")
    return notes


def cost_sheet(section: Section) -> Sheet | None:
    """Return what the runs of each method cost: mean and range over all datasets and seeds."""
    rows = []
    for method in section.methods:
        done = [run for run in (*method.table.runs, *method.table.spare) if run["state"] == DONE]
        entries = [_range([run[name] for run in done], shape) for name, shape in COSTS.values()]
        devices = ", ".join(dict.fromkeys(run["device"] for run in done if run["device"]))
        if any(entry.text for entry in entries):
            count = Entry(str(len(done)), kind="number")
            rows.append((Entry(method.label, kind="name"), *entries, count, Entry(devices)))
    heads = ("method", *COSTS, "runs", "device")
    return Sheet("Cost", heads, tuple(rows), COST_NOTES) if rows else None


def _range(values: Iterable[float | None], shape: str) -> Entry:
    found = [float(value) for value in values if value is not None]
    if not found:
        return Entry("")
    mean, low, high = sum(found) / len(found), min(found), max(found)
    note = f"{low:{shape}} to {high:{shape}}" if high > low else ""
    return Entry(f"{mean:{shape}}", kind="number", note=note, order=mean)


def runs_sheet(section: Section, method: Method) -> Sheet:
    """Return the runs behind a method's numbers, and their provenance."""
    shared, own = shared_and_own(method.table.members)
    rows = [
        (
            *(row["task"] or row["dataset"], row["subset"], row["seed"]),
            f"{row['accuracy']:.2f}",
            *("" if row[name] is None else row[name] for name in own),
            row["folder"],
        )
        for row in method.table.members
        if row["state"] == DONE
    ]
    stated = ", ".join(f"{name} {value}" for name, value in shared.items())
    notes = [f"The same for all: {stated}." if stated else "No provenance is stated."]
    heads = ("dataset", "classes", "seed", "accuracy", *own, "folder")
    title = f"Runs behind {method.label}"
    key = runs_key(section, method)
    return Sheet(title, heads, tuple(rows), tuple(notes), folded=True, key=key, plain=True)


def configuration_sheet(sections: Sequence[Section]) -> Sheet:
    """Return a row for each method of each section: with what its runs were made."""
    rows = [
        (
            Entry(section.title),
            Entry(method.label, kind="name"),
            *_configured([*method.table.runs, *method.table.spare]),
        )
        for section in sections
        for method in section.methods
    ]
    heads = ("protocol", "method", *_CONFIGURED)
    kept, shared = [0, 1], []
    for place in range(2, len(heads)):
        values = {row[place].text for row in rows}
        if len(values) > 1:
            kept.append(place)
        elif value := values.pop():
            shared.append(f"{heads[place]} {value}")
    notes = ["Options: KEY VALUE words of the command line and of the experiment, by the logs."]
    notes = notes if "options" in [heads[place] for place in kept] else []
    notes += [f"The same for all: {', '.join(shared)}."] if shared else []
    return Sheet(
        "Configuration",
        tuple(heads[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
        tuple(notes),
    )


_CONFIGURED = ("trainer", "YAML", "options", "backbone", "precision", "epochs", "seeds", "split",
               "device", "versions", "commit")  # fmt: skip


def _configured(runs: Sequence[Row]) -> Iterable[Entry]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for run in runs:
        versions = run["versions"].replace("=", " ").split(";")
        for name, value in (
            *(("trainer", run["trainer"]), ("YAML", run.get("yaml") or run["cfg"])),
            *(("options", run["settings"]), ("backbone", run["backbone"])),
            ("precision", run["precision"] if run["state"] == DONE else ""),
            ("epochs", run["epochs"] if run["trained"] else None),
            ("seeds", run["seed"] if run["seed"] >= 0 else None),
            *(("split", run["split_note"]), ("device", run["device"])),
            ("versions", " ".join(each for each in versions if not each.endswith(" None"))),
            ("commit", run["commit"][:12]),
        ):
            if value not in ("", None):
                found[name][str(value)] = None
    for name in _CONFIGURED:
        values = list(found[name])
        if name not in ("split", "device", "versions", "commit"):
            values.sort(key=lambda v: (int(v), "") if v.isdigit() else (-1, v))
        yield Entry((" " if name == "seeds" else "; ").join(values))


def unfinished_sheet(left: Sequence[Row]) -> Sheet:
    """Return a row for each run without a result."""
    rows = [
        (
            Entry(row["state"], kind="outside" if row["state"] == FAILED else "missing"),
            Entry(row["experiment"], kind="name"),
            Entry(_which(row)),
            Entry(row["reason"]),
            Entry(shown(Path(row["folder"]))),
        )
        for row in left
    ]
    heads = ("state", "experiment", "run", "why", "folder")
    return Sheet("Runs without a result", heads, tuple(rows))


def _which(row: Row) -> str:
    seed = f" seed {row['seed']}" if row["seed"] >= 0 else ""
    subset = "" if row["subset"] == "all" else f" {row['subset']}"
    shots = f" {row['shots']} shot{'s' if row['shots'] > 1 else ''}" if row["shots"] else ""
    return f"{row['trainer']} {row['dataset']}{subset}{shots}{seed}"


def by_hand_sheet(rows: Sequence[Row]) -> Sheet | None:
    """Return the runs that belong to no protocol, None where there are none."""
    found = tuple(
        (
            Entry(row["experiment"], kind="name"),
            Entry(_which(row)),
            number(row["accuracy"]),
            Entry(shown(Path(row["folder"]))),
        )
        for row in rows
        if not row["mode"] and row["accuracy"] is not None
    )
    heads = ("experiment", "run", "accuracy", "folder")
    return Sheet("Runs by hand, in no table", heads, found) if found else None
