"""Classes of a dataset's lists: what has to hold, and their base and new half."""

import itertools
import logging
import math
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dassl.data.datasets import Datum
from dassl.utils.errors import BadFileError, BadValueError, UserError
from datasets.parts.items import Item
from datasets.parts.wording import counted, first_few

logger = logging.getLogger(__name__)


def check_classes(lists: dict[str, list[Item]], where: str) -> None:
    """Check that the labels of train count from 0 without gaps, that each class of val and test has
    training images, and that each label has one name, which is not blank.

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
        problems.append(no_training_image(where, {k: min(names[k]) for k in sorted(untrained)}))
    last = max(trained, default=-1)
    count = last - sum(label < last for label in names)
    if count > 0:
        gap = next(label for label in itertools.count() if label not in names)
        more = f" and {count - 1} more" if count > 1 else ""
        problems.append(
            f"{where}: no image of label {gap}{more}, but the class {min(names[last])} has label "
            f"{last}; labels count from 0 without gaps: add the images or renumber the classes"
        )
    for label, several in sorted(names.items()):
        if len(several) > 1:
            problems.append(f"{where}: label {label} has the names {', '.join(sorted(several))}")
    blank = [str(label) for label in sorted(names) if "" in map(as_read, names[label])]
    if blank:
        problems.append(
            f"{where}: no class name for label {first_few(blank)}; give the class in words"
        )
    if problems:
        raise UserError(problems)


def no_training_image(where: str, names: Mapping[int, str]) -> str:
    """The error on classes that have no training image, by label."""
    listed = ", ".join(f"{name} (label {label})" for label, name in names.items())
    return f"{where}: no training image for class {listed}; add one or drop the class"


def as_read(name: str) -> str:
    """A class name as prompts and the tokenizer take it: `_` is a blank, letter case is ignored."""
    return " ".join(name.replace("_", " ").split()).lower()


def read_alike(
    names: Mapping[int, str], where: str, published_names: Iterable[str] | None = None
) -> str:
    """A line on classes whose names read alike, so that their prompts are the same; "" without any.

    Args:
        names: by label.
        where: what gives them, for the line.
        published_names: the dataset's; those that read alike there (ImageNet has two "missile") are
            left out.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for label, name in names.items():
        groups[as_read(name)].append(f"{name} (label {label})")
    known = Counter(map(as_read, published_names or ()))
    alike = [
        " and ".join(group) for text, group in groups.items() if len(group) > max(known[text], 1)
    ]
    if not alike:
        return ""
    return (
        f"{where}: class names that read alike have the same prompts: {first_few(alike)}; give "
        "each class a name of its own"
    )


def check_labels(lists: Mapping[str, Sequence[Item]], where: str) -> None:
    """Check that no image has two labels; warn of test images that are trained on.

    Raises:
        BadFileError: counts the images and names the first three.
    """
    unclear = with_two_labels(lists)
    if unclear:
        raise BadFileError(two_labels(unclear, where))
    common = in_both(lists, "train", "test")
    if common:
        logger.warning(
            "Warning: %s; accuracy counts images that are trained on", also_in(common, where)
        )


def with_two_labels(lists: Mapping[str, Sequence[Item]]) -> list[str]:
    """Paths of the images that stand somewhere in the lists with another label than before."""
    labels: dict[str, int] = {}
    unclear: dict[str, None] = {}
    for items in lists.values():
        for item in items:
            path = posixpath.normpath(item.path)
            if labels.setdefault(path, item.label) != item.label:
                unclear[path] = None
    return list(unclear)


def two_labels(paths: Sequence[str], where: str) -> str:
    """The error on images with two labels."""
    line = f"{where}: {counted(len(paths), 'image')} with two labels: {first_few(paths)}"
    return f"{line}; leave one of them"


def in_both(lists: Mapping[str, Sequence[Item]], one: str, other: str) -> list[str]:
    """Paths that two lists share, sorted; none of a test set, whose training list is its test list,
    as nothing is trained on it."""
    if lists["train"] == lists["test"]:
        return []
    first, second = ({posixpath.normpath(item.path) for item in lists[s]} for s in (one, other))
    return sorted(first & second)


def also_in(paths: Sequence[str], where: str, one: str = "train", other: str = "test") -> str:
    """The words on images that two lists share."""
    line = f"{where}: {counted(len(paths), 'image')} of {other} also in {one}"
    return f"{line}: {first_few(paths)}"


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
        return Datum(item.impath, place[item.label], item.domain, item.classname)

    return [[renumber(item) for item in items if item.label in place] for items in args]
