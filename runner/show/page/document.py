"""The report: what it holds, and its three forms, each a template in this folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from runner.output import printable
from runner.results.groups import rows_of
from runner.results.reading import Row
from runner.results.schema import DONE, FAILED
from runner.results.tables import Table, paired_test
from runner.show import drawing
from runner.show.page import plots, sheets
from runner.show.page.comparison import compare, comparison_sheets
from runner.show.page.sections import Section, make_sections
from runner.show.page.sheets import Sheet
from runner.show.text import odd_lines

_HERE = Path(__file__).parent
_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "[": "{[}",  # behind a line's end it would be its distance
    "]": "{]}",
    "*": "{*}",
}


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        runs: number of all runs; `left`: those without a result, failed ones first.
        baseline: label or trainer that the differences are taken to; without one a DePT variant
            stands against its plain method, else every method against zero-shot or the first.
    """

    folders: tuple[str, ...]
    runs: int
    left: tuple[Row, ...]
    sections: tuple[Section, ...]
    baseline: str = ""

    @cached_property
    def sheets(self) -> list[tuple[str, list[Sheet]]]:
        """The tables by section, as LaTeX and Markdown have them."""
        found = [
            (each.title, [*sheets.section_sheets(each), *more_sheets(each)])
            for each in self.sections
        ]
        return [*found, *([("Runs", [sheets.unfinished_sheet(self.left)])] if self.left else [])]

    @cached_property
    def colours(self) -> dict[str, int]:
        """Label of a method -> number of its colour."""
        labels = dict.fromkeys(m.label for section in self.sections for m in section.methods)
        return {label: number for number, label in enumerate(labels)}


def more_sheets(section: Section) -> list[Sheet]:
    """Return the tables of a section that stand below its pictures."""
    compared = comparison_sheets(section, compare(section))
    return [*sheets.measures_sheets(section), *compared, sheets.cost_sheet(section)]


def make_report(folders: Sequence[str], runs: pd.DataFrame, baseline: str = "") -> Report:
    """Return what a table of runs amounts to."""
    once = runs.drop_duplicates("folder")
    left = sorted(rows_of(once[once["state"] != DONE]), key=lambda row: row["state"] != FAILED)
    return Report(tuple(folders), len(once), tuple(left), tuple(make_sections(runs)), baseline)


def pairs(section: Section, baseline: str = "") -> list[tuple[Table, Table]]:
    """Return each method with the one that it is compared with."""
    methods = section.methods
    if baseline:
        base = next((m for m in methods if baseline in (m.label, m.trainer)), None)
        return [(method, base) for method in methods if base and method is not base]
    plain = {f"{method.trainer}DePT": method for method in methods}
    variants = [(method, plain[method.trainer]) for method in methods if method.trainer in plain]
    return variants or [(method, methods[0]) for method in methods[1:]]


def latex_text(text: str) -> str:
    """Return a text with what LaTeX reads as a command written out; one line."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def markdown_text(text: str) -> str:
    """Return a text of which nothing is read as a mark; one line."""
    marked = re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
    return marked.replace("&", "&amp;")


def _finished(value: object) -> object:
    marked = isinstance(value, Markup | int)
    return value if marked else printable(value, "\N{REPLACEMENT CHARACTER}")


def render(report: Report, template: str, *, made: str = "") -> str:
    """Return a form of the report: `page.html`, `tables.tex` or `tables.md`.

    Args:
        made: when and by what, for the head of the page.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=template.endswith(".html"),
        finalize=_finished,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tex": latex_text, "md": markdown_text}
    environment.globals |= {
        **{"plots": plots, "sheets": sheets, "odd_lines": odd_lines, "more_sheets": more_sheets},
        **{"compare": compare, "pairs": pairs, "paired_test": paired_test},
        "file": lambda name: Markup((_HERE / name).read_text(encoding="utf-8")),
    }
    with matplotlib.rc_context(drawing.PAGE):
        text = environment.get_template(template).render(report=report, made=made)
    return f"{text.rstrip()}\n"
