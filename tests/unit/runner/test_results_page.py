"""docs/results.md: its questions to the table of runs are answered, its columns are those there."""

import re
from pathlib import Path

from runner.results import load_runs
from runner.results.schema import DTYPES, columns
from tests.unit.runner.report_pages import every_protocol

TEXT = (Path(__file__).resolve().parents[3] / "docs/results.md").read_text()


def as_markdown():
    rows = [f"| `{c['column']}` | {DTYPES[c['kind']]} | {c['meaning']} |" for c in columns()]
    return "\n".join(["| column | dtype | what it says |", "|---|---|---|", *rows])


def test_each_question_is_answered_in_a_line(tmp_path, monkeypatch):
    every_protocol(tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict = {}
    before, *questions = code.split("# ")
    exec(before, names)
    answers = [eval(each.split("\n", 1)[1], names) for each in questions]
    assert len(answers) == 5
    methods, spread, gains, hours, failed = answers
    assert round(methods.loc["CoOpDePT", "new"] - methods.loc["CoOp", "new"], 2) == 1.25
    assert len(spread) == 5 and spread.iloc[0] > 0
    assert round(gains["CoOp", "dtd"], 2) == 1.25
    assert hours["softcpt"] > 0
    assert failed.reason.tolist() == ["ValueError: too deep & wide"]


def test_the_columns_are_those_of_the_table(tmp_path):
    (found,) = re.findall(r"<!-- columns -->\n(.*?)<!-- /columns -->", TEXT, re.DOTALL)
    assert found.strip() == as_markdown()
    every_protocol(tmp_path)
    runs = load_runs(tmp_path)
    assert list(runs) == [column["column"] for column in columns()]
    shown = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", as_markdown(), re.MULTILINE))
    assert {name: str(dtype) for name, dtype in runs.dtypes.items()} == shown
