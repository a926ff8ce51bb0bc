"""The tables as LaTeX (booktabs) and as Markdown."""

import re
from collections.abc import Callable, Sequence

from runner.show.page.sheets import Entry, Sheet
from runner.show.page.tags import printable

Titled = Sequence[tuple[str, Sequence[Sheet]]]
"""(name of a section, its tables)."""

_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "[": "{[}",  # behind a line's end it would be its distance
    "]": "{]}",
    "*": "{*}",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_NUMERIC = ("number", "missing")


def latex(sections: Titled) -> str:
    """Return a file to \\input: a table for each sheet, as wide as the text."""
    parts = ["% \\usepackage{booktabs,graphicx}\n"]
    for title, sheets in sections:
        parts += [_latex_table(f"{title}: {sheet.title}", sheet) for sheet in sheets]
    return "\n".join(parts)


def _latex_table(title: str, sheet: Sheet) -> str:
    columns = "".join("r" if _numeric(sheet, place) else "l" for place in range(len(sheet.heads)))
    groups = []
    if sheet.groups:
        spans = [f"\\multicolumn{{{n}}}{{l}}{{{latex_text(text)}}}" for text, n in sheet.groups]
        groups = [f"{' & '.join(spans)} \\\\"]
    notes = latex_text(" ".join(sheet.notes))
    return "\n".join(
        [
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{latex_text(title)}}}",
            "\\resizebox{\\linewidth}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            *groups,
            f"{' & '.join(map(latex_text, sheet.heads))} \\\\",
            "\\midrule",
            *(f"{' & '.join(map(_latex_entry, row))} \\\\" for row in sheet.rows),
            "\\bottomrule",
            "\\end{tabular}}",
            *([f"\\par\\footnotesize {notes}"] if notes else []),
            "\\end{table}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Return a text with what LaTeX reads as a command written out; one line."""
    return "".join(_LATEX.get(letter, letter) for letter in _one_line(text))


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _latex_entry(entry: Entry) -> str:
    return _entry(entry, latex_text, missing="--", bold=r"\textbf{{{}}}", sign=r"$\pm$")


def markdown(sections: Titled) -> str:
    """Return headings and tables."""
    parts = []
    for title, sheets in sections:
        parts.append(f"## {markdown_text(title)}\n")
        for sheet in sheets:
            parts.append(_markdown_table(sheet))
    return "\n".join(parts)


def _markdown_table(sheet: Sheet) -> str:
    heads = list(sheet.heads)
    if sheet.groups:
        names = [text for text, span in sheet.groups for _ in range(span)]
        heads = [f"{name} {head}".strip() for name, head in zip(names, heads, strict=True)]
    rule = ["--:" if _numeric(sheet, place) else ":--" for place in range(len(heads))]
    rows = [map(markdown_text, heads), rule, *(map(_markdown_entry, row) for row in sheet.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"{markdown_text(note)}\n" for note in sheet.notes]
    return "\n".join([f"### {markdown_text(sheet.title)}\n", *lines, "", *notes])


def markdown_text(text: str) -> str:
    """Return a text of which nothing is read as a mark; one line."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text)).replace("&", "&amp;")


def _markdown_entry(entry: Entry) -> str:
    return _entry(entry, markdown_text, missing="-", bold="**{}**", sign="±")


def _entry(
    entry: Entry, escape: Callable[[str], str], *, missing: str, bold: str, sign: str
) -> str:
    """Return a cell.

    Args:
        escape: makes any text fit to stand there.
        missing: what stands for a run that is not there.
        bold: marks the best of a column, with {} for the text.
        sign: between a number and its spread.
    """
    if entry.kind == "missing":
        return missing
    text = escape(entry.text)
    text = bold.format(text) if entry.best else text
    spread = f" {sign} {entry.spread}" if entry.spread else ""
    return f"{text}{spread}{_bracket(entry, escape)}"


def _bracket(entry: Entry, escape: Callable[[str], str]) -> str:
    """Return a number's note; that of a text is too long for a table."""
    if not entry.note or entry.kind != "number":
        return ""
    return f" {escape(f'[{entry.note}]')}"


def _numeric(sheet: Sheet, place: int) -> bool:
    return bool(sheet.rows) and all(
        row[place].kind in _NUMERIC or not row[place].text for row in sheet.rows
    )
