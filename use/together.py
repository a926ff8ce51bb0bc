"""Base and new classes scored together (the generalised setting), and new classes as what a model
of the base classes has never seen.

N pictures, C classes.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from use.ood import compare
from use.predictions import Predictions


def base_and_new(found: Predictions) -> Mapping[str, Any] | None:
    """Figures of labelled predictions over all classes of a dataset, by halves.

    The first half of the classes, rounded up, is the base one, as DATASET.SUBSAMPLE_CLASSES has it.
    `base_accuracy` and `new_accuracy` are percent of the pictures of each half, among all C
    classes; `harmonic_mean` is theirs. `ood` has `detection` by each score that applies: pictures
    of base classes are to pass and those of new ones are not, by the logits of base classes alone.

    Returns:
        None for predictions over a part of the classes, of several tasks, of one class, or where a
        half has no picture.
    """
    number = len(found.classnames)
    if found.tasks or number < 2 or found.about.get("subsample_classes", "all") != "all":
        return None
    half = math.ceil(number / 2)
    inside = (found.labels >= 0) & (found.labels < half)
    outside = found.labels >= half
    if not inside.any() or not outside.any():
        return None
    correct = found.logits.argmax(axis=1) == found.labels
    base, new = (100 * float(correct[part].mean()) for part in (inside, outside))
    return {
        "base_accuracy": base,
        "new_accuracy": new,
        "harmonic_mean": 2 * base * new / (base + new) if base and new else 0.0,
        "ood": compare(_of_base(found, inside, half), _of_base(found, outside, half)),
    }


def _of_base(found: Predictions, pictures: np.ndarray, half: int) -> Predictions:
    """Some pictures, scored over the base classes."""
    return replace(
        found,
        paths=tuple(np.array(found.paths, dtype=object)[pictures]),
        labels=found.labels[pictures],
        logits=found.logits[pictures, :half],
        classnames=found.classnames[:half],
    )
