"""Logger, meters, files, discovery, environment."""

import logging
import os
import random
import sys
import time

import numpy as np
import pytest
import torch

from dassl.data.samplers import build_sampler
from dassl.utils import (
    AverageMeter,
    Logger,
    MetricMeter,
    collect_env_info,
    count_num_param,
    get_most_similar_str_to_a_from_b,
    listdir_nohidden,
    log_to_stdout,
    open_all_layers,
    open_specified_layers,
    read_json,
    set_random_seed,
    setup_logger,
    tolist_if_not,
    write_json,
)
from dassl.utils.discovery import import_modules


def test_log_file_names_never_clash(tmp_path):
    loggers = [setup_logger(tmp_path) for _ in range(4)]
    for number, logger in enumerate(loggers):
        logger.write(f"{number}\n")
    for logger in reversed(loggers):
        logger.close()
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 4 and names[0] == "log.txt"
    assert sorted((tmp_path / name).read_text() for name in names) == [f"{n}\n" for n in range(4)]


def test_logger_writes_to_both_and_leaves_the_console_open(tmp_path, capsys):
    console = sys.stdout
    logger = setup_logger(tmp_path / "run.log")
    assert sys.stdout is logger
    print("one")
    logging.getLogger("dassl.any").info("two")
    logger.flush()
    logger.close()
    assert sys.stdout is console and not console.closed
    del logger
    print("three")
    assert (tmp_path / "run.log").read_text() == "one\ntwo\n"
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_logger_stands_for_a_stream(tmp_path):
    logger = Logger(tmp_path / "a.txt")
    assert logger.encoding == sys.stdout.encoding and logger.isatty() == sys.stdout.isatty()
    with logger:
        pass
    assert setup_logger(None) is None


def test_messages_appear_once(capsys):
    for _ in range(3):
        log_to_stdout("some_library")
    logging.getLogger("some_library.part").info("hello")
    assert capsys.readouterr().out == "hello\n"


def test_average_meter():
    meter = AverageMeter()
    meter.update(1.0)
    meter.update(torch.tensor([4.0], dtype=torch.half, requires_grad=True), n=2)
    assert (meter.val, meter.avg, meter.sum, meter.count) == (4.0, 3.0, 9.0, 3)
    smooth = AverageMeter(ema=True)
    smooth.update(1.0)
    smooth.update(2.0)
    assert smooth.avg == pytest.approx(0.29)


def test_metric_meter_keeps_order_and_refuses_other_types():
    meter = MetricMeter()
    meter.update(None)
    meter.update({"loss": torch.tensor(1.0), "acc": 50})
    meter.update({"loss": torch.tensor(2.0), "acc": 100.0})
    assert str(meter) == "loss 2.0000 (1.5000) acc 100.0000 (75.0000)"
    with pytest.raises(TypeError, match="forward_backward must return a dictionary"):
        meter.update(torch.tensor(1.0))


def test_metric_meter_is_not_moved_by_later_changes():
    loss = torch.tensor(1.0, dtype=torch.float64)
    meter = MetricMeter()
    meter.update({"loss": loss})
    loss.add_(5)
    assert meter.meters["loss"].avg == 1.0


def test_json_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json({"a": [1]}, "bare.json")
    assert (tmp_path / "bare.json").read_text() == '{\n    "a": [\n        1\n    ]\n}'
    write_json({"b": 2}, tmp_path / "new" / "x.json")
    assert read_json(tmp_path / "new" / "x.json") == {"b": 2}
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(OSError, match=r"bad\.json is not a whole JSON file"):
        read_json(tmp_path / "bad.json")


def test_listdir_and_lists(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).touch()
    assert listdir_nohidden(tmp_path, sort=True) == ["a", "b"]
    assert tolist_if_not(3) == [3] and tolist_if_not([3]) == [3]
    assert get_most_similar_str_to_a_from_b("abc", ["xbc", "abx"]) == "abx"


def test_seed_sets_all_generators():
    draws = []
    for _ in range(2):
        set_random_seed(5)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_environment_is_quick_and_names_versions():
    collect_env_info()
    start = time.perf_counter()
    text = collect_env_info()
    assert time.perf_counter() - start < 0.3
    assert torch.__version__ in text and "Pillow" in text


def test_discovery_reports_broken_modules(tmp_path, monkeypatch):
    package = tmp_path / "some_methods"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__", "inner/__init__", "_private"):
        (package / f"{name}.py").write_text("" if name != "_private" else "1 / 0")
    (package / "good.py").write_text("VALUE = 1")
    (package / "broken.py").write_text("import no_such_module_here")
    monkeypatch.syspath_prepend(str(tmp_path))
    (broken,) = import_modules("some_methods")
    assert broken.name == "some_methods.broken" and broken.path == str(package / "broken.py")
    assert broken.error == "ModuleNotFoundError: No module named 'no_such_module_here'"
    assert sys.modules["some_methods.good"].VALUE == 1
    assert "some_methods._private" not in sys.modules and "some_methods.inner" not in sys.modules


def test_layers_open_and_close():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    open_specified_layers(model, "1")
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert not model[0].training and model[1].training
    open_all_layers(model)
    assert all(p.requires_grad for p in model.parameters())
    assert count_num_param(model) == 13 and count_num_param(params=model[1].parameters()) == 4
    with pytest.raises(AssertionError, match="no layer head"):
        open_specified_layers(model, ["head"])
    with pytest.raises(ValueError, match="needs a model"):
        count_num_param()


def test_unknown_sampler():
    with pytest.raises(ValueError, match="RandomClassSampler"):
        build_sampler("Random", data_source=[1])
