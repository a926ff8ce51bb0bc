"""The linear probe's few shots, and its search for the strength of regularisation.

As lpclip/ of the CoOp repository does it: logistic regression on frozen features, its inverse
strength C taken from a grid and then halved in towards the better end, by validation images.

N images, D joint width.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dassl.utils.errors import BadValueError, UserError

GRID = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
MAX_ITERATIONS = 1000  # as published; at large C lbfgs often ends there, unconverged
VAL_SHOTS = 4  # validation images per class: as many as training images, at most this

Metric = Callable[[np.ndarray, np.ndarray], float]  # predictions [N], truth [N] -> fraction


def overall_accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The share of images that are right."""
    return float(np.count_nonzero(predicted == truth) / len(truth))


def mean_accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The share that is right in each class, averaged over the classes that have images."""
    counts = np.bincount(truth)
    correct = np.bincount(truth[predicted == truth], minlength=len(counts))
    return float(np.mean(correct[counts > 0] / counts[counts > 0]))


METRICS: dict[str, Metric] = {"overall_acc": overall_accuracy, "mean_acc": mean_accuracy}


@dataclass(frozen=True)
class Images:
    """Features [N, D], float64, and labels [N]."""

    features: np.ndarray
    labels: np.ndarray

    def __getitem__(self, index: Sequence[int]) -> "Images":
        return Images(self.features[index], self.labels[index])


def draw(
    train: np.ndarray, val: np.ndarray, shots: int, seed: int, names: Sequence[str] = ()
) -> tuple[list[int], list[int]]:
    """Places of the few shots in the training and in the validation list.

    numpy's legacy generator, one `choice` for each label in ascending order, first over all of
    train, then over val: the published draw of run `seed`, which is not the engine's.

    Args:
        train, val: labels [N] of whole splits.
        shots: K; validation gets min(K, 4).
        seed: below 0 every call draws anew.
        names: classnames by label, for messages.

    Raises:
        BadValueError: (a ValueError) fewer than 1 shot, or a class has fewer images than asked.
    """
    if shots < 1:
        raise BadValueError(f"{shots} shots: a linear probe needs 1 image of each class or more")
    generator = np.random.RandomState(seed if seed >= 0 else None)
    drawn = []
    for split, labels, count in (("train", train, shots), ("val", val, min(shots, VAL_SHOTS))):
        chosen: list[int] = []
        for label in np.unique(train):
            places = np.flatnonzero(labels == label)
            if len(places) < count:
                named = f" ({names[label]})" if len(names) else ""
                raise BadValueError(
                    f"{shots} shots need {count} {split} images of each class, but label "
                    f"{label}{named} has {len(places)}; ask for fewer shots or add images"
                )
            chosen += generator.choice(places, size=count, replace=False).tolist()
        drawn.append(chosen)
    return drawn[0], drawn[1]


def fit(images: Images, strength: float) -> Any:
    """scikit-learn's logistic regression: lbfgs, L2, an intercept, one row per class.

    Args:
        strength: C, the inverse strength of the regularisation.

    Raises:
        UserError: scikit-learn is missing, or there is only one class.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise UserError(
            f"the linear probe needs scikit-learn ({error}); pip install scikit-learn"
        ) from error
    if len(np.unique(images.labels)) < 2:
        raise UserError("a linear probe needs two classes or more; these images have one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
        return classifier.fit(images.features, images.labels)


@dataclass(frozen=True)
class Fit:
    """A classifier and its metric on the validation images, a fraction."""

    classifier: Any
    val: float


@dataclass(frozen=True)
class Round:
    """One round of the search: both ends with their fits."""

    left: float
    right: float
    fit_left: Fit
    fit_right: Fit

    @property
    def takes_right(self) -> bool:
        """The right end wins only where it is better."""
        return self.fit_left.val < self.fit_right.val

    @property
    def strength(self) -> float:
        """C of the better end."""
        return self.right if self.takes_right else self.left

    @property
    def best(self) -> Fit:
        """The fit of the better end."""
        return self.fit_right if self.takes_right else self.fit_left


class Search:
    """The search on one draw.

    Args:
        train, val: the few shots.
        metric: what is compared on val.

    Attributes:
        grid: metric on val at each C of `GRID`.
    """

    def __init__(self, train: Images, val: Images, metric: Metric = overall_accuracy):
        self.train, self.val, self.metric = train, val, metric
        self.grid = [self._fit(strength).val for strength in GRID]

    def _fit(self, strength: float) -> Fit:
        classifier = fit(self.train, strength)
        return Fit(classifier, self.metric(classifier.predict(self.val.features), self.val.labels))

    def rounds(self, number: int) -> Iterator[Round]:
        """From a decade on both sides of the grid's best C (the largest among equals), each round
        moves the worse end to the middle, in decades; the left end stays among equals.

        The end that stays keeps its fit. Its C goes through the logarithm and back as in the
        published program, so that the printed one can differ in the last bit.
        """
        peak = GRID[int(np.argmax(self.grid))]
        left, right = 1e-1 * peak, 1e1 * peak
        fit_left = fit_right = None
        for _ in range(number):
            fit_left, fit_right = fit_left or self._fit(left), fit_right or self._fit(right)
            found = Round(float(left), float(right), fit_left, fit_right)
            yield found
            low, high = np.log10(left), np.log10(right)
            if found.takes_right:
                low, fit_left = 0.5 * (high + low), None
            else:
                high, fit_right = 0.5 * (high + low), None
            left, right = np.power(10, low), np.power(10, high)
