"""The whole page: one file, nothing loaded from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.results.runs import DONE, Run
from runner.show.page import plots
from runner.show.page.comparison import NO_DEMO, Comparison, compare, comparison_sheets
from runner.show.page.facts import (
    Unfinished,
    by_hand_sheet,
    configuration_sheet,
    cost_sheet,
    unfinished,
    unfinished_sheet,
)
from runner.show.page.sections import Method, Section, make_sections
from runner.show.page.sheets import Entry, Sheet, section_sheets
from runner.show.page.tags import Content, Markup, join, tag

_HERE = Path(__file__).parent
_WIDE = 60  # letters from which a cell may break
_MANY = 8  # columns from which spreads stand below their means
NO_PUBLISHED = "Nothing published stands beside these: no figures for this setting."


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes:
        baseline: label or trainer that the differences are taken to; without one a DePT variant
            stands against its plain method, else every method against zero-shot or the first.
    """

    folders: tuple[str, ...]
    runs: tuple[Run, ...]
    sections: tuple[Section, ...]
    comparisons: tuple[tuple[Comparison, ...], ...]
    baseline: str = ""

    def sheets(self) -> list[tuple[str, list[Sheet]]]:
        """Return the tables by section, as LaTeX and Markdown have them too."""
        named = [
            (section.title, [*section_sheets(section), *_more_sheets(section, found)])
            for section, found in zip(self.sections, self.comparisons, strict=True)
        ]
        last = [configuration_sheet(self.sections)] if self.sections else []
        if by_hand := by_hand_sheet(self.runs):
            last.insert(0, by_hand)
        if left := unfinished(self.runs):
            last.insert(0, unfinished_sheet(left))
        return [*named, ("Runs", last)]


def make_report(folders: Sequence[str], runs: Sequence[Run], baseline: str = "") -> Report:
    """Return what the runs amount to."""
    sections = tuple(make_sections(runs))
    comparisons = tuple(tuple(compare(section)) for section in sections)
    return Report(tuple(folders), tuple(runs), sections, comparisons, baseline)


def _more_sheets(section: Section, comparisons: Sequence[Comparison]) -> list[Sheet]:
    cost = cost_sheet(section)
    return [*comparison_sheets(section, comparisons), *([cost] if cost else [])]


def html_page(report: Report, made: str) -> str:
    """Return the file's text.

    Args:
        made: when and by what, for the head of the page.
    """
    labels = [method.label for section in report.sections for method in section.methods]
    colours = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    body = [_head(report, made)]
    for section, found in zip(report.sections, report.comparisons, strict=True):
        body.append(_section(report, section, found, colours))
    body.append(_runs(report))
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=f"{policy}; img-src data:"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"Report: {', '.join(report.folders)}"),
        tag("style", _file("page.css")),
    )
    page = tag("html", head, tag("body", body, tag("script", _file("page.js"))), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _file(name: str) -> Markup:
    return Markup((_HERE / name).read_text(encoding="utf-8"))


def _head(report: Report, made: str) -> Markup:
    done = sum(run.state == DONE for run in report.runs)
    left = len(report.runs) - done
    links = [(section.key, section.title) for section in report.sections]
    links.append(("runs", f"Runs without a result ({left}) and configuration"))
    return tag(
        "header",
        tag("h1", "Report"),
        tag("p", ", ".join(report.folders), class_="lead"),
        tag("p", f"{done} runs with a result, {left} without. {made}", class_="lead"),
        tag("nav", tag("ul", [tag("li", tag("a", name, href=f"#{key}")) for key, name in links])),
    )


def _section(
    report: Report, section: Section, comparisons: Sequence[Comparison], colours: plots.Colours
) -> Markup:
    parts: list[Content] = [tag("h2", section.title)]
    if absent := _absent(section):
        parts.append(absent)
    parts.append(_over_shots(report, section, colours))
    parts.append(_sheets(section_sheets(section)))
    if section.protocol == "b2n":
        parts += [tag("h3", "Base against new"), plots.scatter(section, colours, comparisons)]
    bars = [plots.differences(section, *pair) for pair in pairs(section, report.baseline)]
    if any(bars):
        parts.append(tag("h3", f"Difference in {section.main_measure}, percentage points"))
        parts.append(tag("div", bars, class_="bars"))
    if not comparisons:
        parts.append(tag("p", NO_DEMO if section.demo else NO_PUBLISHED, class_="note"))
    parts.append(_sheets(_more_sheets(section, comparisons)))
    return tag("section", parts, id=section.key)


def _over_shots(report: Report, section: Section, colours: plots.Colours) -> Markup:
    """Return curves over the shots that this section and others of its kind have, at the first."""
    siblings = [s for s in report.sections if _kind(s) == _kind(section)]
    if len(siblings) < 2 or section is not siblings[0]:
        return Markup()
    every = [each for found in report.comparisons for each in found if each.section in siblings]
    title = f"{section.main_measure[0].upper()}{section.main_measure[1:]} over shots"
    return join(tag("h3", title), plots.curves(siblings, colours, every))


def _sheets(sheets: Sequence[Sheet]) -> Markup:
    """Return tables below each other; what several say below them stands below the first."""
    said: set[str] = set()
    made = []
    for sheet in sheets:
        new = tuple(note for note in sheet.notes if note not in said)
        said |= set() if sheet.folded else set(new)
        made.append(_sheet(sheet if sheet.folded else replace(sheet, notes=new)))
    return join(made)


def _kind(section: Section) -> tuple[str, str, bool]:
    return section.protocol, section.joint, section.demo


def pairs(section: Section, baseline: str = "") -> list[tuple[Method, Method]]:
    """Return each method with the one that it is compared with."""
    methods = section.methods
    if baseline:
        base = next((m for m in methods if baseline in (m.label, m.trainer)), None)
        return [(method, base) for method in methods if base and method is not base]
    by_trainer = {method.trainer: method for method in methods}
    plain = [
        (method, by_trainer[method.trainer.removesuffix("DePT")])
        for method in methods
        if method.trainer.endswith("DePT") and method.trainer.removesuffix("DePT") in by_trainer
    ]
    return plain or [(method, methods[0]) for method in methods[1:]]


def _absent(section: Section) -> Markup:
    """Return which cells are empty, and why."""
    lines = [
        f"{method.label}: {line}" for method in section.methods for line in method.table.absent
    ]
    if not lines:
        return Markup()
    head = f"{len(lines)} {'entry is' if len(lines) == 1 else 'entries are'} not there"
    return tag(
        "details",
        tag("summary", head, class_="outside"),
        tag("ul", [tag("li", line) for line in lines], class_="note"),
    )


def _runs(report: Report) -> Markup:
    left = unfinished(report.runs)
    parts: list[Content] = [tag("h2", "Runs")]
    if left:
        parts += [_sheet(unfinished_sheet(left)), [_tail(each) for each in left]]
    else:
        parts.append(tag("p", "No failed, running or unfinished run."))
    if by_hand := by_hand_sheet(report.runs):
        parts.append(_sheet(by_hand))
    if report.sections:
        parts.append(_sheet(configuration_sheet(report.sections)))
    return tag("section", parts, id="runs")


def _tail(each: Unfinished) -> Markup:
    if not each.lines:
        return Markup()
    name = f"{each.run.experiment} {each.run.trainer} {each.run.dataset} seed {each.run.seed}"
    summary = tag("summary", f"Last lines: {name} ({each.source.name if each.source else ''})")
    return tag("details", summary, tag("pre", "\n".join(each.lines)))


def _sheet(sheet: Sheet) -> Markup:
    kinds = [any(row[place].kind == "number" for row in sheet.rows) for place in _places(sheet)]
    heads = [
        tag("th", head, scope="col", class_="number" if kind else "")
        for head, kind in zip(sheet.heads, kinds, strict=True)
    ]
    groups = [tag("th", text, colspan=span) for text, span in sheet.groups]
    table = tag(
        "table",
        tag("thead", tag("tr", groups, class_="groups") if groups else "", tag("tr", heads)),
        tag("tbody", [tag("tr", [_cell(entry) for entry in row]) for row in sheet.rows]),
        class_="wide" if len(sheet.heads) > _MANY else "",
    )
    notes = [tag("p", note, class_="note") for note in sheet.notes]
    content = join(tag("div", table, class_="scroll"), notes)
    if sheet.folded:
        return tag("details", tag("summary", sheet.title), content)
    return join(tag("h3", sheet.title), content)


def _places(sheet: Sheet) -> range:
    return range(len(sheet.heads))


def _cell(entry: Entry) -> Markup:
    words = [entry.kind, "best" if entry.best else ""]
    words.append("long" if len(entry.text) > _WIDE else "")
    order = None if entry.order is None else repr(entry.order)
    numeric = entry.kind == "number"
    return tag(
        "td",
        entry.text,
        tag("span", f" ± {entry.spread}", class_="spread") if entry.spread else "",
        tag("span", f" [{entry.note}]", class_="lack") if entry.note and numeric else "",
        class_=" ".join(word for word in words if word),
        data_order=order,
        title="" if numeric else entry.note,
    )
