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
        f"list: no image of label 2 and {stray - 3} more, but the class class {stray} "
        f"has label {stray}; labels count from 0 without gaps: add the images or renumber the "
        "classes"
    ]


@pytest.mark.parametrize(
    ("labels", "words"),
    [([1], "label 0,"), ([0, 3], "label 1 and 1 more,"), ([1, 5], "label 0 and 3 more,")],
)
def test_gaps_are_told_by_the_lowest(labels, words):
    (line,) = problems(labels)
    assert f"no image of {words}" in line
