"""Tables without a form yet: HTML, LaTeX and Markdown are made of the same entries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runner.results.scores import Line
from runner.results.stats import MEAN_OF_H, Spread
from runner.show.page.sections import Method, Section
from runner.show.screen import OWN_SPLIT

MEASURES = {"base": "Base classes", "new": "New classes", "H": "H", "accuracy": "Accuracy"}
MISSING = "missing"


@dataclass(frozen=True)
class Entry:
    """One cell.

    Attributes:
        text: what it says; of a number two decimals, or as its column has it.
        spread: the standard deviation behind a mean, as text.
        kind: `number`, `missing`, `within`, `outside`, `name`, or nothing.
        best: whether no other of its column is higher.
        note: what a star behind it stands for, short.
        order: what a column is sorted by, where that is not the text.
    """

    text: str
    spread: str = ""
    kind: str = ""
    best: bool = False
    note: str = ""
    order: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        heads: over each column.
        groups: over several columns, as (text, columns), the first column included; may be empty.
        notes: sentences below it.
        folded: whether the page shows it on request alone.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    folded: bool = False


def number(value: float | None, shape: str = ".2f", *, kind: str = "number") -> Entry:
    """Return the entry of a plain number, an empty one for none."""
    if value is None:
        return Entry("")
    text = f"{value:{shape}}"
    zero = not text.strip("+-0.,")
    return Entry(text.lstrip("+-") if zero else text, kind=kind, order=value)


def spread_entry(cell: Spread | None, *, best: bool = False, note: str = "") -> Entry:
    """Return the entry of a mean with its standard deviation."""
    if cell is None:
        return Entry(MISSING, kind="missing")
    std = f"{cell.std:.2f}" if cell.count > 1 else ""
    return Entry(f"{cell.mean:.2f}", std, "number", best, note, cell.mean)


def section_sheets(section: Section) -> list[Sheet]:
    """Return the tables of methods by datasets: one for each measure, averages first where there
    are several."""
    sheets = [_averages(section)] if len(section.measures) > 1 else []
    for measure in section.measures:
        columns = [(line, measure) for line in section.lines]
        heads = [heading(section, line) for line in section.lines]
        title = MEASURES.get(measure, measure)
        sheets.append(_sheet(section, title, heads, columns, folded=False))
    return sheets


def heading(section: Section, line: Line) -> str:
    """Return what a table calls a line, with a star where a split file is not a published one."""
    star = "*" if any(line.name in each.summary.own_splits for each in section.methods) else ""
    return f"{line.name.removeprefix(f'{section.joint}/')}{star}"


def _averages(section: Section) -> Sheet:
    means = [line for line in section.lines if line.average] or section.lines[:1]
    columns = [(line, measure) for line in means for measure in (*section.measures, MEAN_OF_H)]
    heads = [MEASURES.get(measure, measure) for _, measure in columns]
    title = "Averages" if means[0].average else means[0].name
    return _sheet(section, title, heads, columns, folded=False)


def _sheet(
    section: Section,
    title: str,
    heads: Sequence[str],
    columns: Sequence[tuple[Line, str]],
    *,
    folded: bool,
) -> Sheet:
    bests = [best(section, line, measure) for line, measure in columns]
    rows = []
    short = False
    for method in section.methods:
        entries = []
        for (line, measure), winner in zip(columns, bests, strict=True):
            note = cell_note(section, method, line, measure)
            short = short or bool(note)
            cell = method.summary.cells.get((line.name, measure))
            won = cell is not None and not note and f"{cell.mean:.2f}" == winner
            entries.append(spread_entry(cell, best=won, note=note))
        rows.append((Entry(method_name(method), kind="name"), *entries))
    notes = _notes(section, {measure for _, measure in columns}, short)
    return Sheet(title, ("method", *heads), tuple(rows), tuple(notes), folded=folded)


def method_name(method: Method) -> str:
    return f"{method.label}*" if method.summary.own_splits else method.label


def best(section: Section, line: Line, measure: str) -> str:
    """Return the highest mean of those that lack nothing, as printed, where there are several."""
    means = [
        cell.mean
        for method in section.methods
        if (cell := method.summary.cells.get((line.name, measure)))
        and not cell_note(section, method, line, measure)
    ]
    return f"{max(means):.2f}" if len(means) > 1 else ""


def cell_note(section: Section, method: Method, line: Line, measure: str) -> str:
    """Return what a number lacks beside the others of its column, nothing for a whole one."""
    cell = method.summary.cells.get((line.name, measure))
    if cell is None:
        return ""
    if cell.count < len(method.summary.seeds):
        return f"{cell.count} of {len(method.summary.seeds)} seeds"
    if line.average:
        widest = max((members(each, line.name) for each in section.methods), key=len)
        own = members(method, line.name)
        if set(own) != set(widest):
            return f"over {len(own)} of {len(widest)}"
    return ""


def members(method: Method, average: str) -> tuple[str, ...]:
    """Return the rows that a method's average is over."""
    return method.summary.complete.get(average, ())


def _notes(section: Section, measures: Collection[str], short: bool) -> list[str]:
    notes = []
    if "H" in measures:
        notes.append(
            "H: harmonic mean of the mean over seeds of base and of new; in averages, of the two "
            "averages (the published convention). Mean of H: the mean of each dataset's and "
            "seed's own."
        )
    if any(len(method.summary.seeds) > 1 for method in section.methods):
        notes.append("± population standard deviation over seeds.")
    if short:
        notes.append("[ ] behind a number: what it is over; such a number is never the best.")
    for method in section.methods:
        splits = sorted({run.split for run in method.table.runs} - {"test", ""})
        if splits:
            notes.append(f"{method.label}: measured on {' and '.join(splits)} images.")
    if any(method.summary.own_splits for method in section.methods):
        notes.append(f"* behind a name: {OWN_SPLIT}.")
    return notes
