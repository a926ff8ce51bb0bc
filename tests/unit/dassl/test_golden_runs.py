"""Whole runs against those of the public engine; tests/golden/README.md says how it was run."""

import json
import re

import pytest
import torch

from tests.unit.dassl.toy import (
    GOLDEN,
    golden_arguments,
    golden_options,
    lines_after_config,
    logged_run,
    make_config,
)


def run(log_name, images, output_dir, action):
    trainer = golden_arguments(log_name)["trainer"]
    cfg = make_config(images, output_dir, golden_options(log_name), trainer=trainer)
    return logged_run(cfg, action)


def losses(line):
    return [float(n) for pair in re.findall(r"loss ([\d.]+) \(([\d.]+)\)", line) for n in pair]


def assert_same_lines(ours, golden):
    """Equal but for the numbers after `loss`, which may differ by 1e-3."""
    assert len(ours) == len(golden), "\n".join(ours)
    for mine, theirs in zip(ours, golden, strict=True):
        assert losses(mine) == pytest.approx(losses(theirs), abs=1e-3)
        assert re.sub(r"loss \S+ \S+", "", mine) == re.sub(r"loss \S+ \S+", "", theirs)


@pytest.mark.parametrize("name", ["last_step", "per_class", "best_val"])
def test_log_of_a_training_run(name, images, tmp_path):
    log_name = f"log_{name}.txt"
    run(log_name, images, tmp_path, lambda trainer: trainer.train())
    ours = lines_after_config((tmp_path / "log.txt").read_text(), {tmp_path: "<OUT>"})
    assert_same_lines(ours, lines_after_config((GOLDEN / log_name).read_text(), {}))


def test_batches_weights_and_scalars_of_the_last_step_run(images, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    golden = json.loads((GOLDEN / "run.json").read_text())
    trainer = run("log_last_step.txt", images, tmp_path, lambda trainer: trainer.train())
    assert trainer.seen == golden["seen"]
    weights = trainer.model.state_dict()
    assert weights["1.weight"].sum().item() == pytest.approx(golden["final_weight_sum"], rel=1e-4)
    assert weights["1.bias"].tolist() == pytest.approx(golden["final_bias"], rel=1e-4, abs=1e-6)

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == set(golden["tensorboard"])
    for tag, expected in golden["tensorboard"].items():
        found = [[event.step, event.value] for event in events.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in expected]
        values = [value for _, value in expected]
        assert [value for _, value in found] == pytest.approx(values, rel=1e-4)
    assert trainer.test_record.split == "test" and trainer.test_record.num_images == 15
    assert list(trainer.test_record.results) == ["accuracy", "error_rate", "macro_f1"]


def describe(value):
    """A checkpoint's content in the words of checkpoints.json."""
    if torch.is_tensor(value):
        return f"tensor {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, dict):
        return {str(key): describe(entry) for key, entry in value.items()}
    return [describe(entry) for entry in value] if isinstance(value, list | tuple) else value


def assert_like(found, golden, where=""):
    if golden == "object CosineAnnealingLR":
        assert {"T_max", "base_lrs", "last_epoch"} <= set(found), where
    elif isinstance(golden, dict):
        assert set(found) == set(golden), where
        for key in golden:
            assert_like(found[key], golden[key], f"{where}/{key}")
    elif isinstance(golden, float) or (isinstance(golden, list) and golden and where[-2:] == "lr"):
        assert found == pytest.approx(golden, rel=1e-9), where
    else:
        assert found == golden, where


@pytest.fixture(scope="module")
def best_val(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("best_val")
    pointers = []

    def train(trainer):
        after_epoch = trainer.after_epoch

        def note():
            after_epoch()
            pointer = (folder / "linear" / "checkpoint").read_text().strip()
            pointers.append([trainer.epoch + 1, pointer, trainer.best_result])

        trainer.after_epoch = note
        trainer.train()

    return run("log_best_val.txt", images, folder, train), folder, pointers


def test_files_and_checkpoints_of_the_best_val_run(best_val):
    _, folder, pointers = best_val
    golden = json.loads((GOLDEN / "checkpoints.json").read_text())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    expected = {name for name in golden["files"] if not name.startswith("tensorboard")}
    assert {name for name in files if not name.startswith("tensorboard")} == {
        *expected,
        "resume.pth.tar",
    }
    assert pointers == golden["pointer_after_each_epoch"]
    for name, content in golden["checkpoints"].items():
        found = torch.load(folder / name, weights_only=True)
        assert_like(describe(found), content, name)


def test_eval_only_log(best_val, images, tmp_path):
    _, folder, _ = best_val

    def evaluate(trainer):
        trainer.load_model(str(folder))
        trainer.test()

    run("log_eval_only.txt", images, tmp_path, evaluate)
    text = (tmp_path / "log.txt").read_text()
    ours = lines_after_config(text, {folder: "<MODEL_DIR>"})
    golden = lines_after_config((GOLDEN / "log_eval_only.txt").read_text(), {})
    assert_same_lines(ours, golden)


def test_a_numbered_epoch_loads_and_says_its_epoch(best_val, images, tmp_path, capsys):
    _, folder, _ = best_val
    for epoch, shown in ((4, 4), (-1, 5)):
        run("log_eval_only.txt", images, tmp_path, lambda t, e=epoch: t.load_model(str(folder), e))
        assert f"to linear (epoch={shown})" in capsys.readouterr().out
