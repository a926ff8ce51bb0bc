"""LaTeX and Markdown: the same numbers as the page, and text that stays text."""

import re

import pytest

from runner.show.page.document import Report, latex_text, markdown_text, render
from runner.show.page.sheets import Entry, Sheet
from tests.unit.runner.report_pages import every_protocol, numbers, report_of


def latex(sheets):
    return render(holding(sheets), "tables.tex")


def markdown(sheets):
    return render(holding(sheets), "tables.md")


def holding(sheets):
    report = Report((), 0, (), ())
    report.__dict__["sheets"] = sheets
    return report


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    return report_of(every_protocol(tmp_path_factory.mktemp("texts"))).sheets


def expected(sheets):
    return [
        [[value(entry) for entry in row] for row in sheet.rows] for _, s in sheets for sheet in s
    ]


def value(entry):
    if isinstance(entry, str) or entry.kind != "number":
        return None
    return entry.text, entry.spread, entry.best


def test_latex_parses_back_to_the_same_numbers(sheets):
    text = latex(sheets)
    found = []
    for block in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL):
        found.append([row.removesuffix(r" \\").split(" & ") for row in block.strip().split("\n")])
    for rows, want in zip(found, expected(sheets), strict=True):
        for row, wanted in zip(rows, want, strict=True):
            for cell, one in zip(row, wanted, strict=True):
                if one:
                    best = cell.startswith(r"\textbf{")
                    plain = cell.replace(r"\textbf{", "").replace("}", "", best)
                    assert (*numbers(plain.replace(r"$\pm$", "±")), best) == one
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == len(found)
    columns = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    assert [len(rows[0]) for rows in found] == [len(spec) for spec in columns]
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_markdown_parses_back_to_the_same_numbers(sheets):
    found = []
    for block in re.findall(r"\n((?:\|.*\|\n)+)", markdown(sheets)):
        lines = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in block.strip().split("\n")]
        assert len({len(line) for line in lines}) == 1
        found.append(lines[2:])
    for rows, want in zip(found, expected(sheets), strict=True):
        for row, wanted in zip(rows, want, strict=True):
            for cell, one in zip(row, wanted, strict=True):
                if one:
                    best = cell.startswith("**")
                    assert (*numbers(cell.replace("*", "")), best) == one


def test_every_table_says_what_it_is(sheets):
    text = markdown(sheets)
    for words in (
        "## Base to new, 16 shots",
        "### Averages",
        "### Cost",
        "### Runs without a result",
    ):
        assert f"\n{words}\n" in f"\n{text}"
    assert "\\caption{Base to new, 16 shots: Averages}" in latex(sheets)


EVIL = "a_b & 50% #1 $x$ {y} \\z ~^ <b> | * [c] `d`\nnext"


def test_marks_of_latex_are_text():
    assert latex_text(EVIL) == (
        r"a\_b \& 50\% \#1 \$x\$ \{y\} \textbackslash{}z \textasciitilde{}\textasciicircum{} "
        r"\textless{}b\textgreater{} \textbar{} {*} {[}c{]} `d` next"
    )


def test_marks_of_markdown_are_text():
    assert markdown_text(EVIL) == (
        r"a\_b &amp; 50% \#1 $x$ \{y\} \\z \~^ \<b\> \| \* \[c\] \`d\` next"
    )


def test_names_that_would_break_a_table(tmp_path):
    sheet = Sheet(EVIL, (EVIL, "x"), ((EVIL, Entry("1.00", kind="number")),), (EVIL,))
    (row,) = re.findall(r"\\midrule\n(.*?)\n\\bottomrule", latex([(EVIL, [sheet])]), re.DOTALL)
    assert "\n" not in row
    assert len(re.findall(r"(?<!\\)&", row)) == 1
    lines = [line for line in markdown([(EVIL, [sheet])]).split("\n") if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3]


def test_bytes_of_a_path_that_are_no_text():
    for form in (latex, markdown):
        text = form([("a\udcffb\x00", [Sheet("t", ("x",), ())])])
        assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}" in text
        assert "\udcff" not in text and "\x00" not in text
