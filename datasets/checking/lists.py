"""Checks of a dataset's lists, whatever file they come from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product

from datasets import published
from datasets.checking.findings import WRONG, Report
from datasets.parts.classes import (
    also_in,
    check_classes,
    in_both,
    read_alike,
    two_labels,
    with_two_labels,
)
from datasets.parts.fewshot.draw import draw_lists
from datasets.parts.items import SPLITS, Item
from datasets.parts.reader import Lists
from datasets.parts.wording import counted, first_few

PUBLISHED_DRAWS = tuple(product((1, 2, 4, 8, 16), (1, 2, 3)))  # shots, seed


def names_of(lists: Lists) -> dict[int, str]:
    """Label -> class name, by label."""
    names = {item.label: item.classname for items in lists.values() for item in items}
    return dict(sorted(names.items()))


def count(lists: Lists) -> dict[str, int]:
    """Number of classes, and of images of each list."""
    return {"classes": len(names_of(lists)), **{split: len(lists[split]) for split in SPLITS}}


def in_words(counts: dict[str, int]) -> str:
    """Like "37 classes, 2,944 / 736 / 3,669 images (train / val / test)"."""
    numbers = " / ".join(f"{counts[split]:,}" for split in SPLITS)
    return f"{counts['classes']:,} classes, {numbers} images (train / val / test)"


def check_content(report: Report, lists: Lists, source: str) -> bool:
    """Whether labels, names and paths are in order; a finding for each thing that is not."""
    start = len(report.findings)
    for split in ("train", "test"):
        if not lists[split]:
            report.wrong(f"{source} lists no {split} image")
    with report.catching(source):
        check_classes(lists, source)
    check_paths(report, lists, source)
    trained = names_of({"train": lists["train"]})
    tested = {item.label for item in lists["test"]}
    untested = [name for label, name in trained.items() if label not in tested]
    if untested and lists["test"]:
        report.warn(f"{source}: no test image for {first_few(untested)}")
    alike = read_alike(trained, source, published.classnames(report.name))
    if alike:
        report.warn(alike)
    return all(finding.level != WRONG for finding in report.findings[start:])


def check_paths(report: Report, lists: Lists, source: str) -> bool:
    """Whether no image has two labels; findings on that and on images that are listed twice."""
    unclear = with_two_labels(lists)
    if unclear:
        report.wrong(two_labels(unclear, source), unclear)
    for split in SPLITS:
        counted_paths = Counter(item.path for item in lists[split])
        twice = [path for path, times in counted_paths.items() if times > 1]
        if twice:
            line = f"{source}: {counted(len(twice), 'image')} twice in {split}: {first_few(twice)}"
            report.warn(line, twice)
    for one, other in combinations(SPLITS, 2):
        common = in_both(lists, one, other)
        if common:
            report.warn(also_in(common, source, one, other), common)
    return not unclear


def differences(name: str, lists: Lists) -> list[str]:
    """In words, what is not as published: class names, numbers of classes and images."""
    found = []
    counts, sizes, expected = count(lists), published.sizes(name), published.classnames(name)
    if sizes is not None:
        for key in ("classes", *SPLITS):
            wanted = getattr(sizes, key)
            if wanted is not None and counts[key] != wanted:
                what = key if key == "classes" else f"{key} images"
                found.append(f"{counts[key]:,} {what}, published are {wanted:,}")
    elif (classes := published.suite_classes(name)) not in (None, counts["classes"]):
        found.append(f"{counts['classes']:,} classes, published are {classes:,}")
    if expected is not None:
        names = names_of(lists)
        wrong = [k for k, name in enumerate(expected) if names.get(k) != name]
        if wrong:
            first = wrong[0]
            found.append(
                f"{len(wrong):,} class names are not the published ones: label {first} is "
                f"{names.get(first, 'missing')}, published is {expected[first]}"
            )
    return found


def has_published_draws(name: str, lists: Lists) -> bool:
    """Whether the published few-shot draws of a dataset are known, and the lists give them all."""
    draws = [
        is_published_draw(name, draw_lists(lists, ("train", "val"), shots, seed), shots, seed)
        for shots, seed in PUBLISHED_DRAWS
        if published.fewshot_draw(name, shots, seed)
    ]
    return bool(draws) and all(draws)


def is_published_draw(name: str, cached: Lists, shots: int, seed: int) -> bool | None:
    """Whether a draw is the published one; None if that is not known."""
    known = published.fewshot_draw(name, shots, seed)
    if known is None:
        return None
    found = {split: _digest(items) for split, items in cached.items()}
    return found == {"train": known.train_sha256, "val": known.val_sha256}


def _digest(items: Sequence[Item]) -> str:
    paths = "\n".join(item.path for item in items)
    return hashlib.sha256(paths.encode("utf-8", "surrogatepass")).hexdigest()
