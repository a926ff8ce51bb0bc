"""The few-shot draw: K images of each class, fixed by the lists, K and the seed."""

import logging
import random
from collections.abc import Iterable, Mapping, Sequence

from datasets.parts.items import Item, by_label
from datasets.parts.wording import first_few

logger = logging.getLogger(__name__)

_VAL_SHOTS = 4  # the published number of validation shots is min(K, 4)


def shots_of(split: str, shots: int) -> int:
    """Images per class that "train" or "val" has for K training shots."""
    return min(shots, _VAL_SHOTS) if split == "val" else shots


def draw(items: Sequence[Item], shots: int, generator: random.Random) -> list[Item]:
    """`shots` items of each class, classes in order of first occurrence; a smaller class is taken
    whole.
    """
    chosen: list[Item] = []
    for group in by_label(items).values():
        chosen += generator.sample(group, shots) if len(group) >= shots else group
    return chosen


def draw_lists(
    lists: Mapping[str, Sequence[Item]], splits: Iterable[str], shots: int, seed: int
) -> dict[str, list[Item]]:
    """The draw from the given lists, one after the other, that a seed fixes; nothing global is
    touched.
    """
    generator = random.Random(seed)
    return {split: draw(lists[split], shots_of(split, shots), generator) for split in splits}


def warn_of_small_classes(items: Sequence[Item], shots: int, dataset: str) -> None:
    """Warn, in one line, of classes that have fewer training images than shots."""
    groups = by_label(items).values()
    small = [f"{group[0].classname} has {len(group)}" for group in groups if len(group) < shots]
    if small:
        line = f"{len(small)} of {len(groups)} classes have fewer training images than {shots} "
        line += f"shots: {first_few(small)}; all are used"
        logger.warning("Warning: %s: %s", dataset, line)
