"""How good and how sure predictions are: accuracy by class, F1, likelihood, Brier, calibration.

N pictures, C classes, M bins.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from dassl.utils.errors import BadValueError
from use.predictions import Predictions

BINS = 15  # of Guo et al. (arXiv:1706.04599)
TOP_K = 5


@dataclass(frozen=True)
class Bins:
    """Pictures by the confidence of their predicted class.

    Attributes:
        edges: [M + 1] from 0 to 1.
        counts: [M] pictures; 0 in a bin that none fell into.
        confidence: [M] mean confidence in each bin, 0 in an empty one.
        accuracy: [M] share that is right in each bin, 0 in an empty one.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    def plain(self) -> dict[str, list[float]]:
        """Its arrays as lists."""
        return {name: values.tolist() for name, values in vars(self).items()}

    def expected_error(self) -> float:
        """Mean over the pictures of |accuracy - confidence| of their bin (ECE)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / self.counts.sum())

    def largest_error(self) -> float:
        """The largest |accuracy - confidence| of a bin that is not empty (MCE)."""
        return float(np.abs(self.accuracy - self.confidence)[self.counts > 0].max())


def log_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Log-softmax of logits [N, C] over a temperature, float64."""
    return log_softmax(logits.astype(np.float64) / temperature, axis=1)


def confidences(logs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of log-probabilities [N, C]: the probability of the predicted class [N], and whether it is
    the label's [N]. Of equal ones the first class wins."""
    best = logs.argmax(axis=1)
    return np.exp(logs[np.arange(len(logs)), best]), best == labels


def equal_width(confidence: np.ndarray, correct: np.ndarray, number: int = BINS) -> Bins:
    """M bins of equal width, open below and closed above: (0, 1/M], ..., ((M-1)/M, 1].

    A confidence on an edge belongs to the bin below it, and exactly 1, which is frequent at CLIP's
    temperature, to the last bin: there are M bins and no more. 0 belongs to the first.
    """
    edges = np.arange(number + 1) / number
    places = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, number - 1)
    return _filled(edges, places, confidence, correct)


def equal_mass(confidence: np.ndarray, correct: np.ndarray, number: int = BINS) -> Bins:
    """M bins of equally many pictures, by rank; the first N mod M have one more (adaptive ECE,
    arXiv:1904.01685). Equal confidences stay in the order of the pictures.
    """
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, number)
    places = np.empty(len(confidence), dtype=np.int64)
    edges = np.zeros(number + 1)
    for place, part in enumerate(parts):
        places[part] = place
        edges[place + 1] = confidence[part].max() if len(part) else edges[place]
    edges[-1] = 1.0
    return _filled(edges, places, confidence, correct)


def _filled(
    edges: np.ndarray, places: np.ndarray, confidence: np.ndarray, correct: np.ndarray
) -> Bins:
    number = len(edges) - 1
    counts = np.bincount(places, minlength=number)
    filled = np.maximum(counts, 1)
    sums = [np.bincount(places, weights=of, minlength=number) for of in (confidence, correct)]
    return Bins(edges, counts, sums[0] / filled, sums[1] / filled)


def measures(
    found: Predictions, *, number_of_bins: int = BINS, temperature: float = 1.0
) -> dict[str, Any]:
    """The figures of `measures_and_bins` alone; arguments and errors are the same."""
    figures, _ = measures_and_bins(found, number_of_bins=number_of_bins, temperature=temperature)
    return figures


def measures_and_bins(
    found: Predictions, *, number_of_bins: int = BINS, temperature: float = 1.0
) -> tuple[dict[str, Any], Bins]:
    """Figures of labelled predictions of one task, and the bins of equal width behind its ECE.

    `accuracy`, `top5_accuracy`, `macro_f1` and `mean_class_accuracy` are percent, the last two
    over the classes that have a picture, as in the log. `nll` is the mean negative log-likelihood
    in nats; `brier` the mean over pictures of the sum over classes of (p - y)^2, from 0 to 2; `ece`
    (bins of equal width), `ece_adaptive` (of equal mass) and `mce` are from 0 to 1.

    Args:
        temperature: divides the logits; changes no accuracy.

    Raises:
        BadValueError: (a UserError) there is no picture, one without a label, or fewer than 1 bin.
    """
    labels = _labels(found)
    if number_of_bins < 1:
        raise BadValueError(f"--bins {number_of_bins}: use 1 or more")
    logs = log_probabilities(found.logits, temperature)
    predicted = logs.argmax(axis=1)
    confidence, correct = confidences(logs, labels)
    wide = equal_width(confidence, correct, number_of_bins)
    classes = np.unique(labels)
    _, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    rows = np.arange(len(labels))
    truth = np.zeros_like(logs)
    truth[rows, labels] = 1
    own = logs[rows, labels][:, None]
    before = np.arange(logs.shape[1]) < labels[:, None]  # of equal classes the first wins
    above = ((logs > own) | ((logs == own) & before)).sum(axis=1)
    figures = {
        "pictures": len(found),
        "classes": len(found.classnames),
        "accuracy": 100 * float(correct.mean()),
        f"top{TOP_K}_accuracy": 100 * float((above < TOP_K).mean()),
        "macro_f1": 100 * float(f1.mean()),
        "mean_class_accuracy": 100 * float(recall.mean()),
        "nll": float(-logs[rows, labels].mean()),
        "brier": float(((np.exp(logs) - truth) ** 2).sum(axis=1).mean()),
        "ece": wide.expected_error(),
        "ece_adaptive": equal_mass(confidence, correct, number_of_bins).expected_error(),
        "mce": wide.largest_error(),
        "mean_confidence": float(confidence.mean()),
    }
    return figures, wide


def by_class(found: Predictions) -> list[dict[str, Any]]:
    """A row for each class: pictures, how often it was predicted, accuracy (recall), precision and
    F1 in percent; accuracy is None for a class without a picture, precision for one never
    predicted."""
    labels, predicted = _labels(found), found.logits.argmax(axis=1)
    number = len(found.classnames)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(number), zero_division=0
    )
    guesses = np.bincount(predicted, minlength=number)
    return [
        {
            "class": name,
            "pictures": int(support[place]),
            "predicted": int(guesses[place]),
            "accuracy": 100 * float(recall[place]) if support[place] else None,
            "precision": 100 * float(precision[place]) if guesses[place] else None,
            "f1": 100 * float(f1[place]),
        }
        for place, name in enumerate(found.classnames)
    ]


def confusion(found: Predictions) -> np.ndarray:
    """Counts [C, C]: rows the truth, columns the prediction."""
    every = np.arange(len(found.classnames))
    return confusion_matrix(_labels(found), found.logits.argmax(axis=1), labels=every)


def _labels(found: Predictions) -> np.ndarray:
    if not len(found):
        raise BadValueError("the predictions are of no picture")
    unknown = np.flatnonzero(found.labels < 0)
    if len(unknown):
        raise BadValueError(
            f"{len(unknown)} of {len(found)} predictions have no label, the first is of "
            f"{found.paths[unknown[0]]}; measures need those of train.py --save-predictions"
        )
    return found.labels
