"""Whether a kept draw, whoever wrote it, belongs to the lists that a dataset has now."""

import os
from collections.abc import Mapping, Sequence

from dassl.utils.errors import BadFileError
from datasets.parts.fewshot.files import REMEDY
from datasets.parts.items import Item
from datasets.parts.wording import first_few


def check_fit(
    cached: Mapping[str, Sequence[Item]],
    lists: Mapping[str, Sequence[Item]],
    image_dir: str,
    path: str,
) -> None:
    """Check that a kept draw can be used with the lists that a dataset has now.

    An image need not be in the list that it was drawn from; then it is looked up.

    Args:
        cached: items by split.
        lists: all items by "train", "val", "test".
        image_dir: what the paths are relative to.
        path: the file.

    Raises:
        BadFileError: the classes differ (the first is named); an image has another class in the
            list, is a test image, or is not there.
    """
    _check_classes(cached, lists["train"], path)
    for split, items in cached.items():
        paths = {item.path for item in items}
        listed = {item.path: item for item in lists[split] if item.path in paths}
        for item in items:
            if listed.get(item.path, item) != item:
                raise BadFileError(
                    f"{path} has {_one_line(item.path)} in the class {_one_line(item.classname)} "
                    f"(label {item.label}), where it is not listed; {REMEDY}"
                )
        unlisted = [
            name for name in dict.fromkeys(item.path for item in items) if name not in listed
        ]
        if unlisted:
            _check_unlisted(unlisted, lists["test"], image_dir, path)


def _check_classes(cached: Mapping[str, Sequence[Item]], train: Sequence[Item], path: str) -> None:
    expected = {(item.label, item.classname) for item in train}
    for split, items in cached.items():
        found = {(item.label, item.classname) for item in items}
        differing = found ^ expected if split == "train" else found - expected
        if differing:
            label, name = min(differing)
            side = "lacks" if (label, name) in expected else "alone has"
            raise BadFileError(
                f"{path} {side} the class {_one_line(name)} (label {label}): it was drawn from "
                f"other classes than are listed now; {REMEDY}"
            )


def _check_unlisted(paths: Sequence[str], test: Sequence[Item], image_dir: str, path: str) -> None:
    tested = {item.path for item in test}.intersection(paths)
    if tested:
        raise BadFileError(
            f"{path} has {len(tested):,} images that are for testing, as {min(tested)}: it was "
            f"drawn from other lists than there are now; {REMEDY}"
        )
    missing = [name for name in paths if not os.path.isfile(os.path.join(image_dir, name))]
    if missing:
        first = first_few([_one_line(name) for name in missing])
        raise BadFileError(
            f"{path}: {len(missing):,} of the images are not in {image_dir}: {first}; {REMEDY}"
        )


def _one_line(text: str) -> str:
    """What an error shows of a text that somebody else wrote."""
    return " ".join(text.split())[:200]
