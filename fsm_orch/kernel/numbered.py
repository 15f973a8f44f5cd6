"""Values numbered from 1, which never change: a changed copy shares all but a few of them with the one it was made of.

A visit may have a thousand asks, each of which changes several times. Copied whole, they would cost the square of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

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
        if 0 < number <= self._count:
            return self._chunks[(number - 1) // _CHUNK][(number - 1) % _CHUNK]
        raise KeyError(number)

    def get(self, key: int, default: Any = None) -> Any:
        # asked for most often: the inherited one raises and catches an error where nothing has the number
        return self._chunks[(key - 1) // _CHUNK][(key - 1) % _CHUNK] if 0 < key <= self._count else default

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
        chunks = list(self._chunks)
        chunk = list(chunks[at])
        chunk[within] = value
        chunks[at] = tuple(chunk)
        made: Numbered[T] = Numbered.__new__(Numbered)
        made._chunks, made._count = tuple(chunks), self._count
        return made

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
