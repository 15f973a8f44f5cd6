"""Runs that start elsewhere than in the initial state, where a machine declares it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import desk
from support.random_machines import MACHINES

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, Runner, ScriptedModel, State, never
from fsm_orch.errors import DefinitionError, StartError, StepError
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Started
from fsm_orch.kernel.step import step
from fsm_orch.proof import prove
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.testing import Tape, TheoremChecker, Turn, play
from machines.shop import ShopFloor


class Ticket(Context):
    """A customer's question."""

    query: str
    locale: Given[str] = "en"
    answer: str | None = None


def cap(visit: Any) -> None:
    """Do nothing."""


class Support(Machine[Ticket]):
    """A desk whose customers may be known to come for billing."""

    triage = State(
        LLMAgent("Route.", reads=Ticket.query, calls=1, max_input_tokens=600, max_output_tokens=100), initial=True
    )
    billing = State(
        LLMAgent(
            "Answer.",
            reads=(Ticket.query, Ticket.locale),
            writes=Ticket.answer,
            calls=1,
            max_input_tokens=1_000,
            max_output_tokens=200,
        ),
        entry=True,
        max_visits=2,
    )
    refund = State(cap)
    answered, human = Final(), Final(fallback=True)
    to_billing = triage.to(billing, "billing")
    no = triage.to(human, "anything else")
    done = billing.to(answered, "it is answered")
    back = billing.to(billing, "look again")
    to_refund = billing.to(refund, "the money is paid back")
    refunded = refund.to(answered)
    limits = Limits(hops=6, tokens=10_000)


def runner(*script: Any, **options: Any) -> Runner[Ticket, None]:
    return Runner(Support, model=ScriptedModel(script), **options)


DONE = {"handoff": "done", "answer": "paid"}


async def test_a_run_starts_at_an_entry() -> None:
    """A run may start at a state declared as an entry: it is journaled, and replayed from there."""
    here = runner(DONE)
    result = await here.run(Ticket(query="x"), start=Support.billing)

    assert ["billing -done-> answered"] == [str(hop) for hop in result.path]
    first = result.journal[0]
    assert isinstance(first, Started)
    assert "billing" == first.state
    assert here.replay(result.journal) == result
    TheoremChecker(here.compiled).follow_all(result.journal)


async def test_the_initial_state_is_the_one_by_default() -> None:
    """Who names the initial state says nothing: its journal is that of a run that names none."""
    here = runner({"handoff": "to_billing"}, DONE)
    result = await here.run(Ticket(query="x"), start=Support.triage)

    assert isinstance(result.journal[0], Started)
    assert (None, "triage") == (result.journal[0].state, result.path[0].source)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (Support.refund, StartError, "no run of Support starts in 'refund', but in 'triage', 'billing'"),
        (ShopFloor.definition.initial, StartError, "no run of Support starts in"),
        ("billing", TypeError, "start= takes a state, not a str: start=Support.billing"),
        (Support.answered, TypeError, "start= takes a state, not a Final"),
    ],
)
async def test_elsewhere_no_run_starts(start: Any, error: type[Exception], message: str) -> None:
    """A state that is no entry, or of another machine, and what is no state are refused before anything is stored."""
    with pytest.raises(error, match=message):
        await runner().run(Ticket(query="x"), start=start)


def test_the_kernel_refuses_what_is_no_entry() -> None:
    """A journal that begins in a state that is no entry is not folded."""
    compiled = CompiledMachine(Support.definition)
    for state in ("refund", "answered", "nowhere"):
        with pytest.raises(StepError, match=f"in '{state}', and runs start in 'triage' or 'billing'"):
            step(compiled, None, started(compiled, {"query": "x"}, run_id="r", state=state))


def test_a_policy_speaks_of_every_start() -> None:
    """What holds of runs from the initial state alone is broken by one that starts past it, and shown as such."""

    class Careful(Machine[Ticket]):
        verify, pay = State(cap, initial=True), State(cap, entry=True)
        paid, human = Final(), Final(fallback=True)
        on, end = verify.to(pay), pay.to(paid)
        policies = (never(pay).before(verify),)

    (judged,) = prove(Careful).exploration.policies
    assert "violated" == judged.verdict
    assert judged.trace is not None
    assert ("pay",) == judged.trace.path[:1]
    played = play(Careful, Ticket(query="x"), [Turn(Careful.pay)], start=Careful.pay)
    assert ["pay -end-> paid"] == [str(hop) for hop in played.path]


def test_what_an_entry_reads_is_given() -> None:
    """An entry whose agent reads what only agents write does not build: a run that starts there has it not."""
    with pytest.raises(
        DefinitionError, match=r"'tell' reads 'answer', and a run may start there \(entry=True\)"
    ) as told:

        class Late(Machine[Ticket]):
            write, tell = State(cap, writes=Ticket.answer, initial=True), State(cap, reads=Ticket.answer, entry=True)
            told, human = Final(), Final(fallback=True)
            on, end = write.to(tell), tell.to(told)

    assert ["FSM110"] == [finding.code for finding in told.value.findings]


def test_an_entry_is_no_state_out_of_reach() -> None:
    """A state that no path leads to is reached if runs may start there."""

    class Two(Machine[Ticket]):
        one, other = State(cap, initial=True), State(cap, entry=True)
        done, human = Final(), Final(fallback=True)
        end = (one | other).to(done)

    assert ("one", "other") == Two.definition.starts
    assert {"one", "other"} <= explore(Two.definition).reached.keys()


def test_a_first_visit_is_taken_off_no_sum() -> None:
    """With two starts neither is surely visited first: both visits of the entry count, wherever a run began."""
    certificate = certify(Support.definition)
    verify(certificate, Support.definition)

    assert (700 + 2 * 1_200, ("triage", "billing", "billing")) == (
        certificate.bounds["tokens"].bound,
        certificate.bounds["tokens"].witness.states[:3],
    )
    assert 3_100 == explore(Support.definition).measures.tokens.amount


def test_limits_that_pay_no_entry_name_the_state_of_it() -> None:
    """Where a run starts elsewhere, it is that state which cannot be paid for, and not the initial one."""
    compiled = CompiledMachine(Support.definition, limits=Limits(hops=4, tokens=1_000))

    with pytest.raises(StepError, match="the first call of 'billing' may take 1,200 tokens"):
        step(compiled, None, started(compiled, {"query": "x"}, run_id="r", state="billing"))


@settings(max_examples=30)
@given(MACHINES, st.integers(1, 6))
def test_no_run_from_any_start_passes_the_bound(machine: type[Machine[Any, Tape]], hops: int) -> None:
    """From every start of a random machine, what may still be charged is within its certificate from the first step."""
    definition, limits = machine.definition, Limits(hops=hops, tokens=10_000)
    certificate = certify(definition, limits=limits)
    verify(certificate, definition, limits=limits)
    compiled = CompiledMachine(definition, limits=limits, potential=certificate.potential(definition))
    for state in definition.starts:
        now = step(compiled, None, started(compiled, {}, run_id="r", state=state)).configuration
        assert now.ceiling <= ceil(certificate.bounds["tokens"].total)  # which is a fraction


async def test_a_run_carries_on_from_the_one_before() -> None:
    """What follows a run has its messages and its Given fields, names it, and is of its thread."""
    here = runner({"handoff": "to_billing"}, DONE, DONE)
    first = await here.run(Ticket(query="one", locale="de"), thread_id="t")
    second = await here.run(Ticket(query="two"), after=first, start=Support.billing)

    begun = second.journal[0]
    assert isinstance(begun, Started)
    assert (first.run_id, "t", first.messages) == (begun.after, begun.thread_id, begun.messages)
    assert ("de", "two", "paid") == (second.context.locale, second.context.query, second.context.answer)
    assert (
        "en"
        == (await runner(DONE).run(Ticket(query="x", locale="en"), after=first, start=Support.billing)).context.locale
    )
    assert here.replay(second.journal) == second


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (lambda first: {"after": first.run_id}, TypeError, "after= takes the result of a run, not a str"),
        (lambda first: {"after": first, "messages": ()}, TypeError, "leave messages= out"),
        (lambda first: {"after": runner().replay(first.journal[:1])}, StartError, "is running, so none comes after it"),
    ],
)
async def test_what_nothing_can_follow(options: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    """An id, a conversation besides, or a run that has not ended are refused."""
    first = await runner(DONE).run(Ticket(query="x"), start=Support.billing)
    with pytest.raises(error, match=message):
        await runner(DONE).run(Ticket(query="x"), **options(first))


async def test_a_result_of_another_machine_is_not_followed() -> None:
    """Fields go on in a context of the same class alone."""
    ended = await desk.runner({"handoff": "resolved"}).run(desk.Ticket(query="x"))
    with pytest.raises(StartError, match="give messages=, which any machine takes"):
        await runner(DONE).run(Ticket(query="x"), after=ended)
