"""A journal as another version of its machine reads it: the same inputs, under the digest and the names of that one.

A run keeps what it started with: its limits, its prices, and its shares as far as the limits of parts now allow them.
Stored bytes never change: a journal is read so, and not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from ..amounts import Amount, Price
from ..define.definition import Definition
from ..define.worst import machines_in, shares_of
from ..errors import StepError
from ..limits import Limits
from .inputs import Input, Started
from .renames import NO_RENAMES, Renames, renamed
from .terms import read_prices, read_shares, terms


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
    """Return the start of a run on another version.

    A price is only kept of what makes calls; what has none in the journal costs nothing in the books, as ever.
    """
    calling = set(calls_in(definition))
    prices = {place: rate for place, rate in first.prices.items() if place in calling}
    kept = read_shares(first.shares)
    try:
        shares = shares_kept(definition, kept, read_prices(prices))
    except ValueError as error:
        raise StepError(f"run {first.run_id} was not started at prices: {error}") from None
    return replace(
        first,
        digest=definition.digest,
        prices=prices,
        shares=terms({}, shares).shares,
    )


def shares_kept(definition: Definition, kept: Mapping[str, Amount], prices: Mapping[str, Price]) -> dict[str, Amount]:
    """Return what runs of parts are moved: what the run keeps, but no more than the part may have now.

    Args:
        kept: by place in this version. A part that is not in it is moved what this version says.
    """
    limits = {place: inside.limits for place, inside in machines_in(definition)}
    found = {place: kept.get(place, share) for place, share in shares_of(definition, prices).items()}
    return {place: _within(share, limits[place]) for place, share in found.items()}


def _within(share: Amount, limits: Limits) -> Amount:
    most = limits.cost_micros
    return Amount(min(share.tokens, limits.tokens), share.cost if most is None else min(share.cost, most))


def calls_in(definition: Definition) -> Iterator[str]:
    """Yield the place of each state whose agent makes calls, at every depth."""
    yield from (name for name, state in definition.states.items() if state.spec.calls)
    for place, inside in machines_in(definition):
        yield from (f"{place}.{name}" for name, state in inside.states.items() if state.spec.calls)
