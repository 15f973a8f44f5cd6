"""Worst cases: the most that a run of a definition may be charged, from its numbers alone. No solver is needed.

A run makes at most `hops` visits, since the last hop is kept for landing. Guards are ignored, which can only add paths.
What is found is the dearest path; where too many paths differ by the visits that are left, the dearest that the hops
alone allow, which is more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..amounts import FREE, Amount, Price
from ..limits import Limits

_WIDEST = 512
"""The most paths of one length that are told apart by the visits that are left."""


def share_of(definition: Any, prices: Mapping[str, Price] | None = None) -> Amount:
    """Return what a run of a definition is moved where it runs as a part: its worst case, or its limit if that is less.

    Args:
        definition: a `Definition`.
        prices: what models cost, by state, and inside parts by `state.part.state`; what is not named costs nothing.
    """
    prices = prices or {}
    return _share(definition, prices, shares_of(definition, prices))


def shares_of(definition: Any, prices: Mapping[str, Price]) -> dict[str, Amount]:
    """Return the share of every part in the tree of a definition: by `state.part`, and `state.part.state.part` inside.

    Args:
        definition: a `Definition`.
        prices: as for `share_of`.
    """
    found: dict[str, Amount] = {}
    for name, state in definition.states.items():
        for part in state.spec.parts:
            place = f"{name}.{part.name}"
            inside = within(prices, place)
            inner = shares_of(part.definition, inside)
            found[place] = _share(part.definition, inside, inner)
            found |= {f"{place}.{deeper}": share for deeper, share in inner.items()}
    return found


def machines_in(definition: Any) -> Iterator[tuple[str, Any]]:
    """Yield each machine that runs inside a definition, at every depth, with its place as `shares_of` names it.

    Args:
        definition: a `Definition`.
    """
    for name, state in definition.states.items():
        for part in state.spec.parts:
            place = f"{name}.{part.name}"
            yield place, part.definition
            for deeper, inner in machines_in(part.definition):
                yield f"{place}.{deeper}", inner


def within(named: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what is named inside a part, by its names there."""
    start = f"{place}."
    return {name.removeprefix(start): value for name, value in named.items() if name.startswith(start)}


def shares_in(shares: Mapping[str, Amount], state: str, spec: Any) -> dict[str, Amount]:
    """Return the shares of the parts of one state, by part."""
    return {part.name: shares[f"{state}.{part.name}"] for part in spec.parts}


def grants(definition: Any, prices: Mapping[str, Price]) -> dict[str, Amount]:
    """Return what entering each state reserves.

    Args:
        definition: a `Definition`.
        prices: as for `share_of`.
    """
    shares = shares_of(definition, prices)
    return {
        name: state.spec.grant(prices.get(name, FREE), shares_in(shares, name, state.spec))
        for name, state in definition.states.items()
    }


def _share(definition: Any, prices: Mapping[str, Price], shares: Mapping[str, Amount]) -> Amount:
    worst = {
        name: state.spec.worst_case(prices.get(name, FREE), shares_in(shares, name, state.spec))
        for name, state in definition.states.items()
    }
    most, limits = worst_run(definition, definition.limits, worst), definition.limits
    cost = most.cost if limits.cost_micros is None else min(most.cost, limits.cost_micros)
    return Amount(min(most.tokens, limits.tokens), cost)


def worst_run(definition: Any, limits: Limits, visits: Mapping[str, Amount]) -> Amount:
    """Return the most that a run is charged, in tokens and in micro-dollars, each for itself.

    Args:
        definition: a `Definition`.
        visits: the most that a visit of each state is charged.
    """
    tokens = _dearest(definition, limits.hops, {name: amount.tokens for name, amount in visits.items()})
    cost = _dearest(definition, limits.hops, {name: amount.cost for name, amount in visits.items()})
    return Amount(tokens, cost)


def _dearest(definition: Any, hops: int, charged: Mapping[str, int]) -> int:
    """Return the charge of the dearest path, or of the dearest that the hops allow where too many paths differ."""
    if not any(charged.values()):
        return 0
    initial = definition.initial.name
    most = {
        name: hops if state.max_visits is None else state.max_visits - (name == initial)
        for name, state in definition.states.items()
    }
    onward = {name: [t for t in definition.successors[name] if most.get(t, 0) > 0] for name in most}
    scarce = frozenset(name for name, left in most.items() if 0 < left < hops - 1)
    # what was seen is kept sorted: only how often decides what may follow
    paths: dict[tuple[str, tuple[str, ...]], int] = {(initial, ()): charged[initial]}
    best = charged[initial]
    for _ in range(hops - 1):
        longer: dict[tuple[str, tuple[str, ...]], int] = {}
        for (state, seen), amount in paths.items():
            for target in onward[state]:
                if target in scarce and seen.count(target) >= most[target]:
                    continue
                key = target, tuple(sorted((*seen, target))) if target in scarce else seen
                longer[key] = max(longer.get(key, 0), amount + charged[target])
        if not longer:
            break
        if len(longer) > _WIDEST:
            return _by_hops(initial, onward, charged, hops)
        best, paths = max(best, *longer.values()), longer
    return best


def _by_hops(initial: str, onward: Mapping[str, list[str]], charged: Mapping[str, int], hops: int) -> int:
    follow = dict.fromkeys(charged, 0)
    for _ in range(hops - 1):
        follow = {name: max((charged[t] + follow[t] for t in onward[name]), default=0) for name in charged}
    return charged[initial] + follow[initial]
