"""What a certificate says, in sentences, and limits as a user writes them.

The tolls of visits and hops are shadow prices, and more than a guess: they bound what the worst case becomes when a
limit is raised, because they prove a bound of the raised machine too.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import ceil, floor
from typing import Literal

from ...limits import Limits
from .certificate import Certificate
from .skeleton import Measure


def shown(amount: int, measure: Measure) -> str:
    """Write an amount in the unit that people use."""
    match measure:
        case "cost":
            return f"${amount / 1_000_000:,.6f}"
        case "milliseconds":
            return f"{amount / 1_000:,} s"
        case _:
            return f"{amount:,} {measure if amount != 1 else measure.removesuffix('s')}"


def limits_as_written(limits: Limits, **changed: float | Decimal) -> str:
    """Write the declaration of limits with some changed: all that was set stays, or it would be its default again."""
    values = {**limits.model_dump(include=limits.model_fields_set), **changed}
    fields = (name for name in Limits.model_fields if values.get(name) is not None)
    return f"Limits({', '.join(f'{name}={_written(values[name])}' for name in fields)})"


def _written(value: float | Decimal) -> str:
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    return f"{value:_}".removesuffix(".0")


def bound_in_words(certificate: Certificate, measure: Measure) -> str:
    """Say what no run exceeds, and the path that comes nearest."""
    bound = certificate.bounds[measure]
    most, found = shown(bound.bound, measure), shown(bound.witness.amount, measure)
    path = " -> ".join(bound.witness.states)
    return f"at most {most}, by {path}" if bound.is_exact else f"at most {most}; found {found}, by {path}"


def verdict_in_words(certificate: Certificate, measure: Literal["tokens", "cost"]) -> str | None:
    """Say whether the ledger may land a run; None if nothing limits the measure, or it is not bounded."""
    limits, verdict = certificate.limits, certificate.verdict(measure)
    if verdict is None:
        return None
    limit = limits.tokens if measure == "tokens" else limits.cost_micros or 0
    if verdict == "slack":
        return f"slack: within the limit of {shown(limit, measure)}, so no run is ever landed for {measure}"
    beyond = certificate.bounds[measure].bound - limit
    return f"guarded: {shown(beyond, measure)} above the limit of {shown(limit, measure)}, so the ledger may land a run"


def tolls_in_words(certificate: Certificate, measure: Measure) -> Iterator[str]:
    """Say what raising each limit of visits, and the limit of hops, would add to the worst case at most."""
    bound = certificate.bounds[measure]
    unproved = floor(bound.total) - bound.bound  # a raised machine is bounded by the tolls alone
    for state, toll in bound.per_visit.items():
        if toll + unproved:
            each = "one more" if unproved else "each further"
            yield f"{each} visit of {state!r} adds at most {shown(ceil(toll) + unproved, measure)}"
        else:
            yield f"max_visits of {state!r} is not binding"
    if bound.per_hop + unproved:
        yield f"one more hop adds at most {shown(ceil(bound.per_hop) + unproved, measure)}"
    else:
        yield "the limit of hops is not binding"
