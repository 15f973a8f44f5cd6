"""The kernel, rule by rule: each rule of the design's sections 4 to 6, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace
from support.desk import Support, Ticket
from support.random_machines import Asks, Facts, Twins

from fsm_orch import Final, Limits, LLMAgent, Machine, Message, State, Usage, Visit, guard
from fsm_orch.amounts import Amount, Price
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs, records
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act, AskHuman, Effect
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import FailureReason, Refusal
from fsm_orch.kernel.step import fold, journal_digest, step
from fsm_orch.limits import CallLimits


class Play:
    """A run fed by hand."""

    def __init__(self, machine: type[Machine[Any, Any]] | CompiledMachine, **context: Any) -> None:
        self.compiled = machine if isinstance(machine, CompiledMachine) else CompiledMachine(machine.definition)
        self.steps: list[Step] = []
        self.at = 0.0
        self._now: Configuration | None = None
        self.feed(
            inputs.Started(
                run_id="r",
                context=context,
                digest=self.compiled.definition.digest,
                kernel=VERSION,
                limits=self.compiled.limits,
            )
        )

    def feed(self, event: Input) -> Configuration:
        self.steps.append(step(self.compiled, self._now, event))
        self._now = self.steps[-1].configuration
        return self._now

    @property
    def now(self) -> Configuration:
        assert self._now is not None
        return self._now

    @property
    def due(self) -> tuple[Effect, ...]:
        return due(self.compiled, self.now)

    @property
    def kinds(self) -> list[str]:
        return [record.kind for record in self.steps[-1].records]

    def record(self, kind: type[Any]) -> Any:
        return next(record for record in self.steps[-1].records if isinstance(record, kind))

    def reserve(self, call: int, input_tokens: int, output_tokens: int) -> Configuration:
        return self.feed(
            inputs.CallReserved(call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=self.at)
        )

    def settle(self, call: int, tokens: int | None) -> Configuration:
        usage = None if tokens is None else Usage(requests=1, input_tokens=tokens)
        return self.feed(inputs.CallSettled(call=call, usage=usage, at=self.at))

    def reply(self, handoff: str | None = None, **changes: Any) -> Configuration:
        return self.feed(inputs.Replied(handoff=handoff, changes=changes, at=self.at))

    def fail(self, reason: FailureReason = "error") -> Configuration:
        return self.feed(inputs.Failed(reason=reason, at=self.at))


def tokens(play: Play) -> tuple[int, int]:
    """Tell settled and reserved tokens."""
    return play.now.ledger.settled.tokens, play.now.ledger.reserved.tokens


# --- reserving ------------------------------------------------------------------------------------------------


def test_entering_a_state_reserves_its_grant() -> None:
    """The first call of the initial state is paid for before anybody acts."""
    play = Play(Support, query="x")

    assert tokens(play) == (0, 700)
    assert play.due == (Act((), 0, "triage", 1),)


def test_the_first_call_takes_over_the_grant_and_returns_the_difference() -> None:
    """What the grant held beyond the call's own bound is free again."""
    play = Play(Support, query="x")

    play.reserve(1, 50, 100)

    assert tokens(play) == (0, 150)


def test_a_further_call_reserves_its_own() -> None:
    """The second call adds to what is held."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.reserve(2, 60, 100)

    assert tokens(play) == (0, 310)


def test_settling_charges_what_was_used() -> None:
    """A settled call holds nothing, and its usage is charged."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.settle(1, 70)

    assert tokens(play) == (70, 0)
    assert play.now.usage == Usage(requests=1, input_tokens=70)


def test_unknown_usage_charges_the_whole_reservation() -> None:
    """A call without usage costs its reservation."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.settle(1, None)

    assert tokens(play) == (150, 0)


def test_a_released_call_is_free_but_spent() -> None:
    """A call that was never sent costs nothing, and is still one of the visit's calls."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)
    play.feed(inputs.CallReleased(call=1, at=0))
    play.reserve(2, 50, 100)

    play.reserve(3, 1, 1)

    assert play.record(records.CallDenied).reason == "calls"
    assert tokens(play) == (0, 150)


@pytest.mark.parametrize(("input_tokens", "reason"), [(600, None), (601, "call_limits")])
def test_a_call_stays_within_its_caps(input_tokens: int, reason: str | None) -> None:
    """A call may reserve its agent's caps to the token, and not one more."""
    play = Play(Support, query="x")

    play.reserve(1, input_tokens, 100)

    assert [reason] == [getattr(record, "reason", None) for record in play.steps[-1].records]


def test_a_denied_visit_is_not_served_again() -> None:
    """After one denial every further reservation of the visit is refused, even one that would fit."""
    play = Play(Support, query="x")
    play.reserve(1, 5_000, 100)

    play.reserve(1, 1, 1)

    assert play.record(records.CallDenied).reason == "repeated"


@pytest.mark.parametrize(("limit", "reason"), [(850, None), (849, "budget")])
def test_a_call_that_the_run_cannot_pay_is_denied(limit: int, reason: str | None) -> None:
    """Settled, reserved and the new call together stay within the limit, to the token."""
    play = Play(CompiledMachine(Support.definition, limits=Limits(hops=6, tokens=limit, deadline_s=60)), query="x")
    play.reserve(1, 50, 100)

    play.reserve(2, 600, 100)

    assert [reason] == [getattr(record, "reason", None) for record in play.steps[-1].records]


def test_no_call_is_reserved_after_the_deadline() -> None:
    """Once the deadline has passed nothing more is sent."""
    play = Play(Support, query="x")
    play.at = 60.0

    play.reserve(1, 1, 1)

    assert play.record(records.CallDenied).reason == "deadline"


def test_money_is_held_like_tokens() -> None:
    """Reservations and charges carry their price, rounded up to whole micro-dollars."""
    compiled = CompiledMachine(Support.definition, prices={"triage": Price(Fraction(1, 4), Fraction(2))})
    play = Play(compiled, query="x")
    play.reserve(1, 50, 100)
    held = play.now.ledger.reserved

    play.feed(inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=3, output_tokens=1), at=0))

    assert held == Amount(150, 213)
    assert play.now.ledger.settled == Amount(4, 3)


# --- replies --------------------------------------------------------------------------------------------------


def test_changes_messages_and_handoff_commit_together() -> None:
    """A legal reply moves the run and writes what it says, in one step."""
    play = Play(Support, query="x")
    play.reply("to_billing")
    said = (Message(role="assistant", content="ok", agent="billing"),)

    play.feed(inputs.Replied(handoff="done", changes={"invoice": "I7", "answer": "yes"}, messages=said, at=1))

    assert (play.now.state, play.now.status) == ("answered", "finished")
    assert play.now.context == Ticket(query="x", invoice="I7", answer="yes")
    assert play.now.messages == said
    assert play.kinds == ["handed_off", "run_finished"]


def test_open_calls_are_charged_in_full_when_a_visit_ends() -> None:
    """What an agent left open when it replied is charged, since it may have been billed."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.reply("resolved")

    assert tokens(play) == (150, 0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (inputs.Replied(handoff="nowhere", at=0), "unknown_handoff"),
        (inputs.Replied(handoff="to_verify", at=0), "unknown_handoff"),
        (inputs.Replied(at=0), "no_handoff"),
        (inputs.Replied(handoff="resolved", changes={"answer": "x"}, at=0), "undeclared_write"),
        (inputs.Replied(refusal=Refusal("not_json", "?"), at=0), "not_json"),
    ],
)
def test_a_refused_reply_changes_nothing_and_is_repaired(reply: inputs.Replied, reason: str) -> None:
    """A model's refused reply keeps the context of entry, and the model is asked again in the same visit."""
    play = Play(Support, query="x")

    play.feed(reply)

    refused = play.record(records.Refused)
    assert (refused.reason, refused.is_repaired) == (reason, True)
    assert (play.now.state, play.now.hops, play.now.context) == ("triage", 0, Ticket(query="x"))
    assert play.due == (Act((), 0, "triage", 2),)


def test_every_declared_field_is_written() -> None:
    """A reply that leaves out a declared field is refused: readers rely on it."""
    play = Play(Support, query="x")
    play.reply("to_billing")

    play.reply("done", answer="yes")

    assert play.record(records.Refused).reason == "missing_field"


def test_a_value_that_does_not_fit_is_refused_without_being_shown() -> None:
    """Values are validated by the context, and refused ones are not quoted."""
    play = Play(Support, query="x")
    play.reply("to_billing")

    play.reply("done", invoice=17, answer="yes")

    refused = play.record(records.Refused)
    assert refused.reason == "wrong_type"
    assert "17" not in refused.detail


def test_a_repair_needs_a_call_that_is_left() -> None:
    """A model that has spent its calls is not asked again."""
    play = Play(Support, query="x")
    play.reserve(1, 1, 1)
    play.settle(1, 1)
    play.reserve(2, 1, 1)
    play.settle(2, 1)

    play.reply("nowhere")

    assert play.now.landing == "refusal"


def test_a_budget_refusal_is_not_repaired() -> None:
    """Telling a model that the run is out of money mends nothing."""
    play = Play(CompiledMachine(Support.definition, limits=Limits(hops=6, tokens=1_000, deadline_s=60)), query="x")
    play.reserve(1, 50, 100)
    play.settle(1, 1)

    play.reply("to_billing")

    refused = play.record(records.Refused)
    assert (refused.reason, refused.is_repaired) == ("budget", False)
    assert play.now.landing == "budget"


# --- default handoffs -----------------------------------------------------------------------------------------


@guard
def is_a(facts: Facts) -> bool:
    return facts.a


@guard
def is_b(facts: Facts) -> bool:
    return facts.b


def work(visit: Visit[Facts]) -> None:
    """Stand for any code; the tests feed its replies by hand."""


class Forks(Machine[Facts]):
    """Code with guarded exits, failure edges and retries."""

    fork = State(work, initial=True, writes=(Facts.a, Facts.b), max_visits=2, attempts=2)
    left = State(work, max_visits=1)
    right = State(work)
    done = Final(sets={Facts.note: "done"})
    human = Final(fallback=True, sets={Facts.answer: "default"})

    to_left = fork.to(left, guard=is_a)
    to_right = fork.to(right, guard=is_b)
    again = left.to(fork)
    finish = right.to(done)
    lost = fork.on_failure(right)
    late = fork.on_timeout(done)

    limits = Limits(hops=6, deadline_s=100)


def test_without_a_proposal_the_first_open_guard_is_taken() -> None:
    """Code that proposes nothing takes the first handoff, in declaration order, whose guard holds."""
    play = Play(Forks)

    play.reply(a=True, b=True)

    assert play.now.state == "left"


def test_without_a_proposal_a_closed_guard_is_passed_over() -> None:
    """Only guards decide: the first that holds need not be the first declared."""
    play = Play(Forks)

    play.reply(a=False, b=True)

    assert play.now.state == "right"


def test_when_no_guard_holds_the_run_lands() -> None:
    """Code whose exits are all closed ends in the fallback, with the default answer and its context of entry."""
    play = Play(Forks)

    play.reply(a=False, b=False)

    assert (play.now.state, play.now.landing) == ("human", "no_handoff")
    assert play.now.context == Facts(answer="default")


def test_an_illegal_first_choice_never_falls_through() -> None:
    """If the first open handoff is not legal the visit has failed; the next one is not tried."""
    play = Play(Forks)
    play.reply(a=True, b=True)
    play.reply()

    play.reply(a=True, b=True)

    assert play.record(records.Refused).reason == "visits"
    assert play.record(records.HandedOff).handoff == "lost"


def test_a_final_state_sets_its_fields_however_it_is_reached() -> None:
    """What a final state sets is written on entry."""
    play = Play(Forks)
    play.reply(a=False, b=True)

    play.reply()

    assert (play.now.state, play.now.context.note) == ("done", "done")  # type: ignore[attr-defined]


def test_code_is_never_repaired() -> None:
    """A code agent's refused reply ends its visit."""
    play = Play(Forks)

    play.reply("nowhere", a=True, b=True)

    assert play.record(records.Refused).is_repaired is False
    assert play.now.state == "right"


# --- failure --------------------------------------------------------------------------------------------------


def test_an_error_is_retried_as_often_as_declared_under_one_key() -> None:
    """A second attempt keeps the idempotency key of its visit, and a third is not made."""
    play = Play(Forks)
    play.fail()
    retried = play.due

    play.fail()

    assert retried == (Act((), 0, "fork", 2),)
    assert play.record(records.HandedOff).handoff == "lost"


def test_a_timeout_is_not_retried_and_takes_its_own_edge() -> None:
    """What timed out may have had its effect, so it is not tried again."""
    play = Play(Forks)

    play.fail("timeout")

    assert play.record(records.AttemptFailed).is_retried is False
    assert play.now.state == "done"


def test_a_failure_without_an_edge_lands() -> None:
    """Undeclared failures go to the fallback."""
    play = Play(Forks)
    play.reply(a=False, b=True)

    play.fail()

    assert (play.now.state, play.now.landing) == ("human", "failure")


class Narrow(Machine[Facts]):
    """One step from its end."""

    look = State(work, initial=True)
    other = State(work)
    done = Final()
    human = Final(fallback=True)
    finish = (look | other).to(done)
    lost = look.on_failure(other)


def test_a_failure_edge_that_is_not_legal_lands() -> None:
    """A failure edge is an ordinary edge: it cannot take the last hop."""
    play = Play(CompiledMachine(Narrow.definition, limits=Limits(hops=1)))

    play.fail()

    assert (play.now.state, play.now.landing, play.now.hops) == ("human", "failure", 1)


def test_a_reply_after_the_visits_time_is_a_timeout() -> None:
    """Sync code that came back too late is not believed."""
    play = Play(Forks)
    play.at = 10.5

    play.reply(a=True, b=True)

    assert play.record(records.AttemptFailed).reason == "timeout"
    assert play.now.state == "done"


def test_a_reply_at_the_visits_last_moment_counts() -> None:
    """The visit's time is inclusive."""
    play = Play(Forks)
    play.at = 10.0

    play.reply(a=True, b=True)

    assert play.now.state == "left"


def test_a_reply_after_the_deadline_lands() -> None:
    """The deadline lands directly, past every failure edge."""
    play = Play(Forks)
    play.at = 100.0

    play.reply(a=True, b=True)

    assert play.now.landing == "deadline"


def test_an_overrun_lands_at_once() -> None:
    """A call that used more than its reservation is charged and recorded, and ends the run."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.settle(1, 151)

    assert play.record(records.CallSettled).overrun == 1
    assert (play.now.landing, tokens(play)) == ("overrun", (151, 0))


def test_a_cancellation_lands_and_charges_what_is_open() -> None:
    """Cancelled in the middle of a call, a run is whole: landed, with the call charged in full."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.feed(inputs.Cancelled(at=1))

    assert (play.now.landing, tokens(play)) == ("cancelled", (150, 0))
    assert play.kinds == ["call_settled", "landed", "run_finished"]


# --- entering -------------------------------------------------------------------------------------------------


class Closed(Machine[Facts]):
    """A model behind a door that is shut."""

    look = State(LLMAgent("Look.", max_input_tokens=10, max_output_tokens=10), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, "when a", guard=is_a)
    stay = look.to(human, "when b", guard=is_b)


def test_where_nothing_is_legal_on_entry_no_call_is_made() -> None:
    """A state that leads nowhere lands before its agent is asked, and its grant is given back."""
    play = Play(Closed)

    assert (play.now.landing, tokens(play)) == ("no_handoff", (0, 0))
    assert play.kinds == ["run_started", "visit_started", "landed", "run_finished"]


@guard
def divides(facts: Facts) -> bool:
    return 1 // facts.count > 0


class Divided(Machine[Facts]):
    """A guard that raises."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, guard=divides)
    other = look.to(done, guard=~divides)
    rest = look.to(done)


def test_a_guard_that_raises_is_false_and_recorded() -> None:
    """A raising guard closes its handoff, negated or not, and says so."""
    play = Play(Divided)

    assert play.record(records.VisitStarted).legal == ("rest",)
    assert [r.detail for r in play.steps[-1].records if isinstance(r, records.GuardRaised)] == [
        "ZeroDivisionError in divides",
        "ZeroDivisionError in ~divides",
    ]


answers: Iterator[bool] = iter(())


@guard
def moody(facts: Facts) -> bool:
    return next(answers)


class Moody(Machine[Facts]):
    """A guard that is not pure."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, guard=moody)


def test_a_guard_that_changes_its_answer_opens_nothing() -> None:
    """A handoff is fired through its guard: if that closed meanwhile, the run does not move through it."""
    global answers  # noqa: PLW0603
    answers = iter([True, True, False])
    play = Play(Moody)

    play.reply("go")

    assert (play.now.state, play.now.landing) == ("human", "refusal")


# --- waiting --------------------------------------------------------------------------------------------------


class Asking(Machine[Facts]):
    """Waits for a human, twice at most."""

    ask = State(Asks(writes=()), initial=True, timeout_s=5)
    plain = State(work)
    done = Final()
    human = Final(fallback=True)
    onward = ask.to(plain)
    finish = plain.to(done)


def paused(play: Play) -> Configuration:
    return play.feed(inputs.Paused(question="May I?", at=play.at))


def test_a_paused_run_waits_and_takes_only_an_answer() -> None:
    """While a run waits nothing else may happen to it, and nothing is legal."""
    play = Play(Asking)

    paused(play)

    assert (play.now.status, play.due) == ("waiting", (AskHuman((), 0, "ask", 1, "May I?"),))
    with pytest.raises(StepError, match="only a waiting run is resumed"):
        play.reply("onward")


def test_a_resumed_run_goes_on_with_the_answer() -> None:
    """The same visit goes on, under the same key, and its agent sees the answer."""
    play = Play(Asking)
    paused(play)

    play.feed(inputs.Resumed(answer={"ok": True}, at=0))

    assert play.now.visit is not None
    assert play.now.visit.answer == {"ok": True}
    assert play.due == (Act((), 0, "ask", 2),)


def test_a_run_that_does_not_wait_is_not_resumed() -> None:
    """An answer nobody asked for is refused."""
    with pytest.raises(StepError, match="only a waiting run is resumed"):
        Play(Asking).feed(inputs.Resumed(answer=1, at=0))


def test_waiting_more_often_than_declared_fails() -> None:
    """An agent that declares two questions does not get a third."""
    play = Play(Asking)
    for _ in range(2):
        paused(play)
        play.feed(inputs.Resumed(answer=1, at=0))

    paused(play)

    assert "waited more often than the 2 times" in play.record(records.AttemptFailed).detail


def test_a_waiting_run_can_be_cancelled() -> None:
    """A human who never answers does not keep a run from landing."""
    play = Play(Asking)
    paused(play)

    play.feed(inputs.Cancelled(at=0))

    assert play.now.landing == "cancelled"


# --- children -------------------------------------------------------------------------------------------------


class Parent(Machine[Facts]):
    """Runs children inside a visit."""

    fan = State(Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=300, max_output_tokens=100)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)
    limits = Limits(tokens=1_000)


def parent() -> Play:
    return Play(
        CompiledMachine(Parent.definition, children={"forks": CompiledMachine(Forks.definition), "desk": _desk()})
    )


def _desk() -> CompiledMachine:
    return CompiledMachine(Support.definition)


def split(play: Play, call: int, machine: str, share: int, **context: Any) -> Configuration:
    return play.feed(inputs.Split(call=call, machine=machine, tokens=share, context=context, at=play.at))


def for_child(play: Play, call: int, event: Input) -> Configuration:
    return play.feed(inputs.ChildInput(call=call, input=event, at=play.at))


def test_a_share_is_moved_not_copied() -> None:
    """A child's limit is exactly what its parent holds for it."""
    play = parent()

    split(play, 1, "forks", 400)

    assert tokens(play) == (0, 400)
    assert play.now.children[1].ledger.limit.tokens == 400
    assert play.due == (Act((1,), 0, "fork", 1), Act((), 0, "fan", 1))


def test_shares_are_admitted_like_calls() -> None:
    """A share counts as a call: of the visit's number, within its caps, within the budget."""
    play = parent()
    split(play, 1, "forks", 400)

    split(play, 2, "forks", 401)

    assert play.record(records.CallDenied).reason == "call_limits"
    assert tuple(play.now.children) == (1,)


def test_a_merged_child_is_charged_what_it_settled() -> None:
    """What a finished child did not spend is free again."""
    compiled = CompiledMachine(
        Parent.definition,
        children={"desk": CompiledMachine(Support.definition, limits=Limits(hops=6, tokens=400, deadline_s=60))},
    )
    small = replace(compiled.children["desk"].states["triage"].grant, tokens=300)
    desk = compiled.children["desk"]
    vars(desk)["states"] = {**desk.states, "triage": replace(desk.states["triage"], grant=small)}
    play = Play(compiled)
    split(play, 1, "desk", 400, query="x")
    for_child(play, 1, inputs.CallReserved(call=1, input_tokens=50, output_tokens=100, at=0))
    for_child(play, 1, inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=60), at=0))
    for_child(play, 1, inputs.Replied(handoff="resolved", at=0))

    play.feed(inputs.Merged(call=1, at=0))

    assert tokens(play) == (60, 0)
    assert play.now.children == {}
    assert play.now.usage.requests == 1


def test_a_child_that_runs_is_not_merged() -> None:
    """Only a finished child gives back its share."""
    play = parent()
    split(play, 1, "forks", 100)

    with pytest.raises(StepError, match="cannot be merged: it is running"):
        play.feed(inputs.Merged(call=1, at=0))


def test_a_childs_share_is_neither_settled_nor_released() -> None:
    """The call that carries a child ends by merging it, and in no other way."""
    play = parent()
    split(play, 1, "forks", 100)

    with pytest.raises(StepError, match="it is merged, not settled"):
        play.settle(1, 0)
    with pytest.raises(StepError, match="it is merged, not settled"):
        play.feed(inputs.CallReleased(call=1, at=0))


def test_children_end_with_their_visit() -> None:
    """A visit that replies while a child runs lands the child and merges it."""
    play = parent()
    split(play, 1, "forks", 100)

    play.reply("finish")

    assert (play.now.state, play.now.children, tokens(play)) == ("done", {}, (0, 0))
    assert play.kinds[:2] == ["child_record", "child_record"]


def test_a_child_that_cannot_start_changes_nothing() -> None:
    """A share too small for the child's first call is an error, and the parent is as it was."""
    play = parent()
    before = play.now

    with pytest.raises(StepError, match="Support cannot start"):
        split(play, 1, "desk", 100, query="x")

    assert play.now == before


def test_unknown_children_are_named() -> None:
    """A machine that was not compiled in cannot be run, and an input for nobody is refused."""
    with pytest.raises(StepError, match=r"no child machine 'nobody'. Children: \['desk', 'forks'\]"):
        split(parent(), 1, "nobody", 10)
    with pytest.raises(StepError, match="is for child 3, which is not running"):
        for_child(parent(), 3, inputs.Cancelled(at=0))


# --- what does not fit ----------------------------------------------------------------------------------------


def test_a_journal_begins_with_started_and_only_once() -> None:
    """Nothing happens to a run before it started, and it starts once."""
    with pytest.raises(StepError, match="a journal begins with 'started'"):
        step(CompiledMachine(Forks.definition), None, inputs.Cancelled(at=0))
    with pytest.raises(StepError, match="the journal is empty"):
        fold(CompiledMachine(Forks.definition), [])
    play = Play(Forks)
    with pytest.raises(StepError, match="has started already"):
        play.feed(inputs.Started(run_id="r", context={}))


def test_a_journals_digest_names_its_kernel() -> None:
    """Two journals share a digest only if they are the same, under the same kernel."""
    journal = [inputs.Cancelled(at=1)]

    assert journal_digest(journal) == journal_digest(tuple(journal))
    assert journal_digest(journal) != journal_digest([inputs.Cancelled(at=2)])
    assert journal_digest(journal).startswith(f"k{VERSION}:")


def test_nothing_happens_after_the_end() -> None:
    """A finished run takes no inputs."""
    play = Play(Closed)

    with pytest.raises(StepError, match="came after run r had finished"):
        play.feed(inputs.Cancelled(at=0))


@pytest.mark.parametrize("at", [-1.0, float("nan"), float("inf")])
def test_time_is_finite_and_positive(at: float) -> None:
    """A time that no clock gives is refused."""
    with pytest.raises(StepError, match="time is a finite number of seconds"):
        Play(Forks).feed(inputs.Cancelled(at=at))


def test_time_never_runs_backwards() -> None:
    """An input stamped earlier than the last one does not turn the clock back."""
    play = Play(Forks)
    play.feed(inputs.Failed(reason="error", at=5))

    play.feed(inputs.Replied(changes={"a": True, "b": False}, at=1))

    assert play.now.at == 5


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ({"digest": "0" * 64}, "on definition '000000000000', and Forks is now '[0-9a-f]{12}'"),
        ({"kernel": VERSION + 1}, f"on kernel {VERSION + 1}, and this is kernel {VERSION}"),
        ({"limits": Limits(tokens=1)}, r"within Limits\(.*\), and the limits here are Limits\(.*\)"),
    ],
    ids=["digest", "kernel", "limits"],
)
def test_a_journal_of_another_machine_kernel_or_limit_is_refused(other: dict[str, Any], how: str) -> None:
    """A journal folds only on what it was made on, and what differs is said alone."""
    compiled = CompiledMachine(Forks.definition)
    started = inputs.Started(
        run_id="r", context={}, digest=compiled.definition.digest, kernel=VERSION, limits=compiled.limits
    )

    with pytest.raises(StepError, match=f"^run r was started {how}: fold it on what it was started on$"):
        step(compiled, None, replace(started, **other))


def test_a_context_that_does_not_fit_starts_nothing() -> None:
    """A start on a broken context is refused without quoting it."""
    with pytest.raises(
        StepError, match="cannot start on this context: count: Input should be a valid integer"
    ) as error:
        Play(Forks, count="secret")

    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (inputs.CallReserved(call=2, input_tokens=1, output_tokens=1, at=0), "the next call of this visit is 1"),
        (inputs.CallReserved(call=1, input_tokens=-1, output_tokens=1, at=0), "would reserve -1"),
        (inputs.CallReserved(call=1, input_tokens=1, output_tokens=-1, at=0), "would reserve 1 \\+ -1"),
        (inputs.CallSettled(call=1, usage=None, at=0), "call 1 is not open"),
        (inputs.CallReleased(call=1, at=0), "call 1 is not open"),
        (inputs.Merged(call=1, at=0), "there is none"),
    ],
)
def test_inputs_that_fit_no_call_are_refused(event: Input, complaint: str) -> None:
    """Numbers that the books do not hold are an error, and nothing changes."""
    with pytest.raises(StepError, match=complaint):
        Play(Support, query="x").feed(event)


# --- what the faults showed ------------------------------------------------------------------------------------


def test_a_refused_handoff_commits_none_of_its_changes() -> None:
    """A reply whose handoff is not legal writes nothing: its failure edge goes on with the context of entry."""
    play = Play(Forks)
    play.reply(a=True, b=False)
    play.reply()

    play.reply(a=True, b=True)

    assert play.record(records.HandedOff).handoff == "lost"
    assert play.now.context == Facts(a=True, b=False)


def test_a_closed_guard_commits_none_of_the_changes() -> None:
    """A reply whose own handoff its changes close writes nothing, though all of them fit."""
    play = Play(Forks)

    play.reply("to_left", a=False, b=True)

    assert play.record(records.Refused).reason == "guard"
    assert (play.now.state, play.now.context) == ("right", Facts())


def test_a_denied_visit_is_not_repaired() -> None:
    """A model that was denied a call has none left for a repair, however few it made."""
    play = Play(Support, query="x")
    play.reserve(1, 5_000, 100)

    play.reply("nowhere")

    assert play.record(records.Refused).is_repaired is False
    assert play.now.landing == "refusal"


class Forgiving(Machine[Facts]):
    """A model that may try three times."""

    look = State(LLMAgent("Look.", calls=3), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, "when a")
    stay = look.to(human, "when b")


def test_every_refusal_of_a_visit_is_told() -> None:
    """A model that is refused twice learns both reasons, in order."""
    play = Play(Forgiving)
    play.reply("nowhere")

    play.reply("go", answer="x")

    assert play.now.visit is not None
    assert ["unknown_handoff", "undeclared_write"] == [refusal.reason for refusal in play.now.visit.refusals]


def test_an_answer_after_the_deadline_lands() -> None:
    """A run that is resumed when its time is over asks no agent again."""
    play = Play(Asking)
    paused(play)

    play.feed(inputs.Resumed(answer=1, at=60.0))

    assert (play.now.landing, play.due) == ("deadline", ())


def test_a_run_without_hops_does_not_start() -> None:
    """Without a hop to land with nothing is begun."""
    with pytest.raises(StepError, match="Narrow cannot start with"):
        Play(CompiledMachine(Narrow.definition, limits=Limits(hops=0)))


def test_a_question_after_the_visits_time_is_a_timeout() -> None:
    """An agent that asks too late has timed out, and nobody is asked."""
    play = Play(Asking)
    play.at = 5.5

    paused(play)

    assert play.record(records.AttemptFailed).reason == "timeout"
    assert play.now.landing == "timeout"


class Errand(Machine[Facts]):
    """A child that makes one call."""

    look = State(Twins(calls=1, writes=(), limits=CallLimits(max_input_tokens=50, max_output_tokens=50)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)


def test_children_that_overran_land_their_parent_when_its_visit_ends() -> None:
    """An overrun is not hidden in a child that nobody merged: the visit that ends with it lands."""
    play = Play(CompiledMachine(Parent.definition, children={"errand": CompiledMachine(Errand.definition)}))
    split(play, 1, "errand", 100)
    for_child(play, 1, inputs.CallReserved(call=1, input_tokens=10, output_tokens=10, at=0))
    for_child(play, 1, inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=500), at=0))

    play.reply("finish")

    assert (play.now.landing, tokens(play)) == ("overrun", (500, 0))


class Thirsty(Machine[Facts]):
    """Calls that use up what the next state needs."""

    ask = State(LLMAgent("Ask.", calls=3, max_input_tokens=10, max_output_tokens=10), initial=True)
    twice = State(Twins(calls=3, writes=(), limits=CallLimits(max_input_tokens=10, max_output_tokens=10)))
    check = State(LLMAgent("Check.", max_input_tokens=10, max_output_tokens=10))
    done = Final()
    human = Final(fallback=True)
    to_twice = ask.to(twice, "when in doubt")
    to_check = (ask | twice).to(check, "else")
    finish = check.to(done, "always")
    limits = Limits(tokens=50)


def spend(play: Play, calls: int) -> None:
    for call in range(1, calls + 1):
        play.reserve(call, 10, 10)
        play.settle(call, 20)


def test_a_repair_that_could_lead_nowhere_is_not_asked_for() -> None:
    """When its own calls have used up what every exit needs, a model with a call left is not asked again."""
    play = Play(Thirsty)
    spend(play, 2)

    play.reply("nowhere")

    assert (play.now.landing, play.due) == ("no_handoff", ())


def test_a_retry_that_could_lead_nowhere_is_not_made() -> None:
    """When its own calls have used up what every exit needs, an attempt that is left is not made."""
    play = Play(CompiledMachine(Thirsty.definition, limits=Limits(tokens=50)))
    play.reply("to_twice")
    spend(play, 2)

    play.fail()

    assert (play.now.landing, play.due) == ("no_handoff", ())


@pytest.mark.parametrize(("output_tokens", "reason"), [(100, None), (101, "call_limits")])
def test_a_calls_money_stays_within_its_caps(output_tokens: int, reason: str | None) -> None:
    """A call of as many tokens as its caps may cost no more than they do: dear output is not cheap input."""
    compiled = CompiledMachine(Support.definition, prices={"triage": Price(Fraction(1), Fraction(8))})
    play = Play(compiled, query="x")

    play.reserve(1, 700 - output_tokens, output_tokens)

    assert [reason] == [getattr(record, "reason", None) for record in play.steps[-1].records]


@pytest.mark.parametrize("usage", [Usage(input_tokens=-1, output_tokens=5), Usage(input_tokens=5, output_tokens=-1)])
def test_negative_usage_is_refused(usage: Usage) -> None:
    """Usage that would give money back is an error, whatever stands beside it."""
    play = Play(Support, query="x")
    play.reserve(1, 5, 5)

    with pytest.raises(StepError, match="counts are never negative"):
        play.feed(inputs.CallSettled(call=1, usage=usage, at=0))


def test_an_unused_grant_is_given_back_once() -> None:
    """An attempt that fails before its first call leaves nothing held and nothing charged."""
    play = Play(Support, query="x")

    play.fail()

    assert (play.now.landing, tokens(play)) == ("failure", (0, 0))


def test_a_call_without_usage_is_still_a_request() -> None:
    """What was sent is counted, even if nobody says what it used."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)

    play.settle(1, None)

    assert play.now.usage == Usage(requests=1)


def test_every_open_call_is_charged_and_recorded() -> None:
    """Each call that an attempt left open has a record of its charge."""
    play = Play(Support, query="x")
    play.reserve(1, 50, 100)
    play.reserve(2, 60, 100)

    play.reply("resolved")

    charged = [record for record in play.steps[-1].records if isinstance(record, records.CallSettled)]
    assert [(1, 150), (2, 160)] == [(record.call, record.tokens) for record in charged]
    assert tokens(play) == (310, 0)


@pytest.mark.parametrize("share", [{"tokens": -1}, {"tokens": 1, "cost": -1}])
def test_a_share_below_nothing_is_refused(share: dict[str, int]) -> None:
    """A child is not given less than nothing, in tokens or in money."""
    play = Play(CompiledMachine(Parent.definition, children={"errand": CompiledMachine(Errand.definition)}))

    with pytest.raises(StepError, match="child 1 would take"):
        play.feed(inputs.Split(call=1, machine="errand", context={}, at=0, **share))


def test_a_visits_time_counts_from_its_entry() -> None:
    """The second visit has all of its time, however long the first took."""
    play = Play(Forks)
    play.at = 9.0
    play.reply(a=False, b=True)
    play.at = 18.0

    play.reply()

    assert play.now.state == "done"


def test_a_handoff_is_recorded_with_what_it_wrote() -> None:
    """The record of a handoff names the fields and counts the messages that it committed."""
    play = Play(Support, query="x")
    play.reply("to_billing")
    said = (Message(role="assistant", content="ok", agent="billing"),)

    play.feed(inputs.Replied(handoff="done", changes={"invoice": "I7", "answer": "yes"}, messages=said, at=1))

    record = play.record(records.HandedOff)
    assert (record.source, record.target, record.written, record.messages) == (
        "billing",
        "answered",
        ("invoice", "answer"),
        1,
    )


@pytest.mark.parametrize(("input_tokens", "output_tokens"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_is_a_number_of_tokens(input_tokens: int, output_tokens: int) -> None:
    """A call may reserve and use no tokens, of input, of output or at all."""
    play = Play(Support, query="x")
    used = Usage(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)

    play.reserve(1, input_tokens, output_tokens)
    assert tokens(play) == (0, used.total_tokens)

    play.feed(inputs.CallSettled(call=1, usage=used, at=0))
    assert tokens(play) == (used.total_tokens, 0)


def test_a_child_that_calls_nobody_needs_no_share() -> None:
    """A machine of code alone runs inside a visit on no tokens at all."""
    play = parent()

    split(play, 1, "forks", 0)

    assert play.now.children[1].ledger.limit.tokens == 0
    assert tokens(play) == (0, 0)


def test_money_is_split_like_tokens() -> None:
    """Where money is limited, a child's limit is exactly what its parent holds for it."""
    price, limits = Price(Fraction(1), Fraction(1)), Limits(tokens=1_000, cost_usd="0.001")
    forks = CompiledMachine(Forks.definition)
    play = Play(CompiledMachine(Parent.definition, limits=limits, prices={"fan": price}, children={"forks": forks}))

    play.feed(inputs.Split(call=1, machine="forks", tokens=300, cost=250, context={}, at=0))

    limit = play.now.children[1].ledger.limit
    assert Amount(300, 250) == Amount(limit.tokens, limit.cost or 0) == play.now.ledger.reserved


def test_a_child_is_merged_once() -> None:
    """A merged child is gone, and those beside it stay as they are."""
    play = parent()
    split(play, 1, "forks", 100)
    split(play, 2, "forks", 150)
    for_child(play, 1, inputs.Cancelled(at=0))
    beside = play.now.children[2]

    play.feed(inputs.Merged(call=1, at=0))

    assert (play.now.children, play.now.child_machines, tokens(play)) == ({2: beside}, {2: "forks"}, (0, 150))
    with pytest.raises(StepError, match=r"child 1 cannot be merged: there is none$"):
        play.feed(inputs.Merged(call=1, at=0))
