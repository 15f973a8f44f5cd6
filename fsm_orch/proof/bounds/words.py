"""A certificate in sentences, and limits as a user writes them.

The tolls of visits and hops say how much the worst case rises at most when a limit is raised. This is proved, not
estimated: the same tolls also give a bound for the machine with the raised limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import Literal

from ...amounts import Price
from ...define.definition import Definition
from ...errors import CertificateError
from ...limits import Limits
from .certificate import Certificate
from .certify import certify
from .skeleton import Measure


def shown(amount: int, measure: Measure) -> str:
    """Write an amount in the unit that people use: dollars, seconds, or the plain number.

    Args:
        amount: in micro-dollars for cost, in milliseconds for time.
    """
    match measure:
        case "cost":
            return f"${amount / 1_000_000:,.6f}"
        case "milliseconds":
            return f"{amount / 1_000:,} s"
        case _:
            return f"{amount:,} {measure if amount != 1 else measure.removesuffix('s')}"


def limits_as_written(limits: Limits, **changed: float | Decimal) -> str:
    """Write the declaration of limits with some of them changed.

    Args:
        changed: new values, by the name of the limit.
    """
    # What was set is written too: pasted without it, the declaration would put those limits back to their defaults.
    values = {**limits.model_dump(include=limits.model_fields_set), **changed}
    fields = (name for name in Limits.model_fields if values.get(name) is not None)
    return f"Limits({', '.join(f'{name}={_written(values[name])}' for name in fields)})"


def _written(value: float | Decimal) -> str:
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    return f"{value:_}".removesuffix(".0")


def most_in_words(
    definition: Definition, *, limits: Limits | None = None, prices: Mapping[str, Price] | None = None
) -> str:
    """Write what no run takes more of: what is proved of it, or its limit where that is less.

    Args:
        limits: those of runs; None: the definition's.
        prices: of the models of its states, as for `certify`; None: cost is left out.
    """
    most = most_of(definition, limits=limits, prices=prices)
    counted = ", ".join(shown(amount, each) for each, amount in most.items() if each != "milliseconds")
    return f"no run takes more than {counted}, {most['milliseconds'] / 1_000:g} s"


def most_of(
    definition: Definition, *, limits: Limits | None = None, prices: Mapping[str, Price] | None = None
) -> dict[Measure, int]:
    """Return what no run takes more of: what is proved of it, or its limit where that is less.

    Args:
        limits: those of runs; None: the definition's.
        prices: of the models of its states, as for `certify`; None: cost is left out, as where it is always 0.
    """
    limits = limits or definition.limits
    caps: dict[Measure, int | None] = {
        "hops": limits.hops,
        "tokens": limits.tokens,
        "cost": limits.cost_micros,
        "milliseconds": ceil(limits.deadline_s * 1_000),
    }
    try:
        bounds = certify(definition, limits=limits, prices=prices).bounds
    except CertificateError:  # a program has to be solved, and there is no solver
        return {each: cap for each, cap in caps.items() if each != "cost" and cap is not None}
    wanted: tuple[Measure, ...] = ("calls", "hops", "tokens", *(("cost",) if prices else ()), "milliseconds")
    return {
        each: int(bounds[each].bound if (cap := caps.get(each)) is None else min(bounds[each].bound, cap))
        for each in wanted
        if each in bounds and (each != "cost" or bounds[each].bound)
    }


def bound_in_words(certificate: Certificate, measure: Measure) -> str:
    """Write what no run exceeds, and the visits of the most expensive path that was found.

    Raises KeyError: if the certificate does not bound this measure.
    """
    bound = certificate.bounds[measure]
    most, found = shown(bound.bound, measure), shown(bound.witness.amount, measure)
    path = f"visiting {' -> '.join(bound.witness.states)}"
    return f"at most {most}, {path}" if bound.is_exact else f"at most {most}; found {found}, {path}"


def verdict_in_words(certificate: Certificate, measure: Literal["tokens", "cost"]) -> str | None:
    """Write whether the worst case fits the limit; None if there is no limit of this measure, or no bound."""
    limits, verdict = certificate.limits, certificate.verdict(measure)
    if verdict is None:
        return None
    limit = limits.tokens if measure == "tokens" else limits.cost_micros or 0
    if verdict == "slack":
        lack = "tokens" if measure == "tokens" else "money"
        unless = ", unless its thread has less left" if limits.has_thread else ""
        within = f"within the limit of {shown(limit, measure)}"
        return f"slack: {within}, so no run is ever cut short for lack of {lack}{unless}"
    beyond = certificate.bounds[measure].bound - limit
    return (
        f"guarded: {shown(beyond, measure)} above the limit of {shown(limit, measure)}, so a run may be cut short and "
        "landed; leave it if that is meant, else make it fit, and have --require-slack keep it so"
    )


def tolls_in_words(certificate: Certificate, measure: Measure) -> Iterator[str]:
    """Yield what raising each limit of visits, and then the limit of hops, adds to the worst case at most."""
    bound = certificate.bounds[measure]
    # The search may have proved a bound below that of the tolls. Of the machine with a raised limit only the bound of
    # the tolls is known, so the difference is part of what raising may add.
    unproved = floor(bound.total) - bound.bound
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
