"""Pseudo-random whole numbers that are the same on every machine and in every version of numpy."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class IntegerStream:
    """SplitMix64 (Steele, Lea, Flood 2014) as a counter: number k depends on seed and k alone."""

    def __init__(self, seed: int) -> None:
        self._seed = np.array([seed], dtype=np.uint64)  # arrays wrap around without a warning
        self._drawn = 0

    def integers(self, count: int, bound: int) -> np.ndarray:
        """The next `count` numbers 0 <= n < bound, int64 [count]; the bias of the modulus is below
        bound / 2**64.
        """
        place = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64)
        self._drawn += count
        x = place * _STEP + self._seed * _MIX_1
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x ^= x >> np.uint64(31)
        return (x % np.uint64(bound)).astype(np.int64)

    def between(self, low: int, high: int) -> int:
        """A number low <= n <= high."""
        return low + int(self.integers(1, high - low + 1)[0])

    def choose(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.between(0, len(options) - 1)]
