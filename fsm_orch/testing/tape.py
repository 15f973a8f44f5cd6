"""A tape: bytes that decide everything an adversary does, so that Hypothesis can draw and shrink a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Tape:
    """Reads choices off a string of bytes; 0 when it has run out, which is the tamest choice there is.

    Args:
        data: one byte for each choice.
    """

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, bound: int) -> int:
        """Choose a number from 0 up to `bound`, which is at most 256."""
        return next(self._data, 0) % bound

    def pick(self, options: Sequence[T]) -> T:
        """Choose one of at most 256 options; the first if the tape has run out."""
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times, and never once the tape has run out."""
        return self.below(one_in) == one_in - 1
