"""A journal as another version of its machine reads it: the same inputs, under the digest and the names of that one.

A run keeps what it started with, its limits, prices and shares. Stored bytes never change: it is read so, not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ...define.definition import Definition
from ...define.worst import machines_in, shares_of
from ...errors import StepError
from ...kernel.inputs import Input, Started
from ...kernel.renames import NO_RENAMES, Renames, renamed
from ...kernel.terms import read_prices, terms

__all__ = ["NO_RENAMES", "Renames", "calls_in", "rebound", "rebound_all"]


def rebound(definition: Definition, event: Input, renames: Renames = NO_RENAMES) -> Input:
    """Return an input of a run as another version of its machine reads it.

    What the run keeps is all that decides the fold: two workers fold it alike, on whatever models they run it.

    Args:
        definition: the other version.

    Raises StepError: if a price in it is none.
    """
    read = renamed(event, renames)
    return _started(definition, read) if isinstance(read, Started) else read


def rebound_all(definition: Definition, journal: Iterable[Input], renames: Renames = NO_RENAMES) -> tuple[Input, ...]:
    """Return the journal of a run as another version of its machine reads it.

    Args:
        definition: the other version.

    Raises StepError: if a price in it is none.
    """
    return tuple([rebound(definition, event, renames) for event in journal])


def _started(definition: Definition, first: Started) -> Started:
    """Return the start of a run on another version: a part that only this one has is moved what this one says.

    A price is only kept of what makes calls; what has none in the journal costs nothing in the books, as ever.
    """
    calling = set(calls_in(definition))
    prices = {place: rate for place, rate in first.prices.items() if place in calling}
    try:
        new = terms({}, shares_of(definition, read_prices(prices))).shares
    except ValueError as error:
        raise StepError(f"run {first.run_id} was not started at prices: {error}") from None
    return replace(
        first,
        digest=definition.digest,
        prices=prices,
        shares={place: first.shares.get(place, share) for place, share in new.items()},
    )


def calls_in(definition: Definition) -> Iterator[str]:
    """Yield the place of each state whose agent makes calls, at every depth."""
    yield from (name for name, state in definition.states.items() if state.spec.calls)
    for place, inside in machines_in(definition):
        yield from (f"{place}.{name}" for name, state in inside.states.items() if state.spec.calls)
