"""Findings about limits: what no run can afford, what an answer costs at least, and what no run can use up (3xx)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from ...amounts import NOTHING, Price, dollars
from ...define import codes
from ...define.definition import Definition
from ...define.graph import shortest_path
from ...define.least import least_hops
from ...define.rules.start import cost_limits, entry_of
from ...define.states import State
from ...define.wording import number_of
from ...define.worst import grants, machines_in
from ...errors import Finding
from ..bounds.certificate import Certificate
from ..bounds.skeleton import Measure
from ..bounds.words import limits_as_written

Prices = Mapping[str, Price]
"""By state; a state that is not named costs nothing."""


def out_of_reach(definition: Definition, prices: Prices) -> Iterator[Finding]:
    """Find states that no run can afford to enter, in hops or in money; FSM119 has looked at their tokens."""
    limits, entering = definition.limits, grants(definition, prices)
    for name, state in definition.states.items():
        path = shortest_path(definition.successors, definition.starts, lambda node, goal=name: node == goal)  # type: ignore[misc]
        if path is not None and len(path) > max(limits.hops, 1):
            yield codes.finding(
                "FSM301",
                where=state.where,
                about=state.name,
                problem=f"{name!r} is {number_of(len(path) - 1, 'hop')} away: {' -> '.join(path)}; of {limits.hops} "
                "the last is kept for landing, so no run gets there",
                fix=f"raise the limit, {limits_as_written(limits, hops=least_hops(definition))}, or shorten the way",
            )
        cost = entering[name].cost
        if limits.cost_micros is not None and cost > limits.cost_micros:
            yield codes.finding(
                "FSM301",
                where=state.where,
                about=state.name,
                problem=f"{entry_of(state)} may cost {dollars(cost)}, a run {dollars(limits.cost_micros)}",
                fix="raise the limit, lower the caps of its agent, or give it a cheaper model",
            )


def no_way_out(definition: Definition, prices: Prices) -> Iterator[Finding]:
    """Find states that no run can leave for lack of money; FSM137 has looked at their tokens."""
    limit, entering = definition.limits.cost_micros, grants(definition, prices)
    for name, state in definition.states.items() if limit is not None else ():
        onward = min((entering.get(handoff.target.name, NOTHING).cost for handoff in state.exits), default=0)
        own = entering[name].cost
        if own <= (limit or 0) < own + onward:
            yield codes.finding(
                "FSM301",
                where=state.where,
                about=name,
                problem=f"{entry_of(state)} may cost {dollars(own)}, and the cheapest way on {dollars(onward)}; a run "
                f"has {dollars(limit or 0)}, so it is landed there",
                fix="raise the limit, lower the caps of the agents, or give them cheaper models",
            )


def unpriced(definition: Definition, prices: Prices, models: Mapping[str, str]) -> Iterator[Finding]:
    """Find models that are named and of no known price where cost is limited: with them no run starts.

    Args:
        models: by state, and inside parts by `state.part.state`; a state that is not named has no model yet.
    """
    for place, limit in cost_limits(definition, definition.limits):
        using: dict[str, list[str]] = {}
        for state, model in models.items():
            if state.startswith(place) and state not in prices:
                using.setdefault(model, []).append(state)
        whose = f" of {place[:-1]!r}" if place else ""
        for model, states in using.items():
            yield codes.finding(
                "FSM306",
                where=_state_at(definition, states[0]).where,
                about=states[0],
                problem=f"the price of {model!r}, the model of {', '.join(map(repr, states))}, is not known, so a cost "
                f"limit of ${limit:f}{whose} cannot be kept: no run starts",
            )


def one_call(definition: Definition, models: Mapping[str, str]) -> Iterator[Finding]:
    """Find fallbacks of agents that make one call a visit: with them no run starts.

    Args:
        models: by state, and inside parts by `state.part.state`.
    """
    for place, model in models.items():
        state = _state_at(definition, place)
        if "," in model and state.spec.calls < 2:
            yield codes.finding(
                "FSM307",
                where=state.where,
                about=place,
                problem=f"the agent of {place!r} makes 1 call a visit, so {model!r} never falls back: no run starts",
            )


def not_taken(definition: Definition, refused: Mapping[str, str]) -> Iterator[Finding]:
    """Find settings that the model of a state does not take: with them no run starts.

    Args:
        refused: which, with the model and the reason, by state, and inside parts by `state.part.state`.
    """
    for place, why in refused.items():
        yield codes.finding(
            "FSM308",
            where=_state_at(definition, place).where,
            about=place,
            problem=f"the agent of {place!r} has settings that {why}: no run starts",
        )


def _state_at(definition: Definition, place: str) -> State:
    """Return the state at a place: of the definition by its name, inside parts by `state.part.state`."""
    holder, _, name = place.rpartition(".")
    state: State = dict(machines_in(definition)).get(holder, definition).states[name]
    return state


def no_answer_fits(definition: Definition, prices: Prices) -> Iterator[Finding]:
    """Find limits that no way to an answer fits into once each of its agents uses one call in full."""
    limits, entering = definition.limits, grants(definition, prices)
    for measure, limit in (("tokens", limits.tokens), ("cost", limits.cost_micros)):
        if limit is None:
            continue
        price = {name: getattr(grant, measure) for name, grant in entering.items()}
        shown = dollars if measure == "cost" else (lambda number: f"{number:,} tokens")
        for start in definition.starts:
            way = _cheapest_answer(definition, price, start)
            if way is None or way.price <= limit:
                continue
            yield codes.finding(
                "FSM302",
                where=definition.where,
                problem=f"the cheapest path to an answer needs {shown(way.price)} if each of its agents uses one call "
                f"in full, the limit is {shown(limit)}: {' -> '.join(way.path)}",
                fix=f"raise the limit to {shown(way.price)}, or lower the caps of the agents on that path",
            )


class _Way(NamedTuple):
    price: int
    path: tuple[str, ...]


def _cheapest_answer(definition: Definition, price: Mapping[str, int], start: str) -> _Way | None:
    """Find the cheapest path from a start to an end other than the fallback, within the limit of hops."""
    layer = {start: _Way(price[start], (start,))}
    best: _Way | None = None
    for _ in range(definition.limits.hops):
        onward: dict[str, _Way] = {}
        for name, way in layer.items():
            for target in definition.successors[name]:
                further = _Way(way.price + price.get(target, 0), (*way.path, target))
                if target in definition.states:
                    onward[target] = min(further, onward.get(target, further))
                elif target in definition.finals and not definition.finals[target].fallback:
                    best = min(further, best or further)
        layer = onward
    return best


def slack(definition: Definition, certificate: Certificate) -> Iterator[Finding]:
    """Find limits that a user set and no run can use up."""
    for measure, limit in _limited(definition):
        worst = certificate.bounds[measure].bound if measure in certificate.bounds else 0
        is_set = measure == "cost" or measure in definition.limits.model_fields_set
        if not is_set or not 0 < worst < limit:
            continue
        lower: Mapping[str, int | Decimal] = (
            {"cost_usd": Decimal(worst) / 1_000_000} if measure == "cost" else {measure: worst}
        )
        yield codes.finding(
            "FSM303",
            where=definition.where,
            problem=f"no run uses up its {measure}: the worst takes {_shown(worst, measure)}, "
            f"the limit is {_shown(limit, measure)}",
            fix=f"nothing, or lower it: {limits_as_written(definition.limits, **lower)} would do",
        )


def guarded(definition: Definition, certificate: Certificate) -> Iterator[Finding]:
    """Find limits that the worst run would go beyond, so that it may be landed; asked for by `--require-slack`."""
    for measure, limit in _limited(definition):
        bound = certificate.bounds.get(measure)
        if bound is not None and bound.bound > limit:
            yield codes.finding(
                "FSM305",
                where=definition.where,
                problem=f"the worst run takes {_shown(bound.bound, measure)}, the limit is {_shown(limit, measure)}, "
                f"so the ledger may land it: {' -> '.join(bound.witness.states)}",
            )


def _limited(definition: Definition) -> Iterator[tuple[Measure, int]]:
    limits = definition.limits
    yield "hops", limits.hops
    yield "tokens", limits.tokens
    if limits.cost_micros is not None:
        yield "cost", limits.cost_micros


def _shown(amount: int, measure: Measure) -> str:
    return dollars(amount) if measure == "cost" else f"{amount:,}"
