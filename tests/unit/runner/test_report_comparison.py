"""Runs beside published figures: which, by how much, and whether within the seeds' interval."""

import pytest

from runner.show.page.comparison import compare, published_rows
from runner.show.published_figures import find
from tests.unit.runner.report_pages import base_to_new, html_of, page_of, report_of, run

ELEVEN = published_rows("b2n")
pytestmark = pytest.mark.usefixtures("no_pictures")


def sources(folder):
    found = dict.fromkeys((each.method.label, each.source.name) for each in pairs(folder))
    return list(found)


def pairs(folder):
    return compare(report_of(folder).sections[0])


def pair(folder, line, measure):
    """Beside the first source."""
    return next(p for p in pairs(folder) if (p.line.name, p.measure) == (line, measure))


HEADS = ("method", "source", "row", "measure", "ours", "published", "difference", "within")


def test_every_source_of_a_method_stands_beside_it(tmp_path):
    base_to_new(tmp_path / "coop", datasets=ELEVEN)
    base_to_new(tmp_path / "coop_dept", "CoOpDePT", datasets=("dtd",))
    assert sources(tmp_path) == [
        ("coop", "CoOp"),
        ("coop", "CoOp (re-run in DePT)"),
        ("coop", "CoOp (re-run in DPC)"),
        ("coop", "CoOp (KgCoOp paper)"),
        ("coop_dept", "CoOp+DePT"),
    ]


def test_names_break_where_a_table_is_wide(tmp_path):
    base_to_new(tmp_path / "coop", datasets=ELEVEN)
    page = html_of(tmp_path)
    assert '<td class="name" title="' in page
    assert ".wide td.name { white-space: normal; overflow-wrap: anywhere;" in page


def test_the_difference_and_the_interval(tmp_path):
    """Of CoOp's 82.69 for base: three seeds about it, and the same seeds a point higher."""
    for gain, within in ((0.0, True), (1.0, False)):
        folder = tmp_path / str(gain)
        for dataset in ELEVEN:
            for seed, off in ((1, -0.1), (2, 0.0), (3, 0.1)):
                value = 82.79 + gain + off
                run(folder / "coop", value, dataset=dataset, seed=seed)
        found = pair(folder, "average", "base")
        assert found.published == 82.69
        assert found.difference == pytest.approx(0.1 + gain)
        assert found.ours.interval == pytest.approx(4.3027 * 0.1 / 3**0.5, abs=1e-4)
        assert found.within is within
        assert page_of(folder).table(*HEADS)["coop"] == [
            *("CoOp", "average", "base"),
            f"{82.79 + gain:.2f} ± 0.08",
            "82.69",
            f"+{0.1 + gain:.2f}",
            f"{'yes' if within else 'no'} (± 0.25)",
        ]


def test_one_seed_says_nothing_of_the_interval(tmp_path):
    base_to_new(tmp_path / "coop", datasets=("dtd",), seeds=(1,))
    assert pair(tmp_path, "dtd", "base").within is None
    assert "one seed" in page_of(tmp_path).words


def test_averages_over_other_datasets_stand_beside_nothing(tmp_path):
    base_to_new(tmp_path / "coop", datasets=ELEVEN[:10])
    assert pair(tmp_path, "dtd", "base")
    assert not any(each.line.average for each in pairs(tmp_path))


def test_other_backbones_and_validation_images_stand_beside_nothing(tmp_path):
    run(tmp_path / "a/coop", 80.0, dataset="dtd", backbone="RN50")
    run(tmp_path / "b/coop", 80.0, dataset="dtd", more={"split": "val"})
    run(tmp_path / "c/coop", 80.0, dataset="dtd", shots=2)
    for name in "abc":
        assert sources(tmp_path / name) == []
    assert "no figures for this setting" in page_of(tmp_path / "a").words
    assert "coop: measured on val images." in page_of(tmp_path / "b").words


def test_shots_of_the_few_shot_tables(tmp_path):
    for shots, expected in ((1, 66.33), (4, 68.73)):
        run(tmp_path / f"{shots}/coop", 70.0, "train_all", dataset="imagenet", shots=shots)
        assert pair(tmp_path / str(shots), "imagenet", "accuracy").published == expected


def test_joint_datasets_by_the_configuration_of_the_run(tmp_path):
    tasks = [{"name": "a", "dataset": "dtd", "metric": 61.0}] * 2
    place = {"dataset": "general10", "trainer": "SoftCPT", "backbone": "RN50"}
    run(tmp_path / "x", 66.0, "train_all", more={"tasks": tasks}, **place)
    found = pair(tmp_path, "general10/average", "accuracy")
    assert found.source.name == "SoftCPT-NATS"
    (expected,) = find("mt", "SoftCPT", 16, joint="general10", part="NATS")
    assert found.published == expected.values["average", "accuracy"]
