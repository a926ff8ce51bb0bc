"""The data of published accuracies, and how a trainer of ours finds its rows."""

import csv

import pytest

import configs
from runner.show.published_figures import AVERAGE, FOLDER, find

TABLES = sorted(FOLDER.glob("*.csv"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_row_is_a_percentage_with_a_source(path):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 24
    for row in rows:
        assert row["source"].strip()
        values = [row[name] for name in ("base", "new", "hm", "accuracy") if row.get(name)]
        assert values
        assert all(0 < float(value) <= 100 for value in values)


def test_the_figures_that_papers_quote():
    for mode, trainer, row, measure, value in (
        ("b2n", "CoOp", AVERAGE, "new", 63.22),
        ("b2n", "CoOpDePT", AVERAGE, "base", 83.66),
        ("b2n", "ZeroshotCLIP", "imagenet", "H", 70.22),
        ("b2n", "PromptSRC", AVERAGE, "H", 79.97),
        ("b2n", "TCP", AVERAGE, "H", 79.51),
        ("b2n", "MMRLpp", "eurosat", "new", 84.17),
        ("xd", "CoOp", "caltech101", "accuracy", 93.70),
        ("dg", "ZeroshotCLIP", "imagenet_sketch", "accuracy", 46.15),
    ):
        assert find(mode, trainer, 16)[0].values[row, measure] == value


def test_names_of_sources():
    names = [source.name for source in find("b2n", "VPT", 16)]
    assert names == ["VPT (re-run in DePT)", "VPT deep (5 epochs; 4 ctx)"]
    assert [source.name for source in find("b2n", "CLIPAdapterDePT", 16)] == ["CLIP-Adapter+DePT"]
    assert [source.name for source in find("b2n", "PromptSRC", 16)] == [
        *("PromptSRC", "PromptSRC (re-run in DePT)", "PromptSRC (re-run in DPC)")
    ]
    assert len(find("b2n", "IVLP", 16)) == 2
    assert [source.name for source in find("b2n", "MMRL", 16)] == [
        *("MMRL (re-run in AlignedNorm)", "MMRL")
    ]


def test_averages_at_fewer_shots():
    plain = find("b2n", "CoOp", 4)
    assert [source.name for source in plain] == ["CoOp (re-run in DePT)"]
    assert plain[0].values == {(AVERAGE, "base"): 77.3, (AVERAGE, "new"): 70.95,
                               (AVERAGE, "H"): 73.7}  # fmt: skip


def test_zero_shot_is_the_same_at_any_number_of_shots():
    assert find("b2n", "ZeroshotCLIP", 0) == find("b2n", "ZeroshotCLIP", 16) != []
    one = find("mt", "ZeroshotCLIP", 16, joint="general10")[0]
    assert one.values[AVERAGE, "accuracy"] == 58.29


def test_another_backbone_is_not_set_beside_runs():
    with (FOLDER / "few_shot.csv").open(encoding="utf-8", newline="") as file:
        backbones = {r["backbone"] for r in csv.DictReader(file) if r["method"] == "Tip-Adapter-F"}
    assert backbones == {"RN50"} and find("fs", "TipAdapterF", 16) == []


def test_what_is_not_published_is_nothing():
    assert find("b2n", "SoftCPT", 16) == []
    assert find("b2n", "CoOp", 3) == []
    assert find("b2n", "ZeroshotCLIP2", 16) == []
    assert find("fs", "CoOpDePT", 16) == []
    assert find("mt", "SoftCPTDePT", 16, joint="general10", part="NATA") == []
    assert find("mt", "SoftCPT", 16, joint="general10") == []
    assert find("xd", "LinearProbe", 16) == []


def test_the_page_names_the_rows_whose_h_does_not_fit():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in TABLES:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("hm"):
                    base, new = float(row["base"]), float(row["new"])
                    if abs(float(row["hm"]) - 2 * base * new / (base + new)) > 0.02:
                        assert f"{row['method']}, {row.get('dataset', row.get('shots'))}" in page


def test_most_trainers_of_the_project_find_something():
    trainers = {configs.get_config(name)["train"]["trainer"] for name in configs.experiments()}
    found = {trainer for trainer in trainers if find("b2n", trainer, 16)}
    plain = {"ZeroshotCLIP", "CoOp", "CoCoOp", "KgCoOp", "MaPLe", "PromptSRC", "IVLP", "VPT"}
    assert found >= plain | {
        "ProGrad",
        "CLIPAdapter",
        "TCP",
        "MMA",
        "MMRL",
        "CoPrompt",
        "CoOpDePT",
        "MaPLeDePT",
        "PromptSRCDePT",
    }
