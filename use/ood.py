"""Telling pictures of the classes at hand from all others by how sure a model is.

A score is high for a picture of the classes; AUROC is the chance that such a picture scores higher
than another one, FPR95 the share of others that pass where 95% of the pictures of the classes pass.

N pictures, C classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score

from dassl.utils.errors import BadValueError
from use.predictions import Predictions

PASSING = 0.95


def maximum_softmax(found: Predictions) -> np.ndarray:
    """The largest probability [N] (MSP, arXiv:1610.02136)."""
    return softmax(found.logits.astype(np.float64), axis=1).max(axis=1)


def maximum_concept_matching(found: Predictions) -> np.ndarray:
    """The largest value [N] of a softmax over plain cosines, at temperature 1 (MCM,
    arXiv:2211.13445).

    Raises:
        BadValueError: (a UserError) the logits are no multiples of cosines.
    """
    scale = found.about.get("logit_scale")
    if scale is None:
        raise BadValueError(
            "mcm: the logits are not CLIP's cosines alone (DePT's head has a share in them, or "
            "they are a linear probe's); use msp or energy"
        )
    return softmax(found.logits.astype(np.float64) / scale, axis=1).max(axis=1)


def energy(found: Predictions) -> np.ndarray:
    """Minus the energy [N]: log of the sum of exp(logit) (arXiv:2010.03759, temperature 1)."""
    return logsumexp(found.logits.astype(np.float64), axis=1)


SCORES: dict[str, Callable[[Predictions], np.ndarray]] = {
    "msp": maximum_softmax,
    "mcm": maximum_concept_matching,
    "energy": energy,
}


def detection(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    """`auroc` and `fpr95`, percent, of scores [N] of pictures of the classes and of others.

    The threshold of FPR95 is the largest that at least 95% of `inside` reach; what reaches it
    passes.
    """
    truth = np.repeat([1, 0], [len(inside), len(outside)])
    auroc = roc_auc_score(truth, np.concatenate([inside, outside]))
    needed = int(np.ceil(PASSING * len(inside)))
    threshold = np.sort(inside)[len(inside) - needed]
    passed = float((outside >= threshold).mean())
    return {"auroc": 100 * float(auroc), "fpr95": 100 * passed}


def compare(
    inside: Predictions, outside: Predictions, scores: list[str] | None = None
) -> dict[str, dict[str, Any]]:
    """`detection` by each score; without `scores` all that the logits allow.

    Raises:
        BadValueError: (a UserError) no pictures, other classes, or a score that does not apply.
    """
    if inside.classnames != outside.classnames:
        raise BadValueError(
            f"the two files score other classes ({', '.join(inside.classnames[:2])}, ... and "
            f"{', '.join(outside.classnames[:2])}, ...); score both with one model and its classes"
        )
    if not len(inside) or not len(outside):
        raise BadValueError("a file of predictions is of no picture")
    cosines = inside.about.get("logit_scale") is not None
    wanted = scores or [name for name in SCORES if name != "mcm" or cosines]
    return {name: detection(SCORES[name](inside), SCORES[name](outside)) for name in wanted}
