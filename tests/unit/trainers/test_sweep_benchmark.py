"""The benchmark of a sweep's tests: its methods, its pictures, what it makes of the figures."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import sweep_tests
from dassl.engine import TRAINER_REGISTRY
from tests.support.command import PROJECT


def side(seconds, opened, waited):
    return {"seconds": seconds, "cpu": 2 * seconds, "opened": opened, "waited": waited}


def test_every_method_and_its_yaml_are_there():
    for name, yaml in sweep_tests.YAMLS.items():
        assert TRAINER_REGISTRY.get(name)
        assert (PROJECT / f"configs/trainers/{yaml}.yaml").is_file()


def test_sums_ratios_and_shares_are_over_all_tests(capsys):
    rows = [
        {"trainer": "CoOp", "base": side(30.0, 10, 3.0), "this": side(4.0, 10, 0.5)},
        {"trainer": "MaPLe", "base": side(10.0, 10, 1.0), "this": side(1.0, 0, 0.0)},
    ]
    line = sweep_tests.summary("frozen", rows)
    assert (line["base_seconds"], line["this_seconds"], line["ratio"]) == (40.0, 5.0, 8.0)
    assert line["cpu_ratio"] == 8.0
    shares = sweep_tests.reading(rows)
    assert shares["base"] == {"opened": 20, "waiting_share": pytest.approx(0.1)}
    assert shares["this"] == {"opened": 10, "waiting_share": pytest.approx(0.1)}
    said = capsys.readouterr().out
    assert "tests 40.0 s, 5.0 s: 8.0 times less" in said
    assert "10 images opened, 10.00 % of the tests waiting" in said


def test_pictures_are_dealt_out_evenly_and_validation_images_are_tested(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_tests, "WIDTH", 40)
    monkeypatch.setattr(sweep_tests, "HEIGHT", 30)
    monkeypatch.setattr(sweep_tests.clip, "CLIP", lambda dims: SimpleNamespace(state_dict=dict))
    args = SimpleNamespace(base=tmp_path, images=12, classes=4)
    sweep_tests.Bench(tmp_path, args).prepare()
    split = json.loads(next(tmp_path.rglob("split_zhou_*.json")).read_text())
    assert {name: len(items) for name, items in split.items()} == {"train": 4, "val": 4, "test": 12}
    assert all(item in split["test"] for item in split["val"])
    assert {label for _, label, _ in split["test"]} == {0, 1, 2, 3}
    assert not {name for name, *_ in split["train"]} & {name for name, *_ in split["test"]}
