"""Figures of saved predictions against scikit-learn's and against sums by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.metrics import brier_score_loss

from dassl.utils.errors import UserError
from use.calibration import fit_temperature
from use.measures import (
    by_class,
    confidences,
    confusion,
    equal_mass,
    equal_width,
    log_probabilities,
    measures,
)
from use.predictions import Predictions
from use.report import make_report, write_report

NAMES = ("bee", "cat", "dog", "emu", "fox", "gnu", "hen")


def predictions(number=200, seed=3, scale=3.0, names=NAMES, prefix="test", **about):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(names) - 1, number)  # no picture of the last class
    logits = generator.normal(size=(number, len(names)))
    logits[np.arange(number), labels] += 1
    paths = tuple(f"{prefix}/{place}.png" for place in range(number))
    return Predictions(paths, labels, (scale * logits).astype(np.float32), names, about)


def of_probabilities(rows, labels):
    """Predictions of the given probabilities [N, C]."""
    names = NAMES[: len(rows[0])]
    logits = np.log(np.maximum(np.array(rows), 1e-300))
    return Predictions(tuple(map(str, range(len(rows)))), np.array(labels), logits, names)


def test_accuracy_f1_and_likelihood_are_scikit_learns():
    found = predictions()
    figures, every = measures(found), np.arange(len(NAMES))
    probabilities = np.exp(log_probabilities(found.logits))
    predicted, seen = found.logits.argmax(axis=1), np.unique(found.labels)
    expected = {
        "accuracy": 100 * metrics.accuracy_score(found.labels, predicted),
        "top5_accuracy": 100
        * metrics.top_k_accuracy_score(found.labels, found.logits, k=5, labels=every),
        "macro_f1": 100 * metrics.f1_score(found.labels, predicted, labels=seen, average="macro"),
        "mean_class_accuracy": 100 * metrics.balanced_accuracy_score(found.labels, predicted),
        "nll": metrics.log_loss(found.labels, probabilities, labels=every),
        "brier": sum(brier_score_loss(found.labels == c, probabilities[:, c]) for c in every),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_a_confidence_of_one_belongs_to_the_last_bin():
    """0.95 right and 1.0 wrong stand in one bin: |0.5 - 0.975| = 0.475."""
    found = of_probabilities([[0.0, 1.0], [0.95, 0.05]], [0, 0])
    assert measures(found)["ece"] == pytest.approx(0.475)
    bins = equal_width(np.array([1.0, 0.95]), np.array([False, True]))
    assert bins.counts.tolist() == [0] * 14 + [2] and len(bins.edges) == 16


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    confidence = np.array([0.0, 0.2, 0.2000001, 0.4, 0.6, 0.8, 1.0])
    bins = equal_width(confidence, np.zeros(7, dtype=bool), 5)
    assert bins.counts.tolist() == [2, 2, 1, 1, 1]
    tenths = np.arange(1, 11) / 10
    assert equal_width(tenths, tenths > 0, 10).counts.tolist() == [1] * 10


def test_calibration_error_by_hand():
    confidence = np.array([0.55, 0.65, 0.95, 0.99])
    correct = np.array([True, False, True, True])
    wide = equal_width(confidence, correct, 2)  # all above 0.5
    assert wide.expected_error() == pytest.approx(abs(0.75 - 0.785))
    halves = equal_mass(confidence, correct, 2)
    assert halves.counts.tolist() == [2, 2]
    assert halves.expected_error() == pytest.approx((abs(0.5 - 0.6) + abs(1 - 0.97)) / 2)
    assert equal_width(confidence, correct, 10).largest_error() == pytest.approx(0.65)


def test_equal_mass_gives_the_rest_to_the_first_bins():
    bins = equal_mass(np.linspace(0.3, 0.9, 17), np.ones(17, dtype=bool), 5)
    assert bins.counts.tolist() == [4, 4, 3, 3, 3] and bins.edges[-1] == 1


def test_more_bins_than_pictures_are_no_error():
    found = of_probabilities([[0.7, 0.3]], [1])
    assert measures(found)["ece_adaptive"] == pytest.approx(0.7)


def test_of_equal_logits_the_first_class_wins_everywhere():
    found = Predictions(("a",), np.array([6]), np.zeros((1, 7), np.float32), NAMES)
    assert (measures(found)["accuracy"], measures(found)["top5_accuracy"]) == (0, 0)
    first = Predictions(("a",), np.array([4]), np.zeros((1, 7), np.float32), NAMES)
    assert (measures(first)["accuracy"], measures(first)["top5_accuracy"]) == (0, 100)


def test_sharp_logits_give_finite_figures():
    found = predictions(scale=1e4)
    assert np.isfinite(list(measures(found).values())).all()


def test_classes_and_confusion_agree():
    found = predictions()
    rows, counts = by_class(found), confusion(found)
    assert [row["class"] for row in rows] == list(NAMES)
    for place, row in enumerate(rows[:-1]):
        assert row["pictures"] == counts[place].sum()
        assert row["predicted"] == counts[:, place].sum()
        assert row["accuracy"] == pytest.approx(100 * counts[place, place] / row["pictures"])
    assert rows[-1]["pictures"] == 0 and rows[-1]["accuracy"] is None
    assert counts.sum() == len(found)


def test_the_fitted_temperature_is_the_minimum_of_the_likelihood():
    found = predictions(scale=8.0)
    fitted = fit_temperature(found)
    losses = {t: measures(found, temperature=t)["nll"] for t in (0.99 * fitted, fitted, 1, 10)}
    assert min(losses, key=losses.get) == fitted > 1
    assert fit_temperature(predictions(scale=16.0)) == pytest.approx(2 * fitted, rel=1e-3)
    scaled, plain = measures(found, temperature=fitted), measures(found)
    assert scaled["accuracy"] == plain["accuracy"] and scaled["ece"] < plain["ece"]


def test_a_report_keeps_the_scaled_figures_apart(tmp_path):
    test, validation = predictions(), predictions(seed=4, prefix="val")
    reports = make_report(test, validation, number_of_bins=10)
    written = write_report(reports, tmp_path, about={"trainer": "CoOp"})
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()}
    content = json.loads((tmp_path / "measures.json").read_text())
    (task,) = content["tasks"]
    assert task["measures"] == measures(test, number_of_bins=10)
    assert task["temperature_scaling"]["temperature"] == fit_temperature(validation)
    rows = pd.read_csv(tmp_path / "measures.csv")
    assert rows["temperature"].tolist() == pytest.approx([1, fit_temperature(validation)])
    assert pd.read_csv(tmp_path / "per_class.csv")["pictures"].sum() == len(test)
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "reliability_scaled.png").is_file()


def test_tasks_are_judged_by_themselves(tmp_path):
    about = {"tasks": [["living things", 0, 4], ["the rest", 4, 7]]}
    found = predictions(**about)
    names = [name for name, _ in found.by_task()]
    parts = [part for _, part in found.by_task()]
    assert names == ["living things", "the rest"] and sum(map(len, parts)) == len(found)
    own = found.labels >= 4
    expected = (found.logits[own, 4:].argmax(axis=1) + 4 == found.labels[own]).mean()
    assert measures(parts[1])["accuracy"] == pytest.approx(100 * expected)
    reports = make_report(found, None, number_of_bins=15)
    names = {p.name for p in write_report(reports, tmp_path, about=about)}
    assert {"confusion_living_things.csv", "reliability_the_rest.png"} <= names


def test_predictions_come_back_as_they_were_saved(tmp_path):
    found = predictions(dataset="Zoo", tasks=[])
    found.save(tmp_path / "predictions.npz")
    again = Predictions.load(tmp_path)
    assert (again.paths, again.classnames, again.about) == (
        found.paths,
        found.classnames,
        found.about,
    )
    assert np.array_equal(again.logits, found.logits) and again.logits.dtype == np.float32


def test_files_that_hold_no_predictions_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no predictions .*--save-predictions"):
        Predictions.load(tmp_path)
    path = tmp_path / "predictions.npz"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match="no whole file of predictions"):
        Predictions.load(path)
    np.savez(path, paths=np.array(["a"]))
    with pytest.raises(UserError, match="no whole file of predictions"):
        Predictions.load(path)
    predictions(number=3).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "labels": arrays["labels"][:2]})
    with pytest.raises(UserError, match=r"labels \[2\]; make it again"):
        Predictions.load(path)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (predictions(seed=4), "200 validation pictures are test pictures"),
        (predictions(names=NAMES[:5], prefix="val"), "over other classes"),
    ],
)
def test_a_temperature_is_fitted_on_pictures_of_its_own_only(validation, message):
    with pytest.raises(UserError, match=message):
        make_report(predictions(), validation, number_of_bins=15)


def test_pictures_without_a_label_are_refused():
    found = predictions(number=3)
    unlabelled = Predictions(found.paths, np.full(3, -1), found.logits, found.classnames)
    with pytest.raises(UserError, match="3 of 3 predictions have no label"):
        measures(unlabelled)
    with pytest.raises(UserError, match="--bins 0: use 1 or more"):
        measures(found, number_of_bins=0)


def test_confidence_is_that_of_the_predicted_class():
    logs = np.log(np.array([[0.2, 0.8], [0.6, 0.4]]))
    confidence, correct = confidences(logs, np.array([1, 1]))
    assert confidence.tolist() == pytest.approx([0.8, 0.6]) and correct.tolist() == [True, False]
