"""What a request may offer, against a slow restatement that knows declarations, prices and exact fractions alone."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.desk import Ticket
from support.random_machines import PLANS, build

from fsm_orch import Final, Limits, LLMAgent, Machine, State, Usage
from fsm_orch.amounts import FREE, Price
from fsm_orch.define.states import Handoff
from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.legal import Offer, most_offered, objection, offered
from fsm_orch.kernel.step import step
from fsm_orch.testing import Tape, tapes

PRICES = (FREE, Price(Fraction(3), Fraction(15)), Price(Fraction(7, 3), Fraction(1, 9)))
COSTS = st.none() | st.integers(200, 9_000).map(lambda micros: str(Decimal(micros) / 10**6))
USED_UP = ("visits", "hops", "budget")


class Slow:
    """The rules of a menu, said again."""

    def __init__(self, compiled: CompiledMachine) -> None:
        self._compiled, self._limits = compiled, compiled.limits
        cost = self._limits.cost_usd
        self._most = (Fraction(self._limits.tokens), math.inf if cost is None else Fraction(Decimal(cost)) * 10**6)

    def grant(self, state: State) -> tuple[int, int]:
        caps, price = state.spec.call_limits, self._compiled.prices[state.name]
        if not state.spec.calls:
            return 0, 0
        cost = caps.max_input_tokens * price.input + caps.max_output_tokens * price.output
        return caps.max_input_tokens + caps.max_output_tokens, math.ceil(cost)

    def closes(self, now: Configuration, handoff: Handoff, held: tuple[int, int]) -> str | None:
        """Return what closes a handoff if so much is charged and reserved; None: nothing does."""
        against = objection(self._compiled, now, handoff)
        if against is not None and against.reason == "guard":  # no part of what is restated here
            return "guard"
        target = handoff.target
        if isinstance(target, Final):
            return None
        if target.max_visits is not None and now.visits.get(target.name, 0) >= target.max_visits:
            return "visits"
        if self._limits.hops - now.hops < 2:
            return "hops"
        if any(a + b > most for a, b, most in zip(held, self.grant(target), self._most, strict=True)):
            return "budget"
        return "deadline" if now.at >= self._limits.deadline_s else None

    def most(self, now: Configuration) -> Offer:
        assert now.visit is not None
        own, ledger, visit = self._compiled.definition.states[now.state], now.ledger, now.visit
        held = ledger.held.tokens, ledger.held.cost
        free = held[0] - visit.grant.tokens, held[1] - visit.grant.cost
        left, grant = own.spec.calls - visit.calls, self.grant(own)
        worst = free[0] + left * grant[0], free[1] + left * grant[1]
        now_closed = [self.closes(now, handoff, held) for handoff in own.exits]
        counted = free if any(why in USED_UP for why in now_closed) else held
        exits = tuple(handoff for handoff in own.exits if self.closes(now, handoff, counted) is None)
        is_used_up = counted is free or any(self.closes(now, handoff, worst) == "budget" for handoff in exits)
        return Offer(exits, is_used_up, is_last=left <= 1)

    def now(self, now: Configuration) -> Offer:
        """Return what is open, now that a call is reserved."""
        held = now.ledger.held.tokens, now.ledger.held.cost
        exits = self._compiled.definition.states[now.state].exits
        closed = [self.closes(now, handoff, held) for handoff in exits]
        still = tuple(handoff for handoff, why in zip(exits, closed, strict=True) if why is None)
        assert now.visit is not None
        left = self._compiled.definition.states[now.state].spec.calls - now.visit.calls
        return Offer(still, any(why in USED_UP for why in closed), is_last=left <= 0)


def next_input(now: Configuration, exits: tuple[Handoff, ...], state: State, tape: Tape) -> inputs.Input:
    """Return what may happen next in a visit: one call after the other, and then a reply."""
    assert now.visit is not None
    visit, caps, at = now.visit, state.spec.call_limits, now.at + tape.pick([0.0, 0.0, 0.5, 2.0])
    if visit.open:
        (call,) = visit.open
        used = Usage(requests=1, input_tokens=tape.below(9), output_tokens=tape.below(9))
        settled = inputs.CallSettled(call=call, usage=tape.pick([None, used]), at=at)
        return tape.pick([settled, inputs.CallReleased(call=call, at=at)])
    if state.spec.calls and visit.calls < state.spec.calls and not tape.chance(3):
        sent = tape.pick([caps.max_input_tokens, 0, 7])
        return inputs.CallReserved(call=visit.calls + 1, input_tokens=sent, output_tokens=caps.max_output_tokens, at=at)
    values = {"a": bool(tape.below(2)), "b": bool(tape.below(2)), "count": tape.below(4), "note": "n"}
    written = {ref.name: values[ref.name] for ref in state.spec.writes}
    handoff = tape.pick([*(handoff.name for handoff in exits), None])
    return tape.pick([inputs.Replied(handoff=handoff, changes=written, at=at), inputs.Failed(reason="error", at=at)])


@settings(max_examples=250)
@given(PLANS, tapes(), st.integers(100, 1_500) | st.just(10_000), st.integers(2, 9), COSTS)
def test_what_may_be_offered_is_bounded_exactly(
    plan: Tape, tape: Tape, tokens: int, hops: int, cost: str | None
) -> None:
    """At every moment of a run, in tokens and in money: the most is what it says, and what is offered then is open."""
    definition = build(plan).definition
    limits = Limits(tokens=tokens, hops=hops, cost_usd=cost)
    prices = {name: tape.pick(PRICES) for name in definition.states}
    compiled = CompiledMachine(definition, limits=limits, prices=prices)
    slow = Slow(compiled)
    try:
        now = step(compiled, None, started(compiled, {}, run_id="r")).configuration
    except StepError:
        return
    for _ in range(40):
        if now.visit is None:
            break
        before, own = now, definition.states[now.state]
        most = most_offered(compiled, before)
        assert slow.most(before) == most
        event = next_input(before, own.exits, own, tape)
        now = step(compiled, before, event).configuration
        if isinstance(event, inputs.CallReserved) and now.visit is not None and now.visit.open:
            assert slow.now(now) == offered(compiled, now, most)


def llm(name: str, *, calls: int, tokens: int) -> LLMAgent:
    return LLMAgent(name, calls=calls, max_input_tokens=tokens - 50, max_output_tokens=50)


class Two(Machine[Ticket]):
    """Two ways on, and the second is the dear one."""

    ask = State(llm("Ask.", calls=2, tokens=200), initial=True)
    small, large = State(llm("Small.", calls=1, tokens=100)), State(llm("Large.", calls=1, tokens=500))
    done, human = Final(), Final(fallback=True)
    to_small, to_large = ask.to(small, "small"), ask.to(large, "large")
    end = (small | large).to(done, "always")
    limits = Limits(tokens=9_000)


@pytest.mark.parametrize(("tokens", "is_used_up"), [(900, False), (899, True), (700, True)])
def test_each_way_on_is_looked_at(tokens: int, is_used_up: bool) -> None:
    """If the calls of the visit may take the money for one way of several, whichever it is, none of them is certain."""
    compiled = CompiledMachine(Two.definition, limits=Limits(tokens=tokens))
    now = step(compiled, None, started(compiled, {"query": "x"}, run_id="r")).configuration

    assert Offer((Two.to_small, Two.to_large), is_used_up) == most_offered(compiled, now)
