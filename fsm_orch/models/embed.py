"""The port of embedders: a text as a vector, so that texts that mean alike lie near each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

Vector = tuple[float, ...]
"""A direction: numbers whose squares add up to 1."""


class Embedder(Protocol):
    """What makes vectors of texts, on this machine.

        class Mine:                                # an own embedder: a name, and `embed`
            name = "mine-v1"
            def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]: ...

    It is no model of a run: what it does is neither reserved nor charged. So it must cost nothing: one that sends texts
    to a provider belongs into an agent that is metered.
    """

    @property
    def name(self) -> str:
        """What it is and with which weights: digests hold it, and vectors of two names are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, of one length, whichever texts stand beside it.

        It may block, as while it loads, and it is called in several threads at once.
        """
        ...


def unit(numbers: Iterable[float]) -> Vector:
    """Return the direction of a vector; a vector of zeros stays as it is, and is like nothing.

    Raises ValueError: if something in it is not a finite number.
    """
    vector = tuple(map(float, numbers))
    length = math.sqrt(math.fsum(part * part for part in vector))
    if not math.isfinite(length):
        raise ValueError("a vector holds what is not a finite number: an embedder gives numbers alone")
    return tuple(part / length for part in vector) if length else vector
