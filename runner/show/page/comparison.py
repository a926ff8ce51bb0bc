"""Runs beside what papers have printed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.results.scores import ROW_ORDER, Line
from runner.results.stats import Spread
from runner.show import published_figures
from runner.show.page import settings
from runner.show.page.sections import Method, Section
from runner.show.page.sheets import Entry, Sheet, members, number, spread_entry
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
NO_DEMO = "Demo results have no published figures to stand beside."


@dataclass(frozen=True)
class Pair:
    """Our number and a published one.

    Attributes:
        odd: whether the source's H is not that of its base and new.
    """

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
        found = {}
        for line in self.section.lines:
            if line.name in self.method.summary.own_splits or not self._same_average(line):
                continue
            row = AVERAGE if line.average else line.name.removeprefix(f"{self.section.joint}/")
            for measure in self.section.measures:
                cell = self.method.summary.cells.get((line.name, measure))
                value = self.source.values.get((row, measure))
                if cell and value is not None:
                    odd = measure == "H" and row in self.source.odd
                    found[line.name, measure] = Pair(cell, value, odd)
        return found

    def _same_average(self, line: Line) -> bool:
        """Whether an average of ours is over as many datasets as the source's."""
        if not line.average or self.section.protocol == "mt":
            return True
        return set(members(self.method, line.name)) == set(published_rows(self.section.protocol))


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
    first = method.table.runs[0]
    for run in method.table.runs:  # the first of which a log is there
        if run.config:
            first = run
            break
    read = settings.read(first.config)
    if settings.backbone(first, read) not in (wanted, ""):
        return []
    if any(run.split not in ("test", "") for run in method.table.runs):
        return []
    part = settings.joint_part(first, read) if section.protocol == "mt" else ""
    return published_figures.find(
        section.protocol, method.trainer, section.shots, joint=section.joint, part=part
    )


def comparison_sheets(section: Section, comparisons: Sequence[Comparison]) -> list[Sheet]:
    """Return a table of the averages, and one of every dataset for each method and source."""
    if not comparisons:
        return []
    sheets = []
    means = [line for line in section.lines if line.average]
    summed = [
        each
        for each in comparisons
        if any((m.name, x) in each.pairs for m in means for x in section.measures)
    ]
    for line in means:
        rows = [
            (
                Entry(each.method.label, kind="name"),
                Entry(each.source.name, kind="name", note=each.source.origin),
                *_triples(each, line),
            )
            for each in summed
        ]
        if rows:
            sheets.append(
                _sheet(
                    section, "Averages beside published ones", ("method", "source"), rows, summed
                )
            )
    for each in comparisons:
        rows = [
            (Entry(line.name.removeprefix(f"{section.joint}/"), kind="name"), *_triples(each, line))
            for line in section.lines
            if any((line.name, measure) in each.pairs for measure in section.measures)
        ]
        title = f"{each.method.label} beside {each.source.name}"
        sheets.append(_sheet(section, title, ("dataset",), rows, [each], folded=True))
    return sheets


def _sheet(
    section: Section,
    title: str,
    names: tuple[str, ...],
    rows: Sequence[tuple[Entry, ...]],
    comparisons: Sequence[Comparison],
    *,
    folded: bool = False,
) -> Sheet:
    heads, groups = list(names), [("", len(names))]
    for measure in section.measures:
        heads += ["ours", "published", "difference", "within"]
        groups.append((measure, 4))
    notes = [INTERVAL]
    if any(pair.odd for each in comparisons for pair in each.pairs.values()):
        notes.append(ODD)
    if not folded and len(comparisons) < len(section.methods):
        notes.append(LEFT_OUT)
    if folded:
        notes.append(f"Source: {comparisons[0].source.origin}.")
    plain = tuple(groups) if len(section.measures) > 1 else ()
    return Sheet(title, tuple(heads), tuple(rows), tuple(notes), plain, folded)


def _triples(comparison: Comparison, line: Line) -> Iterable[Entry]:
    """Return ours, published, difference and the verdict for each measure."""
    for measure in comparison.section.measures:
        pair = comparison.pairs.get((line.name, measure))
        if pair is None:
            yield from (Entry(""), Entry(""), Entry(""), Entry(""))
            continue
        odd = "†" if pair.odd else ""
        yield spread_entry(pair.ours)
        yield Entry(f"{pair.published:.2f}{odd}", kind="number", order=pair.published)
        yield number(pair.difference, "+.2f")
        yield _verdict(pair)


def _verdict(pair: Pair) -> Entry:
    if pair.within is None:
        return Entry("one seed")
    said, kind = ("yes", "within") if pair.within else ("no", "outside")
    return Entry(f"{said} (± {pair.ours.interval:.2f})", kind=kind)
