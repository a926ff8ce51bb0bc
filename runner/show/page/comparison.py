"""Runs beside what papers have printed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from runner.results.lines import ROW_ORDER, Line
from runner.results.tables import Spread, Table
from runner.show import published_figures
from runner.show.page.sections import Section
from runner.show.page.sheets import Entry, Sheet, spread_entry
from runner.show.published_figures import AVERAGE, Source

INTERVAL = (
    "Within: whether the published figure lies in the 95 % interval of our mean over "
    "seeds (Student's t; none for a single seed). The published figures' own spread is not known."
)
LEFT_OUT = (
    "Nothing stands beside rows on a split that is not a published one, beside averages over them, "
    "and beside averages over fewer datasets than the published."
)


@dataclass(frozen=True)
class Pair:
    """Our number and a published one."""

    method: Table
    source: Source
    line: Line
    measure: str
    ours: Spread
    published: float

    @property
    def difference(self) -> float:
        return self.ours.mean - self.published

    @property
    def within(self) -> bool | None:
        """Whether the published figure lies in our interval; None for a single seed."""
        half = self.ours.interval
        return None if half is None else abs(self.difference) <= half


def published_rows(protocol: str) -> tuple[str, ...]:
    """Return the datasets that a published average is over."""
    return {"xd": ROW_ORDER[1:11], "dg": ROW_ORDER[11:]}.get(protocol, ROW_ORDER[:11])


def compare(section: Section) -> list[Pair]:
    """Return the numbers of each method beside those of each of its sources."""
    pairs = []
    for method in () if section.demo else section.methods:
        lines = [line for line in section.lines if _same_rows(section, method, line)]
        every = itertools.product(_sources(section, method), lines, section.measures)
        for source, line, measure in every:
            row = AVERAGE if line.average else line.name.removeprefix(f"{section.joint}/")
            ours = method.cells.get((line.name, measure))
            printed = source.values.get((row, measure))
            if ours and printed is not None:
                pairs.append(Pair(method, source, line, measure, ours, printed))
    return pairs


def _same_rows(section: Section, table: Table, line: Line) -> bool:
    """Whether a line is on a published split, and if an average over the source's datasets."""
    over = table.complete.get(line.name)
    same = over is None or set(over) == set(published_rows(section.protocol))
    return line.name not in table.own_splits and (same or section.protocol == "mt")


def _sources(section: Section, method: Table) -> list[Source]:
    """Return what is published of a method on the same backbone and split."""
    wanted = published_figures.BACKBONES.get(section.protocol, published_figures.BACKBONE)
    runs = method.members
    first = next((run for run in runs if run["backbone"]), runs[0])
    if first["backbone"] not in (wanted, "") or any(run["split"] != "test" for run in runs):
        return []
    part = first["part"] if section.protocol == "mt" else ""
    return published_figures.find(
        section.protocol, method.trainer, section.shots, joint=section.joint, part=part
    )


def comparison_sheets(section: Section, pairs: Sequence[Pair]) -> list[Sheet]:
    """Return a table of the averages, and one of every dataset."""
    averages = [pair for pair in pairs if pair.line.average]
    others = [pair for pair in pairs if not pair.line.average]
    left = len({pair.method.label for pair in averages}) < len(section.methods)
    notes = (INTERVAL, *([LEFT_OUT] if left else []))
    heads = ("method", "source", "row", "measure", "ours", "published", "difference", "within")
    sheets = [
        Sheet("Averages beside published ones", heads, list(map(_row, averages)), notes),
        Sheet("Datasets beside published ones", heads, list(map(_row, others)), notes, True),
    ]
    return [sheet for sheet in sheets if sheet.rows]


def _row(pair: Pair) -> tuple[Entry | str, ...]:
    verdict = Entry("one seed")
    if pair.within is not None:
        said, kind = ("yes", "within") if pair.within else ("no", "outside")
        verdict = Entry(f"{said} (± {pair.ours.interval:.2f})", kind=kind)
    return (
        Entry(pair.method.label, kind="name"),
        Entry(pair.source.name, kind="name", note=pair.source.origin),
        pair.line.name,
        pair.measure,
        spread_entry(pair.ours),
        Entry(f"{pair.published:.2f}", kind="number"),
        Entry(f"{pair.difference:+z.2f}", kind="number"),
        verdict,
    )
