"""The maker of certificates: tolls from a linear program, the most expensive path from a search, the bound from both.

Nothing here has to be right for a run to be safe: `verifier` checks the result and shares none of this code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import floor

from ...amounts import Amount, Price
from ...define.definition import Definition
from ...define.worst import shares_of, within
from ...errors import CertificateError
from ...limits import Limits
from .assumptions import assumed
from .certificate import Bound, Certificate, Rates, Witness
from .program import best_tolls
from .search import dearest_path
from .skeleton import Measure, Skeleton, skeleton, worst_cases
from .tolls import Tolls


def certify(
    definition: Definition,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    models: Mapping[str, str] | None = None,
) -> Certificate:
    """Bound every run of a definition that has passed its checks, and of all that runs inside it.

    Return the certificate of the whole, which holds those of the parts.

    Args:
        limits: the limits of runs; None: the definition's.
        prices: by state, and inside parts by `state.part.state`, the price of its model. Cost is bounded only if every
            state that makes calls has a price.
        models: named likewise, the name of its model; None: as declared.

    Raises CertificateError: if the limit is 0 hops, so that no run can start; or if a program has to be solved and
        SciPy is not installed.
    """
    limits, prices = limits or definition.limits, prices or {}
    if limits.hops < 1:
        raise CertificateError(f"{definition.name} cannot run: even landing takes a hop, and the limit is 0 hops")
    parts = {
        f"{name}.{part.name}": certify(
            part.definition,
            prices=within(prices, f"{name}.{part.name}"),
            models=None if models is None else within(models, f"{name}.{part.name}"),
        )
        for name, state in definition.states.items()
        for part in state.spec.parts
    }
    declared = definition.models()
    named: Mapping[str, str | None] = declared if models is None else models
    shares = shares_of(definition, prices)
    inner = {place: _run_of(part, shares[place]) for place, part in parts.items()}
    costs = worst_cases(definition, limits, prices, inner)
    numbers = skeleton(definition, limits)
    return Certificate(
        machine=definition.name,
        definition=definition.digest,
        limits=limits,
        models={name: named.get(name) for name in declared},
        prices={n: Rates(input=prices[n].input, output=prices[n].output) for n in declared if n in prices},
        parts=parts,
        bounds={measure: _bound(definition, numbers, cost) for measure, cost in costs.items()},
        assumptions=assumed(is_whole=bool(parts)),
    )


def _run_of(part: Certificate, share: Amount) -> dict[Measure, int]:
    """Return the most that a run of a part holds or is charged: its bound, or its limit if that is less; or its share.

    Args:
        share: what the kernel moves to it.
    """
    # The share is more where it had to be counted by hops alone (`define.worst`), and then it is what the ledger has to
    # spare: within the bound alone, a worst case that fits its limit would be denied what it reserves. Mostly it is
    # exact, and no more than the bound.
    moved: dict[Measure, int] = {"tokens": share.tokens, "cost": share.cost}
    limits: dict[Measure, int | None] = {"tokens": part.limits.tokens, "cost": part.limits.cost_micros}
    most: dict[Measure, int] = {}
    for measure, bound in part.bounds.items():
        limit = limits.get(measure)
        charged = bound.bound if limit is None else min(bound.bound, limit)
        most[measure] = max(charged, moved.get(measure, 0))
    return most


def _bound(definition: Definition, numbers: Skeleton, cost: Mapping[str, int]) -> Bound:
    tolls = Tolls(numbers, cost, best_tolls(numbers, cost))
    found = dearest_path(tolls)
    # What is charged is a whole number, so no run exceeds the whole part of the total, and a path that reaches it
    # cannot be improved on even if the search gave up before it was sure.
    is_exact = found.is_dearest or found.amount == floor(tolls.total)
    return Bound(
        bound=found.amount if is_exact else floor(tolls.total),
        is_exact=is_exact,
        witness=Witness(
            states=found.states,
            handoffs=tuple(_first_edge(definition, *pair) for pair in pairwise(found.states)),
            amount=found.amount,
        ),
        total=tolls.total,
        to_come=tolls.to_come,
        per_visit=tolls.per_visit,
        per_hop=tolls.per_hop,
        worst_case=cost,
    )


def _first_edge(definition: Definition, source: str, target: str) -> str:
    """Return the name of the first declared handoff or failure edge from one state to another."""
    return next(h.name for leaves, h in definition.edges if (leaves, h.target.name) == (source, target))
