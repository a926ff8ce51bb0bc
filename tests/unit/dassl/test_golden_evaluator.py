"""Accuracy, F1, per-class results, confusion matrix."""

import json

import numpy as np
import pytest
import torch

from dassl.config import get_cfg_default
from dassl.evaluation import build_evaluator
from dassl.metrics import compute_accuracy, compute_distance_matrix
from tests.unit.dassl.toy import GOLDEN

FACTS = json.loads((GOLDEN / "evaluator.json").read_text())
NAMES = {label: f"class {label}" for label in range(5)}


def arrays(case):
    if "logits" in case:
        return torch.tensor(case["logits"]), torch.tensor(case["labels"])
    stored = np.load(GOLDEN / "evaluator.npz")
    return tuple(torch.from_numpy(stored[f"evaluator_{name}"]) for name in ("logits", "labels"))


def make(tmp_path, per_class=False, cmat=False, lab2cname=NAMES):
    cfg = get_cfg_default()
    cfg.OUTPUT_DIR = str(tmp_path)
    cfg.TEST.PER_CLASS_RESULT, cfg.TEST.COMPUTE_CMAT = per_class, cmat
    return build_evaluator(cfg, lab2cname=lab2cname)


@pytest.mark.parametrize("case", FACTS["cases"], ids=lambda c: f"{c['n']}-{c['per_class']}")
def test_results_and_printed_text(case, tmp_path, capsys):
    evaluator = make(tmp_path, case["per_class"], case["cmat"])
    logits, labels = arrays(case)
    for start in range(0, case["n"], case["batch"]):
        evaluator.process(
            logits[start : start + case["batch"]], labels[start : start + case["batch"]]
        )
    results = evaluator.evaluate()
    assert list(results) == case["order"]
    assert results == pytest.approx(case["results"], rel=1e-9)
    assert capsys.readouterr().out == case["printed"].replace("<OUT>", str(tmp_path))
    if case["cmat"]:
        matrix = torch.load(tmp_path / "cmat.pt", weights_only=False)
        np.testing.assert_allclose(matrix, case["confusion"], rtol=1e-9)


def test_classes_without_images_keep_their_row(tmp_path):
    evaluator = make(tmp_path, cmat=True)
    evaluator.process(torch.eye(5)[[0, 4]], torch.tensor([0, 4]))
    evaluator.evaluate()
    matrix = torch.load(tmp_path / "cmat.pt", weights_only=False)
    assert np.array_equal(matrix, np.diag([1.0, 0, 0, 0, 1.0]))


def test_reset_forgets(tmp_path):
    evaluator = make(tmp_path)
    evaluator.process(torch.eye(5), torch.zeros(5, dtype=torch.long))
    evaluator.reset()
    evaluator.process(torch.eye(5), torch.arange(5))
    assert evaluator.evaluate()["accuracy"] == 100.0


def test_no_images_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ValueError, match="no image to evaluate"):
        make(tmp_path).evaluate()


def test_per_class_results_need_names(tmp_path):
    with pytest.raises(AssertionError, match="lab2cname"):
        make(tmp_path, per_class=True, lab2cname=None)


def test_compute_accuracy():
    logits, labels = arrays(FACTS["cases"][0])
    top1, top2 = compute_accuracy((logits[2:], None), labels[2:], topk=(1, 2))
    assert [top1.tolist()] == FACTS["compute_accuracy_top1_rows_from_2"]
    assert top2.item() == FACTS["compute_accuracy_top2_meant_rows_from_2"]


def test_distances():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0]])
    assert compute_distance_matrix(a, b).tolist() == [[4.0], [13.0]]
    assert compute_distance_matrix(a, b, "cosine").tolist() == [[0.0], [1.0]]
    with pytest.raises(ValueError, match="not one of"):
        compute_distance_matrix(a, b, "manhattan")
