"""Exploration: it finds what a brute force finds, the shortest way there, and says what it does not know."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import field_validator
from support.brute import Desk, Flags, breaks_at, desks, is_a, is_b, is_kept, policies
from support.desk import Support, Ticket, is_verified
from support.lanes import in_both_lanes
from support.random_machines import build, tight
from support.spoilt import FAULTS, LIMITS, spoilt

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, State, after, at_most, eventually, guard, never
from fsm_orch.amounts import Price
from fsm_orch.define import Policy
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold, step
from fsm_orch.proof.explore import play, walk
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.trace import PLACEHOLDER, Assumption, Trace
from fsm_orch.testing import Tape, tapes

# --- against a brute force ------------------------------------------------------------------------------------


@in_both_lanes(few=10, many=100)
def test_brute_force_agrees(examples: int) -> None:
    """States, hops, tokens and policies are those of all runs, listed one by one; no shorter path breaks a policy."""

    @settings(max_examples=examples)
    @given(desks(), st.data())
    def agrees(desk: Desk, data: st.DataObject) -> None:
        claims = tuple(data.draw(policies(desk.definition)) for _ in range(3))
        runs = list(desk.runs())

        found = explore(desk.definition, policies=claims)

        assert found.is_complete
        assert () == found.broken
        assert {state for run in runs for state in run.entered} == set(found.reached)
        assert max(run.hops for run in runs) == found.measures.hops.amount
        assert max(run.tokens for run in runs) == found.measures.tokens.amount == found.measures.tokens.trace.settled
        kept = [all(is_kept(claim, run) for run in runs) for claim in claims]
        assert kept == [judged.verdict == "holds" for judged in found.policies]
        for judged in found.policies:
            assert judged.verdict in ("holds", "violated")
            if judged.trace:
                shortest = min(breaks_at(judged.policy, run) for run in runs if not is_kept(judged.policy, run))
                was_landed = judged.trace.legs[-1:] and judged.trace.legs[-1].landing  # entered, and nothing was legal
                assert judged.trace.hops - bool(was_landed) <= shortest <= judged.trace.hops

    agrees()


@given(desks(), st.data())
@settings(deadline=None, max_examples=50)
def test_traces_are_real_runs(desk: Desk, data: st.DataObject) -> None:
    """What a trace did to the abstract machine leads the real one along the same path, at the same price."""
    found = explore(desk.definition, policies=(data.draw(policies(desk.definition)),))

    compiled = CompiledMachine(desk.definition)
    for trace in traces(found):
        end = replayed(compiled, trace)
        assert (end.state, end.hops, end.ledger.settled.tokens) == (trace.state, trace.hops, trace.settled)
        assert trace.is_sure


def traces(found: Exploration) -> Iterator[Trace]:
    """Yield every trace that an exploration shows."""
    yield from found.reached.values()
    yield from (
        most.trace for most in (found.measures.hops, found.measures.tokens, found.measures.cost, found.measures.calls)
    )
    yield from (judged.trace for judged in found.policies if judged.trace)


def replayed(compiled: CompiledMachine, trace: Trace) -> Configuration:
    """Fold what happened on a trace."""
    started = inputs.Started(
        run_id="r", context=trace.start, digest=compiled.definition.digest, kernel=VERSION, limits=compiled.limits
    )
    said = [event for turn in trace.legs for event in turn.inputs]
    return fold(compiled, [started, *said, *trace.inputs])


@pytest.mark.slow
@given(tapes(), st.integers(0, 255))
@settings(deadline=None, max_examples=25)
def test_random_machines_keep_the_theorems(plan: Tape, choice: int) -> None:
    """T1 to T5 hold after every step of machines with failure edges, attempts, pauses and guards that raise."""
    limits = tight(Tape(bytes([choice, choice // 7, choice // 49])))
    machine = build(plan)

    try:
        found = explore(machine.definition, limits=limits, max_configurations=3_000)
    except StepError:
        return

    assert ("T1", "T2", "T3", "T4", "T5") == found.held
    assert found.measures.hops.amount <= limits.hops
    assert found.measures.tokens.amount <= limits.tokens


# --- what guards read -----------------------------------------------------------------------------------------


class Tier(enum.Enum):
    FREE = "free"
    PAID = "paid"


class Order(Context):
    query: str
    tier: Given[Tier | None] = None
    level: Literal["low", "high"] = "low"
    amount: Given[int] = 0


@guard
def is_sold(order: Order) -> bool:
    return "buy" in order.query and order.amount == 1


@guard
def is_paid(order: Order) -> bool:
    return order.tier is Tier.PAID


@guard
def is_high(order: Order) -> bool:
    return order.level == "high"


@guard
def is_large(order: Order) -> bool:
    return order.amount > 100


@guard
def is_lucky(order: Order) -> bool:
    """Hold of a text that nobody guesses."""
    return zlib.crc32(order.query.encode()) == 7


def act(visit: Any) -> None:
    """Do nothing: no agent is called here."""


def router(*exits: Any, writes: tuple[Any, ...] = (), claims: Callable[[Any], tuple[Policy, ...]]) -> Exploration:
    """Explore a machine that starts, perhaps writes, and leaves for `one` or `two` by guards."""

    class Routing(Machine[Order]):
        """Route."""

        start = State(act, initial=True, writes=writes)
        one, two = State(act), State(act)
        done, human = Final(), Final(fallback=True)
        to_one = start.to(one, guard=exits[0])
        to_two = start.to(two, guard=exits[1])
        end = (one | two).to(done)

    return explore(Routing.definition, policies=claims(Routing))


def verdicts(found: Exploration) -> list[str]:
    return [judged.verdict for judged in found.policies]


def test_enums_and_literals_are_exact() -> None:
    """A guard over finite fields is answered for each of their values, and not both ways."""
    found = router(is_paid, is_paid & is_high, claims=lambda m: (never(m.one), never(m.two)))

    assert ["violated", "holds"] == verdicts(found)  # `level` is not given, so it begins as it is declared
    assert Tier.PAID is found.reached["one"].start["tier"]
    assert {"query": PLACEHOLDER, "level": "low", "amount": PLACEHOLDER} == {
        name: value for name, value in found.reached["one"].start.items() if name != "tier"
    }


def test_what_an_agent_writes_is_every_value() -> None:
    """A field that an agent writes may become anything, whatever it was."""
    found = router(is_paid, is_paid & is_high, writes=(Order.level,), claims=lambda m: (never(m.two),))

    assert ["violated"] == verdicts(found)
    turn = found.reached["two"].legs[0]
    assert ("start", "to_two", "handoff", "two") == (turn.state, turn.handoff, turn.kind, turn.target)
    assert {"level": "high"} == turn.changes


def test_an_opaque_guard_makes_a_path_possible() -> None:
    """A path that depends on a guard over a text is possible, and says on which; one that does not is violated."""
    found = router(is_lucky, None, claims=lambda m: (never(m.one), never(m.two), never(m.one).before(m.two)))

    assert ["possible", "violated", "possible"] == verdicts(found)
    assert (Assumption("is_lucky", "yes"),) == found.policies[0].trace.assumptions  # type: ignore[union-attr]
    assert not found.reached["one"].is_sure
    assert found.reached["two"].is_sure
    assert any("is_lucky" in note for note in found.abstracted)
    assert any("query, tier, level, amount" in note for note in found.abstracted)


def test_a_sure_way_counts_however_late_it_is_found() -> None:
    """A state that is reached by an opaque guard is really reached if another way there needs none."""

    class Twice(Machine[Order]):
        """Go on, one way or another."""

        start, on = State(act, initial=True), State(act)
        done, human = Final(), Final(fallback=True)
        guessed = start.to(on, guard=is_lucky)
        plain = start.to(on)
        end = on.to(done)

    found = explore(Twice.definition, policies=(never(Twice.on),))

    assert ["violated"] == verdicts(found)
    assert ["possible"] == verdicts(explore(Twice.definition, policies=(never(Twice.guessed),)))
    assert "start -plain-> on" == str(found.reached["on"])


def test_the_shortest_path_over_an_opaque_guard_is_shown() -> None:
    """Of the paths that depend on an opaque guard, the shortest is shown."""

    class Loop(Machine[Order]):
        """Go round."""

        start = State(act, initial=True, max_visits=3)
        done, human = Final(), Final(fallback=True)
        again = start.to(start)
        end = start.to(done, guard=is_lucky)

    found = explore(Loop.definition, policies=(never(Loop.done),))

    assert ["possible"] == verdicts(found)
    assert "start -end-> done" == str(found.policies[0].trace)


def test_states_that_are_left_at_once_are_entered() -> None:
    """A state in which nothing is legal is entered all the same, whichever of several it is."""

    class Shut(Machine[Flags]):
        """Run into closed doors."""

        start, one, two = State(act, initial=True), State(act), State(act)
        done, human = Final(), Final(fallback=True)
        to_one, to_two, off = start.to(one), start.to(two), start.to(done)
        never_one = one.to(done, guard=is_a & ~is_a)
        never_two = two.to(done, guard=is_b & ~is_b)

    assert {"start", "one", "two", "done", "human"} == set(explore(Shut.definition).reached)
    found = explore(Shut.definition, policies=(never(Shut.one), never(Shut.two)))
    assert ["violated", "violated"] == verdicts(found)


def test_a_guard_and_its_opposite_never_both_hold() -> None:
    """In one step an opaque guard answers once; in the next it may answer otherwise."""

    class Doubt(Machine[Order]):
        """Ask twice."""

        start, middle = State(act, initial=True), State(act, writes=(Order.amount,))
        never_there, done, human = State(act), Final(), Final(fallback=True)
        both = start.to(never_there, guard=is_large & ~is_large)
        on = start.to(middle, guard=is_large)
        off = middle.to(done, guard=~is_large)
        end = never_there.to(done)

    found = explore(Doubt.definition, policies=(never(Doubt.never_there), eventually(Doubt.done)))

    assert "never_there" not in found.reached
    assert "done" in found.reached
    assert ["holds", "holds"] == verdicts(found)


def test_an_opaque_leaf_may_raise() -> None:
    """Where raising is not the same as answering no, it is tried: neither of a guard and its opposite holds then."""
    found = router(is_large, ~is_large, claims=lambda m: (eventually(m.one | m.two, strict=True),))

    assert ["violated"] == verdicts(found)  # whatever the guard answers, the agent may raise
    undecided = router(is_large, ~is_large, claims=lambda m: (eventually(m.one | m.two),))
    assert ["holds"] == verdicts(undecided)
    assert {"yes", "no", "raises"} >= {assumption.answer for trace in traces(found) for assumption in trace.assumptions}


def test_a_guard_that_was_guessed_is_the_same_to_a_policy() -> None:
    """What a handoff's guard was taken to answer, a policy that speaks of the same guard hears too."""
    found = router(is_lucky, None, claims=lambda m: (never(m.one).before(is_lucky), never(m.two).before(is_lucky)))

    assert ["holds", "violated"] == verdicts(found)


def test_a_policy_over_an_opaque_guard_leaves_others_sure() -> None:
    """A policy over an opaque guard is explored apart, so that the paths of others do not depend on it."""
    found = router(None, None, claims=lambda m: (never(m.one), never(m.done).after(is_lucky), at_most(1, m.two)))

    assert ["violated", "possible", "holds"] == verdicts(found)
    assert all(trace.is_sure for trace in (found.reached["one"], found.measures.hops.trace))


def test_an_exploration_may_end_at_the_first_broken_policy() -> None:
    """It leaves the policy undecided then; where all hold, it is whole."""

    def verdicts_of(policy: Policy) -> tuple[bool, list[str]]:
        found = explore(Branching.definition, policies=(policy,), until_broken=True)
        return found.is_complete, verdicts(found)

    class Branching(Machine[Order]):
        """Go on, or not."""

        start, later = State(act, initial=True), State(act)
        done, human = Final(), Final(fallback=True)
        go_on, end, at_last = start.to(later), start.to(done), later.to(done)

    assert (False, ["unknown"]) == verdicts_of(never(Branching.later))
    assert (False, ["unknown"]) == verdicts_of(eventually(Branching.later))
    assert (True, ["holds"]) == verdicts_of(at_most(1, Branching.later))
    assert (True, ["holds"]) == verdicts_of(eventually(Branching.done))


def test_what_a_final_state_sets_is_known() -> None:
    """A guard over an opaque field is known where a final state has written it."""

    class Setting(Machine[Order]):
        """End."""

        start = State(act, initial=True)
        small, large = Final(sets={Order.amount: 1}), Final(sets={Order.amount: 200})
        human = Final(fallback=True, sets={Order.amount: 200})
        to_small, to_large = start.to(small), start.to(large)

    claims = (
        never(Setting.small).before(is_large),
        never(Setting.large).before(is_large),
        never(Setting.human, strict=True).before(is_large),
    )
    assert ["violated", "holds", "holds"] == verdicts(explore(Setting.definition, policies=claims))


def test_what_a_final_state_sets_may_be_read_after_an_opaque_field() -> None:
    """What a guard answered before its end does not bind it there, since it may read what is set after all."""

    class Selling(Machine[Order]):
        """End."""

        start = State(act, initial=True)
        sold, human = Final(sets={Order.amount: 1}), Final(fallback=True)
        to_sold = start.to(sold, guard=~is_sold)

    found = explore(Selling.definition, policies=(never(is_sold).after(Selling.to_sold), never(is_sold)))

    assert ["violated", "violated"] == verdicts(found)


@guard
def is_sold_unranked(order: Order) -> bool:
    return order.amount > 3 and order.tier is None


@guard
def is_sold_high(order: Order) -> bool:
    return order.amount > 3 and order.level == "high"


@guard
def is_low(order: Order) -> bool:
    return order.level == "low"


def test_what_is_read_after_what_a_final_state_sets_is_not_told_apart() -> None:
    """Beyond a field that is opaque but at the end, values were merged and fields forgotten: nothing is known there."""

    class Selling(Machine[Order]):
        """End, at once or later; one guard asks whether it was paid, another what its level was."""

        start, later = State(act, initial=True, writes=(Order.tier, Order.level)), State(act)
        sold, human = Final(sets={Order.amount: 5}), Final(fallback=True)
        paid, to_later, to_sold = start.to(human, guard=is_paid), start.to(later, guard=is_low), start.to(sold)
        end = later.to(sold)

    claims = (
        never(is_sold_unranked).after(Selling.to_sold),
        never(is_sold_unranked).after(Selling.end),
        never(is_sold_high).after(Selling.to_sold),
        never(is_sold_high).after(Selling.end),
    )
    assert ["possible"] * 4 == verdicts(explore(Selling.definition, policies=claims))


@pytest.mark.parametrize(("refused", "verdict"), [("nothing", "violated"), ("?", "possible")])
def test_validators_are_asked_by_taking_the_path(refused: str, verdict: str) -> None:
    """A path is real if the machine itself takes it with simple values; else the validators may refuse it."""

    class Strict(Context):
        text: str
        flag: Given[bool] = False

        @field_validator("text")
        @classmethod
        def strip(cls, value: str) -> str:
            if value == refused:
                raise ValueError("no")
            return value.strip()

    class Picky(Machine[Strict]):
        """Do it."""

        start = State(act, initial=True)
        done, human = Final(), Final(fallback=True)
        end = start.to(done)

    found = explore(Picky.definition, policies=(never(Picky.done), eventually(Picky.done)))

    assert [verdict, "holds"] == verdicts(found)
    assert any("validators of Strict" in note for note in found.abstracted)


# --- policies -------------------------------------------------------------------------------------------------


class Careless(Machine[Ticket]):
    """Refund whoever asks twice."""

    triage = State(LLMAgent("Route.", reads=(Ticket.query,), max_input_tokens=80, max_output_tokens=20), initial=True)
    verify = State(act, writes=(Ticket.verified,), max_visits=2)
    refund = State(act, writes=(Ticket.answer,))
    answered, human = Final(), Final(fallback=True)
    to_verify = triage.to(verify, "the customer wants money back")
    hurry = triage.to(refund, "the customer is angry")
    approved = verify.to(refund, guard=is_verified)
    again = verify.to(triage)
    done = refund.to(answered)
    limits = Limits(hops=6, tokens=10_000)
    policies = (never(refund).before(verify), never(refund).before(is_verified), eventually(answered))


def test_a_refund_without_verification_is_found() -> None:
    """The shortest path that breaks a policy is shown, and the definition's own policies are checked."""
    found = explore(Careless.definition)

    assert ["violated", "violated", "holds"] == verdicts(found)
    trace = found.policies[0].trace
    assert trace is not None
    assert "triage -hurry-> refund" == str(trace)
    assert ("triage", "refund") == trace.path
    assert trace.is_sure
    assert ("query", "invoice", "answer") == trace.opaque
    assert Careless.policies[0] is found.policies[0].policy


def test_the_machine_that_does_verify_holds() -> None:
    """The same policies hold where the only way to a refund is through its verification."""
    claims = (never(Support.refund).before(Support.verify), never(Support.refund).before(is_verified))

    assert ["holds", "holds"] == verdicts(explore(Support.definition, policies=claims))


def test_a_landing_excuses_what_was_to_come_and_nothing_else() -> None:
    """Unless strict, a landed run owes nothing, and its landing is no moment; what it did stays done."""
    claims = (
        eventually(Careless.answered),
        eventually(Careless.answered, strict=True),
        never(Careless.human),
        never(Careless.human, strict=True),
        after(Careless.to_verify).eventually(Careless.answered),
        after(Careless.to_verify).eventually(Careless.answered, strict=True),
        never(Careless.refund),
    )

    found = explore(Careless.definition, policies=claims, limits=Limits(hops=2, tokens=10_000))

    assert ["holds", "violated", "holds", "violated", "holds", "violated", "violated"] == verdicts(found)


def test_limits_decide_too() -> None:
    """A state that no run can afford or has hops for is not reached, and policies see that."""
    claim = (never(Careless.refund),)

    assert ["holds"] == verdicts(explore(Careless.definition, policies=claim, limits=Limits(hops=1)))
    assert ["violated"] == verdicts(explore(Careless.definition, policies=claim, limits=Limits(hops=2)))


# --- measures -------------------------------------------------------------------------------------------------


def test_a_trace_tells_what_every_turn_cost() -> None:
    """Calls, reservations and what is settled are told turn by turn, at the limits and prices that were given."""
    prices = {"triage": Price(Fraction(3), Fraction(15))}
    found = explore(Careless.definition, prices=prices)

    trace = found.measures.tokens.trace
    assert (600, 6, 3 * 2 * 540) == (
        found.measures.tokens.amount,
        found.measures.calls.amount,
        found.measures.cost.amount,
    )
    assert [(100, 100), (), (100, 100), (), (100, 100)] == [turn.calls for turn in trace.legs]
    assert [200, 200, 400, 400, 600] == [turn.settled for turn in trace.legs]
    assert [100, 0, 100, 0, 100] == [turn.reserved for turn in trace.legs]
    assert [0, 1, 2, 3, 4] == [turn.hops for turn in trace.legs]
    assert (600, 3_240, 6) == (trace.settled, trace.cost, trace.calls)


def test_a_limit_of_money_is_kept_too() -> None:
    """With a price and a limit of cost, what could not be paid is not done."""
    prices = {"triage": Price(Fraction(3), Fraction(15))}
    limits = Limits(hops=6, tokens=10_000, cost_usd="0.0017")

    found = explore(Careless.definition, prices=prices, limits=limits)

    assert found.measures.is_tight
    assert 1_620 == found.measures.cost.amount
    assert () == found.broken


class Dear(Machine[Flags]):
    """The dear state fits only where a call used nothing."""

    cheap = State(LLMAgent("a", calls=1, max_input_tokens=30, max_output_tokens=10), initial=True)
    dear = State(LLMAgent("b", calls=1, max_input_tokens=60, max_output_tokens=10))
    done, human = Final(), Final(fallback=True)
    on = cheap.to(dear, "on")
    off = cheap.to(done, "off")
    end = dear.to(done, "end")
    limits = Limits(hops=3, tokens=110)


def test_little_usage_opens_what_the_maximum_closes() -> None:
    """Where the ledger may deny something, calls that use nothing are explored as well as those that use all."""
    tight = explore(Dear.definition, limits=Limits(hops=3, tokens=100))
    fits = explore(Dear.definition)

    assert (True, False) == (tight.measures.is_tight, fits.measures.is_tight)
    assert {"cheap", "dear", "done", "human"} == set(tight.reached)
    assert (70, 110) == (tight.measures.tokens.amount, fits.measures.tokens.amount)
    assert tight.configurations > 0


def test_no_run_can_start() -> None:
    """Limits that admit no run are told as the kernel tells them."""
    with pytest.raises(StepError, match="cannot start"):
        explore(Dear.definition, limits=Limits(tokens=10))


def test_every_failure_edge_is_taken() -> None:
    """An agent may raise, take too long, and be refused for good, though every reply of its own would be legal."""

    class Failing(Machine[Flags]):
        """Fail."""

        start = State(act, initial=True)
        failed, late, refused = State(act), State(act), State(act)
        done, human = Final(), Final(fallback=True)
        end = (start | failed | late | refused).to(done)
        lost, waited, doubted = start.on_failure(failed), start.on_timeout(late), start.on_refusal(refused)

    found = explore(Failing.definition)

    kinds = {name: found.reached[name].legs[0].kind for name in ("failed", "late", "refused")}
    assert {"failed": "failure", "late": "timeout", "refused": "refusal"} == kinds


# --- bounds of the search -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cap_leaves_a_partial_verdict() -> None:
    """Where there is no more room, what was broken stays broken, and what the bare graph did not decide is unknown."""
    claims = (never(Support.triage), never(Support.refund), never(Support.answered), at_most(3, Support.billing))
    whole = explore(Support.definition, policies=claims)

    for room in range(1, whole.configurations):
        found = explore(Support.definition, policies=claims, max_configurations=room)
        assert not found.is_complete
        assert room == found.configurations
        assert "violated" == verdicts(found)[0]
        assert "holds" not in verdicts(found)[:3]
        for before, now in zip(verdicts(found), verdicts(whole), strict=True):
            assert before in ("unknown", now)
    assert whole.is_complete
    assert explore(Support.definition, policies=claims, max_configurations=whole.configurations).is_complete
    with pytest.raises(ValueError, match="room for at least 1"):
        explore(Support.definition, max_configurations=0)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks hears how far the exploration is; the clock is whoever's that gives it."""
    monkeypatch.setattr(walk, "_PROGRESS_EVERY", 5)
    told: list[tuple[int, int]] = []
    ticks = iter([10.0, 12.5])

    found = explore(
        Support.definition,
        on_progress=lambda configurations, frontier: told.append((configurations, frontier)),
        clock=lambda: next(ticks),
    )

    assert 2.5 == found.seconds
    assert [5 * (number + 1) for number in range(len(told))] == [configurations for configurations, _ in told]
    assert len(told) == found.configurations // 5 > 1
    assert all(0 < frontier <= configurations for configurations, frontier in told)
    assert explore(Dear.definition).seconds is None


# --- a kernel that is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_kernel_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The theorems are checked after every step by other lines than the kernel's own."""
    fault = FAULTS[name]
    monkeypatch.setattr(play, "step", spoilt(fault))

    found = explore(Support.definition, limits=LIMITS, max_configurations=60)

    assert fault.theorem in {broken.breach.theorem for broken in found.broken}
    assert fault.theorem not in found.held


def test_a_closed_guard_that_is_passed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1 asks the guard again, on the context that was committed."""

    class Open(Machine[Flags]):
        """Pass."""

        start = State(act, initial=True, writes=(Flags.b,))
        done, human = Final(), Final(fallback=True)
        on = start.to(done, guard=is_a & is_b)

    def open_to_all(compiled: CompiledMachine, now: Configuration | None, event: Input) -> Step:
        holds = compiled.holds
        vars(compiled)["holds"] = lambda handoff, context: holds(handoff, context)._replace(holds=True)
        try:
            return step(compiled, now, event)
        finally:
            vars(compiled)["holds"] = holds

    monkeypatch.setattr(play, "step", open_to_all)

    assert ["T1"] == [broken.breach.theorem for broken in explore(Open.definition).broken]
