"""A tape: bytes that decide everything an adversary does, so that Hypothesis can draw and shrink a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Tape:
    """Reads choices off a string of bytes; 0 when it has run out."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, bound: int) -> int:
        return next(self._data, 0) % bound

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times, and never once the tape has run out."""
        return self.below(one_in) == one_in - 1


tapes = st.binary(min_size=40, max_size=160).map(Tape)
