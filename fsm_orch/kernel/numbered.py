"""Values numbered from 1, which never change: a changed copy shares all but a few of them with the one it was made of.

A visit may have a thousand asks, each of which changes several times. Copied whole, they would cost the square of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

_CHUNK = 32
"""Values that are copied together. With n values a change copies this many, and n divided by this."""


class Numbered(Mapping[int, T]):
    """Values by their numbers, which are 1, 2, 3 and so on."""

    __slots__ = ("_chunks", "_count")

    def __init__(self, values: Iterable[T] = ()) -> None:
        held = tuple(values)
        self._count = len(held)
        self._chunks = tuple([held[start : start + _CHUNK] for start in range(0, len(held), _CHUNK)])

    def __getitem__(self, number: int) -> T:
        if not 1 <= number <= self._count:
            raise KeyError(number)
        return self._chunks[(number - 1) // _CHUNK][(number - 1) % _CHUNK]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, self._count + 1))

    def __repr__(self) -> str:
        return f"Numbered({dict(self)})"

    def put(self, number: int, value: T) -> Numbered[T]:
        """Return a copy with another value under a number.

        Raises KeyError: if nothing has this number.
        """
        if not 1 <= number <= self._count:
            raise KeyError(number)
        at, within = divmod(number - 1, _CHUNK)
        chunk = list(self._chunks[at])
        chunk[within] = value
        chunks = list(self._chunks)
        chunks[at] = tuple(chunk)
        return self._made(tuple(chunks), self._count)

    def add(self, values: Iterable[T]) -> Numbered[T]:
        """Return a copy with more values, under the next numbers."""
        return Numbered([*self.values(), *values])

    def changed(self, before: Numbered[T]) -> Iterator[int]:
        """Yield the numbers under which this does not hold the very value that it held before."""
        old = before._chunks
        for at, chunk in enumerate(self._chunks):
            was = old[at] if at < len(old) else ()
            if chunk is was:
                continue
            for within, value in enumerate(chunk):
                if within >= len(was) or value is not was[within]:
                    yield at * _CHUNK + within + 1

    @classmethod
    def _made(cls, chunks: tuple[tuple[T, ...], ...], count: int) -> Numbered[T]:
        made: Numbered[T] = cls.__new__(cls)
        made._chunks, made._count = chunks, count
        return made
