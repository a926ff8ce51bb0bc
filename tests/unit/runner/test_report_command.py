"""`python -m runner report`: its files, its folders, its mistakes."""

import pytest

from runner.__main__ import main
from runner.results import load_runs
from tests.unit.runner.folders import run_folder
from tests.unit.runner.report_pages import Page, base_to_new, every_protocol


def test_the_files_are_written(tmp_path, capsys, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    every_protocol(tmp_path / "outputs")
    assert main(["report", "outputs", "--latex", "t.tex", "--markdown", "t.md"]) == 0
    said = capsys.readouterr().out
    assert said == "page:     results/report.html\nLaTeX:    t.tex\nMarkdown: t.md\n"
    assert Page((tmp_path / "results/report.html").read_text()).tables
    assert "toprule" in (tmp_path / "t.tex").read_text()
    assert "| :-- |" in (tmp_path / "t.md").read_text()
    assert main(["report", "outputs/coop", "outputs/coop_dept", "--out", "a/b.html"]) == 0
    page = Page((tmp_path / "a/b.html").read_text())
    assert set(page.table("method", "Base classes")) == {"coop", "coop_dept"}


def test_a_run_below_two_folders_counts_once(tmp_path):
    base_to_new(tmp_path / "outputs/coop")
    runs = load_runs(tmp_path / "outputs", tmp_path / "outputs/coop")
    assert len(runs) == len(load_runs(tmp_path / "outputs"))


def test_experiments_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("old", "new"):
        base_to_new(tmp_path / name / "coop")
    names = set(load_runs(tmp_path / "old", tmp_path / "new")["experiment"])
    assert names == {"old/coop", "new/coop"}


@pytest.mark.parametrize(
    "words, said",
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "no run below it"),
        (["unfinished"], "unfinished: no run with a result; 1 missing, the first: no result.json"),
        (["coop", "--baseline", "cop"], "--baseline cop: no such method; did you mean coop?"),
        (["coop", "--latex", "results/report.html"], "name the same file twice"),
        (["coop", "--out", "coop"], "cannot write coop: "),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    base_to_new(tmp_path / "coop")
    (tmp_path / "empty").mkdir()
    run_folder(tmp_path / "unfinished", "train_base").mkdir(parents=True)
    assert main(["report", *words]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "results").exists()
