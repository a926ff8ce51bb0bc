"""Grids: every combination of values for some keys, each a point with runs of its own."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from runner.errors import UserError
from runner.plan.option_keys import VALIDATE

VALIDATION, TEST = "val", "test"  # images that may rank the points
_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)


class Axis(NamedTuple):
    """A key and the words that it takes in turn."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """A combination: (key, word) of every axis, and the folder that takes its runs. Without any: no
    grid."""

    values: tuple[tuple[str, str], ...] = ()
    folder: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """KEY VALUE words for train.py."""
        if not self.values:
            return ()
        return (*(word for pair in self.values for word in pair), VALIDATE, "True")


NO_POINT = Point()


def points(axes: Sequence[Axis]) -> list[Point]:
    """Return all combinations, the last axis fastest; without axes the one point that is none."""
    names, keys = _short_names(axes), [axis.key for axis in axes]
    found = []
    for words in itertools.product(*(axis.values for axis in axes)):
        pairs = zip(names, words, strict=True)
        folder = "_".join(f"{name}{_safe(word)}" for name, word in pairs)
        found.append(Point(tuple(zip(keys, words, strict=True)), folder))
    return found


def parse_axis(word: str) -> Axis:
    """Return the axis that `KEY=a,b,c` names; commas in brackets or quotes part nothing.

    Raises:
        UserError: it is not of that form.
    """
    key, _, text = word.partition("=")
    values, value = [], ""
    for part in text.split(","):
        value = f"{value},{part}" if value else part
        if _closed(value):
            values.append(value.strip())
            value = ""
    values = [each for each in values if each]
    if value:
        raise UserError(f"--grid {word}: a bracket or quote is not closed")
    if not key or not values:
        raise UserError(f"--grid {word}: must be KEY=a,b,c, as OPTIM.LR=0.002,0.02")
    return Axis(key, tuple(dict.fromkeys(values)))


def read_axes(entry: Any) -> tuple[list[Axis], list[str]]:
    """Return the axes of section `grid` of an entry in configs.py, a list of values by key, and
    what is wrong with it."""
    if not isinstance(entry, Mapping):
        return [], ['grid: must be {"KEY": [values], ...}']
    axes, problems = [], []
    for key, values in entry.items():
        if isinstance(values, list | tuple) and values:
            axes.append(Axis(str(key), tuple(dict.fromkeys(map(str, values)))))
        else:
            problems.append(f"grid.{key}: must be a list of values")
    return axes, problems


def _closed(text: str) -> bool:
    """Return whether every bracket and quote in a text has its other one."""
    brackets = all(text.count(left) == text.count(right) for left, right in ("()", "[]", "{}"))
    return brackets and not any(text.count(quote) % 2 for quote in "'\"")


def _short_names(axes: Sequence[Axis]) -> list[str]:
    """Return the last part of each key, the whole key where those are the same."""
    last = [axis.key.rpartition(".")[2] for axis in axes]
    return [
        axis.key if last.count(name) > 1 else name for axis, name in zip(axes, last, strict=True)
    ]


def _safe(word: str) -> str:
    return _UNSAFE.sub("-", word.strip("()[]{}'\" ")).strip("-") if _UNSAFE.search(word) else word
