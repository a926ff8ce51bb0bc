"""Labels that a list gets wrong by far."""

import pytest

from dassl.utils.errors import UserError
from datasets.parts.classes import check_classes
from datasets.parts.items import Item


def problems(labels):
    lists = {"train": [Item(f"{label}.jpg", label, f"class {label}") for label in labels]}
    with pytest.raises(UserError) as error:
        check_classes(lists | {"val": [], "test": []}, "list")
    return error.value.problems


@pytest.mark.parametrize("stray", [2 * 10**9, 10**30])
def test_a_huge_label_is_one_line_at_once(stray):
    assert problems([0, 1, stray]) == [
        f"list: no image of labels 2, 3, 4, ... ({stray - 2} labels), but the class class {stray} "
        f"has label {stray}; labels count from 0 without gaps: add the images or renumber the "
        "classes"
    ]


@pytest.mark.parametrize(
    ("labels", "words"),
    [([1], "label 0,"), ([0, 3], "labels 1, 2,"), ([1, 5], "labels 0, 2, 3, ... (4 labels),")],
)
def test_gaps_are_listed_from_the_lowest(labels, words):
    (line,) = problems(labels)
    assert f"no image of {words}" in line
