"""Classes of a dataset's lists: what has to hold, and their base and new half."""

import itertools
import logging
import math
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from dassl.data.datasets import Datum
from dassl.utils.errors import BadValueError, UserError
from datasets.splits import Item

logger = logging.getLogger(__name__)

_SHOWN = 3  # labels named in an error


def check_classes(lists: dict[str, list[Item]], where: str) -> None:
    """Check that the labels of train count from 0 without gaps, that each class of val and test has
    training images, and that each label has one name.

    Raises:
        UserError: one line for each kind of fault, with the labels and classes.
    """
    problems = []
    names: dict[int, set[str]] = defaultdict(set)
    for items in lists.values():
        for item in items:
            names[item.label].add(item.classname)
    trained = {item.label for item in lists["train"]}
    untrained = set(names) - trained
    if untrained:
        listed = ", ".join(f"{min(names[k])} (label {k})" for k in sorted(untrained))
        problems.append(f"{where}: no training image for class {listed}; add one or drop the class")
    last = max(trained, default=-1)
    count = last - sum(label < last for label in names)
    if count > 0:
        problems.append(
            f"{where}: no image of {_missing_labels(names, count)}, but the class "
            f"{min(names[last])} has label {last}; labels count from 0 without gaps: add the "
            "images or renumber the classes"
        )
    for label, several in sorted(names.items()):
        if len(several) > 1:
            problems.append(f"{where}: label {label} has the names {', '.join(sorted(several))}")
    if problems:
        raise UserError(problems)


def _missing_labels(names: Container[int], count: int) -> str:
    """The `count` first labels without a name, in words: "label 1", "labels 4, 5, 6, ... (95
    labels)". No more are looked for than are shown, as a stray label may be any number.
    """
    shown = itertools.islice(
        (label for label in itertools.count() if label not in names), min(count, _SHOWN)
    )
    listed = ", ".join(map(str, shown))
    if count == 1:
        return f"label {listed}"
    more = f", ... ({count} labels)" if count > _SHOWN else ""
    return f"labels {listed}{more}"


def subsample_classes(*args: Sequence[Any], subsample: str = "all") -> Any:
    """Keep the base or the new half of the classes and number them from 0.

    The labels of the first list, sorted, are cut after ceil(n / 2): base, then new. Order and
    names stay.

    Args:
        args: lists of Datum or Item, the first one for training.
        subsample: "all", "base" or "new".

    Returns:
        "all": the arguments as they are, as a tuple; else a list of lists.

    Raises:
        BadValueError: another `subsample`, or "new" of one class.
    """
    if subsample not in ("all", "base", "new"):
        raise BadValueError(f"DATASET.SUBSAMPLE_CLASSES is {subsample!r}; use all, base or new")
    if subsample == "all":
        return args
    logger.info("SUBSAMPLE %s CLASSES!", subsample.upper())
    labels = sorted({item.label for item in args[0]})
    if subsample == "new" and len(labels) == 1:
        raise BadValueError(
            f"DATASET.SUBSAMPLE_CLASSES is 'new', but the dataset has one class, "
            f"{args[0][0].classname}, so there are no new ones; use all or base"
        )
    half = math.ceil(len(labels) / 2)
    kept = labels[:half] if subsample == "base" else labels[half:]
    place = {label: k for k, label in enumerate(kept)}

    def renumber(item: Any) -> Any:
        if isinstance(item, Item):
            return replace(item, label=place[item.label])
        return Datum(
            impath=item.impath,
            label=place[item.label],
            domain=item.domain,
            classname=item.classname,
        )

    return [[renumber(item) for item in items if item.label in place] for items in args]
