"""Rules about limits: they admit a run, a visit of each state, and an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from ...amounts import FREE, Allowance, Amount, Price, in_words
from ...errors import Finding
from ...limits import Limits
from .. import codes
from ..definition import Definition
from ..graph import shortest_path
from ..least import least_hops
from ..states import State
from ..worst import grants, machines_in, within


def can_start(definition: Definition) -> Iterator[Finding]:
    """Find limits that admit no run, no visit of some state, or no end."""
    reason = start_objection(definition, definition.limits)
    if reason is not None:
        yield codes.finding(
            "FSM119",
            where=definition.where,
            problem=reason,
            expected="limits that admit at least the first call and the landing",
            fix="raise the limits, or lower the caps of the first agent",
        )
    yield from _never_entered(definition)
    yield from _too_far(definition)


def entry_of(state: State) -> str:
    """Return what a state reserves money for when it is entered, in words: its first call, or its parts."""
    spec = state.spec
    if spec.calls or not spec.parts:
        return f"the first call of {state.name!r}"
    parts = [f"{part.most} x {part.name!r}" if part.most > 1 else repr(part.name) for part in spec.parts]
    return f"what {state.name!r} runs ({', '.join(parts)})"


def no_way_out(definition: Definition) -> Iterator[Finding]:
    """Find states that no run can leave, since what is reserved on entry leaves too little for any exit."""
    tokens = definition.limits.tokens
    for state in definition.states.values():
        onward = [h.target.spec.grant(FREE).tokens if isinstance(h.target, State) else 0 for h in state.exits]
        own = state.spec.grant(FREE).tokens
        if own <= tokens and onward and own + min(onward) > tokens:
            yield codes.finding(
                "FSM137",
                where=state.where,
                problem=f"{entry_of(state)} may take {own:,} tokens, and the cheapest way on {min(onward):,}; a run "
                f"has {tokens:,}",
                fix=f"raise the limit to {own + min(onward):,} tokens or more, or lower the caps of the agents",
            )


def _never_entered(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        grant = state.spec.grant(FREE).tokens
        if grant > definition.limits.tokens and state.name not in definition.starts:
            yield codes.finding(
                "FSM119",
                where=state.where,
                problem=f"{entry_of(state)} may take {grant:,} tokens, a run {definition.limits.tokens:,}",
                expected="states that a run can afford to enter",
                fix="raise the limit, or lower the caps of its agent",
            )


def _too_far(definition: Definition) -> Iterator[Finding]:
    """Find limits within which no run reaches an end other than the fallback, as each state must (`traps`)."""
    ends = {name for name, final in definition.finals.items() if not final.fallback}
    for start in definition.starts:
        path = shortest_path(definition.successors, [start], lambda name: name in ends)
        if path is None or not len(path) - 1 > definition.limits.hops >= 1:
            continue
        yield codes.finding(
            "FSM119",
            where=definition.where,
            problem=f"the shortest way to an end other than the fallback takes {len(path) - 1} hops, and a run has "
            f"{definition.limits.hops}: {' -> '.join(path)}",
            expected="limits within which some run can end elsewhere than in the fallback",
            fix=f"raise the limit of hops to {least_hops(definition)} or more, or shorten the way",
        )


def start_objection(definition: Definition, limits: Limits, prices: Mapping[str, Price] | None = None) -> str | None:
    """Return why no run could start within limits, or none of a machine inside; None if all can.

    Args:
        prices: what models cost, by state, and inside parts by `state.part.state`; None: nothing.
    """
    own = _objection(definition, limits, prices)
    if own is not None or prices is None:
        return own
    for place, inner in machines_in(definition):
        # of its tokens and hops it was asked when its class was built
        if inner.limits.cost_micros is None:
            continue
        reason = _objection(inner, inner.limits, within(prices, place))
        if reason is not None:
            state, _, part = place.rpartition(".")
            return f"{state!r} runs {part!r}, which cannot: {reason}"
    return None


def cost_limits(definition: Definition, limits: Limits) -> Iterator[tuple[str, Decimal]]:
    """Yield each limit of dollars in a tree: how the places begin whose costs it limits, and the dollars.

    Args:
        limits: of a run of the definition; all of its places begin with "".
    """
    # threads are of whole runs, so a part has no limits of them
    yours = limits.thread_cost_usd if limits.cost_usd is None else limits.cost_usd
    inside = [(f"{place}.", inner.limits.cost_usd) for place, inner in machines_in(definition)]
    for start, dollars in [("", yours), *inside]:
        if dollars is not None:
            yield start, dollars


def _objection(definition: Definition, limits: Limits, prices: Mapping[str, Price] | None) -> str | None:
    if limits.hops < 1:
        return f"a run needs at least 1 hop, to land; the limit is {limits.hops}"
    entering = None if prices is None else grants(definition, prices)
    for name in definition.starts:
        state = definition.states[name]
        grant = state.spec.grant(FREE) if entering is None else entering[name]
        if reason := _unpaid(state, grant, limits):
            return reason
    return None


def _unpaid(state: State, grant: Amount, limits: Limits) -> str | None:
    """Return why the entry of a state cannot be paid at the start of a run; None if it can."""
    thread_tokens = limits.tokens if limits.thread_tokens is None else limits.thread_tokens
    for whose, limit in (
        ("the limit is", Allowance(limits.tokens, limits.cost_micros)),
        ("a thread has", Allowance(thread_tokens, limits.thread_cost_micros)),
    ):
        if not limit.covers(grant):
            return f"{entry_of(state)} may take {in_words(grant, limit)}; {whose} {in_words(limit, limit)}"
    return None
