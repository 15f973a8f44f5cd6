"""A tape: bytes that decide everything an adversary does, so that Hypothesis can draw and shrink whole runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Tape:
    """Choices, read from a string of bytes. A tape that has run out reads 0, the tamest choice; so shorter means tamer.

    Args:
        data: one byte for each choice.
    """

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound - 1`; `bound` is at most 256."""
        return next(self._data, 0) % bound

    def pick(self, options: Sequence[T]) -> T:
        """Return one of at most 256 options; the first if the tape has run out."""
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        """Return True one time in `one_in` on average; never if the tape has run out."""
        return self.below(one_in) == one_in - 1
