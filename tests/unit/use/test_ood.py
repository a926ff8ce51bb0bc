"""Scores of out-of-distribution detection, and how well they tell."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_curve

from dassl.utils.errors import UserError
from use.ood import SCORES, compare, detection
from use.predictions import Predictions

COSINES = np.array([[0.30, 0.10, 0.05], [0.20, 0.19, 0.18]])


def predictions(cosines=COSINES, scale=100.0, names=("a", "b", "c")):
    paths = tuple(map(str, range(len(cosines))))
    labels = np.full(len(cosines), -1)
    about = {"logit_scale": scale}
    return Predictions(paths, labels, (scale or 100.0) * np.array(cosines), names, about)


def test_scores_by_their_formulas():
    found = predictions()
    assert SCORES["msp"](found) == pytest.approx(softmax(100 * COSINES, axis=1).max(axis=1))
    assert SCORES["mcm"](found) == pytest.approx(softmax(COSINES, axis=1).max(axis=1))
    expected = np.log(np.exp(100 * COSINES).sum(axis=1))
    assert SCORES["energy"](found) == pytest.approx(expected)


def test_detection_by_hand():
    inside, outside = np.array([4.0, 3.0, 2.0, 1.0]), np.array([2.5, 0.5])
    # 2.5 lies under two of four and 0.5 under all; all four pass where at least 95% have to
    assert detection(inside, outside) == pytest.approx({"auroc": 75.0, "fpr95": 50.0})
    twenty = np.arange(20.0)
    assert detection(twenty, np.array([0.5, 1.0]))["fpr95"] == 50  # the threshold is 1


def test_the_rates_are_those_of_the_roc_curve():
    generator = np.random.default_rng(2)
    inside, outside = generator.normal(1, 1, 400), generator.normal(0, 1, 300)
    truth = np.repeat([1, 0], [400, 300])
    false, true, _ = roc_curve(truth, np.concatenate([inside, outside]), drop_intermediate=False)
    expected = 100 * false[np.argmax(true >= 0.95)]
    assert detection(inside, outside)["fpr95"] == pytest.approx(expected)


def test_all_scores_that_apply_are_compared():
    assert set(compare(predictions(), predictions())) == {"msp", "mcm", "energy"}
    fused = predictions(scale=None)
    assert set(compare(fused, fused)) == {"msp", "energy"}
    with pytest.raises(UserError, match="mcm: the logits are not CLIP's cosines alone"):
        compare(fused, fused, ["mcm"])


def test_files_of_other_classes_or_no_picture_are_refused():
    with pytest.raises(UserError, match="other classes"):
        compare(predictions(), predictions(names=("a", "b", "d")))
    with pytest.raises(UserError, match="of no picture"):
        compare(predictions(), predictions(cosines=np.empty((0, 3))))
