"""Runs beside what papers have printed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.results.lines import ROW_ORDER, Line
from runner.results.tables import Spread
from runner.show import published_figures
from runner.show.page.sections import Method, Section
from runner.show.page.sheets import Entry, Sheet, number, spread_entry
from runner.show.published_figures import AVERAGE, Source

INTERVAL = (
    "Within: whether the published figure lies in the 95 % interval of our mean over "
    "seeds (Student's t; none for a single seed). The published figures' own spread is not known."
)
LEFT_OUT = (
    "Nothing stands beside rows on a split that is not a published one, beside averages over them, "
    "and beside averages over fewer datasets than the published."
)
ODD = "† the printed H is not that of the printed base and new."


@dataclass(frozen=True)
class Pair:
    """Our number and a published one; `odd`: the source's H is not that of its base and new."""

    ours: Spread
    published: float
    odd: bool = False

    @property
    def difference(self) -> float:
        return self.ours.mean - self.published

    @property
    def within(self) -> bool | None:
        """Whether the published figure lies in our interval; None for a single seed."""
        half = self.ours.interval
        return None if half is None else abs(self.difference) <= half


@dataclass(frozen=True)
class Comparison:
    """One method beside one source: pairs by (line, measure), absent where either has none."""

    section: Section
    method: Method
    source: Source

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Pair]:
        found, table = {}, self.method.table
        for line in self.section.lines:
            if line.name in table.own_splits or not self._same_average(line):
                continue
            row = AVERAGE if line.average else line.name.removeprefix(f"{self.section.joint}/")
            for measure in self.section.measures:
                cell = table.cells.get((line.name, measure))
                value = self.source.values.get((row, measure))
                if cell and value is not None:
                    odd = measure == "H" and row in self.source.odd
                    found[line.name, measure] = Pair(cell, value, odd)
        return found

    def _same_average(self, line: Line) -> bool:
        """Whether an average of ours is over the datasets of the source's."""
        ours = self.method.table.complete.get(line.name)
        same = ours is None or set(ours) == set(published_rows(self.section.protocol))
        return same or self.section.protocol == "mt"


def published_rows(protocol: str) -> tuple[str, ...]:
    """Return the datasets that a published average is over."""
    return {"xd": ROW_ORDER[1:11], "dg": ROW_ORDER[11:]}.get(protocol, ROW_ORDER[:11])


def compare(section: Section) -> list[Comparison]:
    """Return each method beside each of its sources that has a number in common."""
    if section.demo:
        return []
    made = [
        Comparison(section, method, source)
        for method in section.methods
        for source in _sources(section, method)
    ]
    return [each for each in made if each.pairs]


def _sources(section: Section, method: Method) -> list[Source]:
    """Return what is published of a method on the same backbone and split."""
    wanted = published_figures.BACKBONES.get(section.protocol, published_figures.BACKBONE)
    runs = method.table.members
    first = next((run for run in runs if run["backbone"]), runs[0])
    if first["backbone"] not in (wanted, "") or any(run["split"] != "test" for run in runs):
        return []
    part = first["part"] if section.protocol == "mt" else ""
    return published_figures.find(
        section.protocol, method.trainer, section.shots, joint=section.joint, part=part
    )


def comparison_sheets(section: Section, comparisons: Sequence[Comparison]) -> list[Sheet]:
    """Return a table of the averages, and one of every dataset for each method and source."""
    sheets = []
    means = [line for line in section.lines if line.average]
    summed = [
        each
        for each in comparisons
        if any((m.name, x) in each.pairs for m in means for x in section.measures)
    ]
    for line in means if summed else ():
        rows = []
        for each in summed:
            source = Entry(each.source.name, kind="name", note=each.source.origin)
            rows.append((Entry(each.method.label, kind="name"), source, *_entries(each, line)))
        notes = [LEFT_OUT] if len(summed) < len(section.methods) else []
        heads = ("method", "source")
        sheets.append(_sheet(section, "Averages beside published ones", heads, rows, summed, notes))
    for each in comparisons:
        rows = [
            (Entry(line.name.removeprefix(f"{section.joint}/"), kind="name"), *_entries(each, line))
            for line in section.lines
            if any((line.name, measure) in each.pairs for measure in section.measures)
        ]
        title = f"{each.method.label} beside {each.source.name}"
        notes = [f"Source: {each.source.origin}."]
        sheets.append(_sheet(section, title, ("dataset",), rows, [each], notes))
    return sheets


def _sheet(
    section: Section,
    title: str,
    names: tuple[str, ...],
    rows: Sequence[tuple[Entry, ...]],
    comparisons: Sequence[Comparison],
    notes: Sequence[str],
) -> Sheet:
    odd = any(pair.odd for each in comparisons for pair in each.pairs.values())
    several = len(section.measures) > 1
    return Sheet(
        title,
        (*names, *("ours", "published", "difference", "within") * len(section.measures)),
        tuple(rows),
        (INTERVAL, *([ODD] if odd else []), *notes),
        groups=(("", len(names)), *((m, 4) for m in section.measures)) if several else (),
        folded=names == ("dataset",),
    )


def _entries(comparison: Comparison, line: Line) -> Iterable[Entry]:
    """Yield ours, published, difference and the verdict for each measure."""
    for measure in comparison.section.measures:
        pair = comparison.pairs.get((line.name, measure))
        if pair is None:
            yield from [Entry("")] * 4
            continue
        yield spread_entry(pair.ours)
        odd = "†" if pair.odd else ""
        yield Entry(f"{pair.published:.2f}{odd}", kind="number", order=pair.published)
        yield number(pair.difference, "+z.2f")
        if pair.within is None:
            yield Entry("one seed")
        else:
            said, kind = ("yes", "within") if pair.within else ("no", "outside")
            yield Entry(f"{said} (± {pair.ours.interval:.2f})", kind=kind)
