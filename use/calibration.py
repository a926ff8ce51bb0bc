"""Temperature scaling (Guo et al., arXiv:1706.04599): one number, fitted on validation images, that
divides all logits. It changes no accuracy, only how sure the predictions are.

N pictures, C classes.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from dassl.utils.errors import BadValueError
from use.measures import log_probabilities
from use.predictions import Predictions

RANGE = (1e-2, 1e2)  # where the temperature is looked for


def fit_temperature(validation: Predictions) -> float:
    """The temperature T that minimises the mean negative log-likelihood of softmax(logits / T).

    The likelihood is convex in 1/T, so that the minimum on `RANGE` is the only one.

    Raises:
        BadValueError: (a UserError) no picture, or one without a label.
    """
    labels = validation.labels
    if not len(labels) or labels.min() < 0:
        raise BadValueError("temperature scaling needs validation pictures with labels")
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        logs = log_probabilities(validation.logits, float(np.exp(log_temperature)))
        return float(-logs[rows, labels].mean())

    bounds = tuple(float(np.log(bound)) for bound in RANGE)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def check_same_classes(validation: Predictions, test: Predictions) -> None:
    """Raises:
    BadValueError: (a UserError) other classes, or pictures that are test pictures too.
    """
    if validation.classnames != test.classnames:
        raise BadValueError(
            f"validation and test predictions are over other classes "
            f"({len(validation.classnames)} and {len(test.classnames)}); take both of one run"
        )
    shared = set(validation.paths) & set(test.paths)
    if shared:
        raise BadValueError(
            f"{len(shared)} validation pictures are test pictures, such as {min(shared)}; a "
            f"temperature may be fitted on others only"
        )
