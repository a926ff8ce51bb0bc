"""The page of a report: whole, self-contained, and with the numbers of the tally."""

import html
import re

import pytest

from runner.results import load_runs
from runner.results.groups import make_tables
from runner.show.page.comparison import compare
from runner.show.page.document import pairs
from tests.unit.runner.folders import log, result, run_folder
from tests.unit.runner.report_pages import (
    Page,
    base_to_new,
    every_protocol,
    html_of,
    numbers,
    page_of,
    report_of,
    run,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return every_protocol(tmp_path_factory.mktemp("report") / "outputs")


@pytest.fixture(scope="module")
def text(folder):
    return html_of(folder)


def test_the_page_is_well_formed_and_loads_nothing(text):
    page = Page(text)
    assert page.loads == []
    assert not re.search(r"https?:|//\w|url\(|@import|\bfetch\(|XMLHttp", text)
    assert "default-src 'none'" in html.unescape(text)
    assert {link.removeprefix("#") for link in page.links} == set(page.ids)
    assert {"svg", "script", "style", "details"} <= page.tags


def test_there_is_a_section_for_every_protocol(folder):
    titles = [section.title for section in report_of(folder).sections]
    assert titles == [
        "Base to new, 16 shots",
        "Cross-dataset, 16 shots",
        "Domain generalization, 16 shots",
        "Few-shot, all classes, 1 shot",
        "Few-shot, all classes, 4 shots",
        "Several datasets together: general10, 16 shots",
    ]


def test_numbers_are_those_of_the_tally(folder, text):
    """Every mean and spread of the tally's tables stands in the page, under its dataset."""
    page, sections, checked = Page(text), report_of(folder).sections, 0
    for table in make_tables(load_runs(folder)):
        if len({each["shots"] for each in table.runs}) > 1:
            continue
        for section in sections:
            for method in section.methods:
                if method.csv != table.csv or method.experiment != table.experiment:
                    continue
                for measure in section.measures:
                    heads = [line.name.removeprefix("general10/") for line in section.lines]
                    found = [
                        dict(zip(heads, rows[method.label], strict=True))
                        for rows in tables_with(page, heads)
                        if method.label in rows
                    ]
                    for line in method.lines:
                        cell = table.cells.get((line.name, measure))
                        if cell is None:
                            continue
                        std = f"{cell.std:.2f}" if cell.count > 1 else ""
                        name = line.name.removeprefix("general10/")
                        shown = [numbers(rows[name]) for rows in found]
                        assert (f"{cell.mean:.2f}", std) in shown, (table.csv, line.name)
                        checked += 1
    assert checked == 40


def tables_with(page, heads):
    return [
        {row[0]: row[1:] for row in rows[1:]}
        for rows in page.tables
        if [head.rstrip("*") for head in rows[0][1:]] == heads
    ]


@pytest.mark.usefixtures("no_pictures")
def test_h_is_that_of_the_averages_and_the_mean_of_h_stands_beside_it(tmp_path):
    base_to_new(tmp_path / "coop", seeds=(1,))
    page = page_of(tmp_path)
    base, new = (80.37 + 81.37) / 2, (60.37 + 61.37) / 2
    row = page.table("method", "Base classes", "New classes", "H", "mean of H")["coop"]
    both = [2 * b * n / (b + n) for b, n in ((80.37, 60.37), (81.37, 61.37))]
    assert row == [f"{base:.2f}", f"{new:.2f}", f"{2 * base * new / (base + new):.2f}",
                   f"{sum(both) / 2:.2f}"]  # fmt: skip
    assert "of the two averages (the published convention)" in page.words


@pytest.mark.usefixtures("no_pictures")
def test_the_best_of_each_column_is_marked_only_among_several(tmp_path):
    base_to_new(tmp_path / "coop")
    assert "best" not in cells(html_of(tmp_path))
    base_to_new(tmp_path / "coop_dept", "CoOpDePT", gain=2)
    text = html_of(tmp_path)
    assert cells(text).count("best") == 4 + 3 * 3  # averages with mean of H; three measures
    best = re.findall(r"<tr><td class=\"name\">(\w+)</td><td class=\"number best\"", text)
    assert set(best) == {"coop_dept"}


def cells(text):
    return " ".join(re.findall(r'<td class="([^"]*)"', text)).split()


@pytest.mark.usefixtures("no_pictures")
def test_what_is_not_whole_is_said_and_never_best(tmp_path):
    base_to_new(tmp_path / "coop")
    base_to_new(tmp_path / "maple", "MaPLe", gain=5)
    missing = run_folder(tmp_path / "maple", "train_base", dataset="dtd", seed=2, trainer="MaPLe")
    (missing / "result.json").unlink()
    text = html_of(tmp_path)
    row = Page(text).table("method", "dtd", "eurosat", "average")["maple"]
    assert "[2 of 3 seeds]" in row[0]
    assert "[over 1 of 2]" in row[2]
    assert not re.search(r'best"[^>]*>[\d.]+<span[^>]*>[^<]*</span><span class="lack"', text)
    assert "maple: dtd base seed 2: missing" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_dataset_that_only_one_method_has_is_missing_in_the_other(tmp_path):
    base_to_new(tmp_path / "coop", datasets=("dtd", "eurosat"))
    base_to_new(tmp_path / "maple", "MaPLe", datasets=("dtd",))
    rows = page_of(tmp_path).table("method", "dtd", "eurosat", "average")
    assert rows["maple"][1] == "missing"
    assert "[over 1 of 2]" in rows["maple"][2]


def test_names_are_escaped_everywhere(tmp_path):
    evil = "<img src=x onerror=alert(1)>&\"'"
    base_to_new(tmp_path / f"a{evil}", datasets=(f"d{evil}",), seeds=(1, 2))
    folder = run_folder(tmp_path / f"a{evil}", "train_base", dataset="dtd")
    folder.mkdir(parents=True)
    (folder / "exceptions.txt").write_text(f"Traceback {evil}\n\x1b[31mKeyError: </pre>{evil}\n")
    page = page_of(tmp_path)
    assert "img" not in page.tags
    assert f"d{evil}" in page.words
    assert f"KeyError: </pre>{evil}" in page.words
    assert "\x1b" not in page.words


def test_a_failed_run_is_shown_with_its_reason_and_its_console(text):
    page = Page(text)
    row = page.table("state", "experiment", "run", "why", "console or folder")["failed"]
    assert row[:3] == ["coop", "CoOp eurosat base 16 shots seed 4", "ValueError: too deep & wide"]
    assert row[3].endswith("/console/train_base-CoOp-eurosat-shots16-vit_b16-seed4.txt")
    assert "seed 4: failed: ValueError: too deep & wide" in page.words


@pytest.mark.usefixtures("no_pictures")
def test_costs(tmp_path):
    base_to_new(tmp_path / "coop", datasets=("dtd",), seeds=(1,))
    result(run_folder(tmp_path / "coop", "train_base"), 80.0, peak_memory_mb=1100.0)
    row = page_of(tmp_path).table("method", "seconds per epoch")["coop"]
    assert row[0] == "5.00"  # 50 s in 10 epochs; the test trains nothing
    assert row[1:3] == ["1,000 [900 to 1,100]", "2,048"]
    assert row[3:5] == ["250.0", "2"]  # 1000 images in 4 s


def test_what_a_methods_runs_have_alike_stands_below_them(text):
    words = Page(text).words
    assert "The same for all: cfg vit_b16, epochs 10, settings OPTIM.MAX_EPOCH 7" in words
    assert "commit abc, backbone ViT-B/16, precision amp." in words


@pytest.mark.usefixtures("no_pictures")
def test_a_split_that_is_not_published_is_marked_and_stands_beside_nothing(tmp_path):
    base_to_new(tmp_path / "coop")
    more = {"split_note": "made by prepare", "subsample_classes": "new"}
    run(tmp_path / "coop", 60.0, "test_new", dataset="dtd", seed=1, more=more)
    page = page_of(tmp_path)
    assert page.table("method", "dtd*", "eurosat", "average*")
    assert "the split is not a published one" in page.words
    (rows,) = [rows for rows in page.tables if rows[0][:3] == ["method", "source", "row"]]
    assert {row[2] for row in rows[1:]} == {"eurosat"}


def test_dept_variants_stand_against_their_plain_method(folder, text):
    section = report_of(folder).sections[0]
    assert [(a.label, b.label) for a, b in pairs(section)] == [("coop_dept", "coop")]
    assert [(a.label, b.label) for a, b in pairs(section, "coop_dept")] == [("coop", "coop_dept")]
    words = Page(text).words
    assert "coop_dept against coop" in words
    assert "+1.25" in words
    assert "coop against coop_dept" in page_of(folder, baseline="CoOpDePT").words


def test_curves_stand_once_where_there_are_several_shots(text):
    page = Page(text)
    assert page.words.count("Accuracy over shots") == 1
    assert page.words.count("dtd: accuracy over shots") == 1


def test_one_experiment_with_a_yaml_for_some_datasets_is_one_method(tmp_path):
    run(tmp_path / "coop", 70.0, "train_all", dataset="dtd", shots=4, cfg="ep100")
    run(tmp_path / "coop", 60.0, "train_all", dataset="imagenet", shots=4, cfg="ep50")
    (section,) = report_of(tmp_path).sections
    (method,) = section.methods
    assert {run["cfg"] for run in method.runs} == {"ep100+ep50"}
    assert method.cells["average", "accuracy"].mean == 65.0
    run(tmp_path / "coop", 61.0, "train_all", dataset="dtd", shots=4, cfg="ep50")
    (section,) = report_of(tmp_path).sections
    assert [method.label for method in section.methods] == ["CoOp ep100", "CoOp ep50"]


def test_zero_shot_stands_beside_the_others_at_every_number_of_shots(tmp_path):
    for shots in (4, 16):
        run(tmp_path / "coop", 70.0, "train_base", dataset="dtd", shots=shots)
    run(tmp_path / "zsclip", 55.0, "test_base", dataset="dtd", trainer="ZeroshotCLIP")
    labels = [[m.label for m in section.methods] for section in report_of(tmp_path).sections]
    assert labels == [["zsclip", "coop"], ["zsclip", "coop"]]


@pytest.mark.usefixtures("no_pictures")
def test_demo_results_are_apart_and_have_no_published_figures(tmp_path):
    base_to_new(tmp_path / "coop")
    base_to_new(tmp_path / "demo/coop", datasets=("demo_shapes",))
    report = report_of(tmp_path)
    assert [section.title for section in report.sections][1] == "Base to new, 16 shots (demo)"
    assert compare(report.sections[1]) == []
    words = page_of(tmp_path).words
    assert "Demo results have no published figures to stand beside." in words


@pytest.mark.usefixtures("no_pictures")
def test_folders_of_scripts(tmp_path):
    for trainer in ("MaPLe", "IVLP"):
        for step in ("train_base", "test_new"):
            log(tmp_path / f"output/base2new/{step}/dtd/shots_16/{trainer}/c2/seed1", 81.5)
    assert set(page_of(tmp_path).table("method", "Base classes")) == {"MaPLe", "IVLP"}


def test_the_runs_behind_a_number_are_a_click_away(text):
    page = Page(text)
    assert "runs-b2n-16-0" in page.ids
    assert text.count('<a href="#runs-b2n-16-0">80.74</a>') == 1
    rows = next(r for r in page.tables if r[0][:4] == ["dataset", "classes", "seed", "accuracy"])
    assert ["dtd", "base", "1", "80.37"] in [row[:4] for row in rows]


@pytest.mark.usefixtures("no_pictures")
def test_a_paired_test_stands_below_the_differences(tmp_path):
    base_to_new(tmp_path / "coop", datasets=("dtd", "eurosat", "food101"))
    base_to_new(tmp_path / "coop_dept", "CoOpDePT", gain=1, datasets=("dtd", "eurosat", "food101"))
    folder = run_folder(tmp_path / "coop_dept", "train_base", "dtd", trainer="CoOpDePT")
    result(folder, 90.0, trainer="CoOpDePT")
    assert re.search(r"coop_dept against coop: p = 0\.\d{3}, 3 datasets", page_of(tmp_path).words)
