"""Base and new classes scored together."""

from dataclasses import replace

import numpy as np
import pytest

from use.ood import compare
from use.predictions import Predictions
from use.together import base_and_new

LABELS = np.array([0, 1, 1, 2, 2, 3, 4, 4])
NAMES = ("a", "b", "c", "d", "e")  # three base classes and two new ones


@pytest.fixture
def found():
    generator = np.random.default_rng(0)
    cosines = generator.normal(0.2, 0.02, (8, 5))
    cosines[[0, 1, 3, 5, 6], LABELS[[0, 1, 3, 5, 6]]] = 0.4  # right: 3 of 5 base, 2 of 3 new
    cosines[[2, 4, 7], [4, 4, 0]] = 0.4  # taken for a class of the other half
    about = {"logit_scale": 100.0, "subsample_classes": "all"}
    return Predictions(tuple("pqrstuvw"), LABELS, 100 * cosines, NAMES, about)


def test_pictures_of_each_half_are_scored_among_all_classes(found):
    both = base_and_new(found)
    assert both["base_accuracy"] == pytest.approx(60)
    assert both["new_accuracy"] == pytest.approx(200 / 3)
    assert both["harmonic_mean"] == pytest.approx(2 / (1 / 60 + 3 / 200))


def test_new_classes_are_unknown_to_the_logits_of_the_base_ones(found):
    parts = [
        replace(
            found,
            paths=tuple(found.paths[place] for place in places),
            labels=LABELS[places],
            logits=found.logits[places, :3],
            classnames=NAMES[:3],
        )
        for places in (np.arange(5), np.arange(5, 8))
    ]
    assert base_and_new(found)["ood"] == compare(*parts)


def test_there_are_halves_of_all_classes_of_one_task_alone(found):
    about = found.about
    assert base_and_new(replace(found, about={**about, "subsample_classes": "new"})) is None
    assert base_and_new(replace(found, about={**about, "tasks": [["one", 0, 5]]})) is None
    assert base_and_new(replace(found, labels=np.zeros(8, dtype=int))) is None
    one = replace(found, labels=np.zeros(8, dtype=int), logits=found.logits[:, :1])
    assert base_and_new(replace(one, classnames=NAMES[:1])) is None


def test_no_half_that_is_all_wrong_divides_by_zero(found):
    wrong = replace(found, logits=np.eye(5)[(LABELS + 1) % 5])
    assert base_and_new(wrong)["harmonic_mean"] == 0
