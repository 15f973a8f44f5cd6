"""Forks: another run from the beginning of a run, with its last reply changed. What was paid is not paid again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.desk import BILLING, REFUND, Support, Ticket, runner
from support.forks import at_of, parent, settled_of, started

from fsm_orch import (
    Final,
    Machine,
    Runner,
    ScriptedModel,
    StartError,
    State,
    Visit,
    guard,
)
from fsm_orch.errors import Drifted, ForkError, StepError, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Origin

PAID = {"handoff": "done", "invoice": "I7", "answer": "Paid in May."}


async def test_a_fork_goes_on_from_the_cut_with_another_handoff() -> None:
    """Its prefix is its parent's, what that paid is in its ledger, and it sends only what comes after the cut."""
    store = await parent(BILLING, PAID)
    whole, model = await store.load("p"), ScriptedModel([])
    it: Any = Runner(Support, model=model, store=store)
    made = await it.fork("p", at=4, handoff=Support.resolved, new_id="f")
    result = await it.resume("f")

    assert ("f", 4, []) == (made, len(result.journal), model.requests)
    assert (Support.answered, ["triage"]) == (result.state, [hop.source for hop in result.path])
    assert 0 < settled_of(whole[:4]) == result.charged_tokens < settled_of(whole)
    assert (whole, whole[1:3]) == (await store.load("p"), result.journal[1:3])


async def test_a_fork_asks_what_comes_after_the_cut() -> None:
    """Another value in the last reply is what later agents read; fields that are not named keep theirs."""
    store = await parent(BILLING, REFUND)
    model = ScriptedModel([{"handoff": "done", "invoice": None, "answer": "Not ours."}])
    it: Any = Runner(Support, model=model, store=store)
    fork = await it.fork("p", at=7, sets={Ticket.invoice: "broken"}, effects=True)
    result = await it.resume(fork)
    (row,) = await store.list(run_id=fork)

    # the refund of "broken" fails, and the edge of that leads back to billing
    assert ["triage", "billing", "verify", "refund", "billing"] == [hop.source for hop in result.path]
    assert (Support.answered, "Not ours.", 1) == (result.state, result.context.answer, len(model.requests))
    assert Origin("p", 7, ("set.invoice",), effects=True) == row.origin


async def test_nobody_drives_a_fork_until_it_is_resumed() -> None:
    """It stands where its parent stood, is owned by nobody, and no worker takes it; it is listed beside its parent."""
    store = await parent(BILLING, PAID)
    it: Any = runner(PAID, store=store)
    fork = await it.fork("p", at=4)
    row, of = await store.list()
    worker = asyncio.ensure_future(it.work(poll_s=0.01))
    await asyncio.sleep(0.05)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    assert (fork, "billing", "running", 4, None) == (
        *(row.run_id, row.head.state, row.head.status, row.inputs, row.owner),
    )
    assert (Origin("p", 4), None) == (row.origin, of.origin)
    assert 4 == len(await store.load(fork))
    assert [] == await store.claimable([row.digest], expired_before=1e12)


async def test_a_run_is_cut_where_nothing_is_open_and_nothing_paid_is_lost() -> None:
    """Neither while a call is open, nor between its settlement and the reply that it led to."""
    it = runner(store=await parent(BILLING, PAID))
    kinds = [event.kind for event in await it.store.load("p")]  # type: ignore[union-attr]

    assert ["started", *["call_reserved", "call_settled", "replied"] * 2] == kinds
    assert [(1, "triage", 0, False, False), (4, "billing", 1, True, False), (7, "answered", 2, True, True)] == list(
        await it.cuts("p")
    )
    for at, why in ((2, "a call of 'triage' is open"), (3, "'triage' has paid for a call")):
        with pytest.raises(ForkError, match=f"after input {at}: {why}.*it can be cut after input 1 .triage., 4 .bill"):
            await it.fork("p", at=at)


async def test_a_run_that_has_ended_is_not_forked_at_its_end() -> None:
    """Nothing is left to drive; with another handoff there is, or the fork ends as its edits say."""
    it: Any = runner({**PAID, "answer": "Later."}, store=await parent(BILLING, PAID))
    with pytest.raises(ForkError, match=r"has ended after input 7, in 'answered': nothing is left to drive") as error:
        await it.fork("p", at=7)
    back = await it.resume(await it.fork("p", at=7, handoff=Support.to_verify, effects=True))
    ended = await it.resume(await it.fork("p", at=7, sets={Ticket.answer: "In June."}))

    assert (1, 4) == error.value.cuts
    assert ["triage", "billing", "verify", "refund"] == [hop.source for hop in back.path]
    assert ("finished", "In June.") == (ended.status, ended.context.answer)


async def test_a_landed_run_is_forked_before_its_landing() -> None:
    """What had led to the landing is done again, and may go otherwise."""
    store = await parent(BILLING, query="crash")  # the script is over, so that billing cannot answer
    it: Any = runner(PAID, store=store)
    (landed,) = await store.list(run_id="p")
    result = await it.resume(await it.fork("p", at=4))

    assert ("human", Support.answered) == (landed.head.state, result.state)


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        (
            {"handoff": Support.done},
            r"does not take 'done' at input 4, where 'triage' may take 'to_billing', 'resolved'",
        ),
        (
            {"sets": {Ticket.answer: "x"}},
            r"does not take these edits at input 4: undeclared_write, answer: not declared by this agent",
        ),
        ({"sets": {Claim.note: "x"}}, r"has a Ticket at input 4, of which Claim\.note is no field"),
    ],
    ids=["handoff", "field", "another context"],
)
async def test_an_edit_that_is_not_legal_is_told_and_nothing_is_stored(edits: Any, why: str) -> None:
    """The error says what came, what is legal there, and where replies can be changed."""
    store = await parent(BILLING, PAID)
    with pytest.raises(ForkError, match=f"run 'p' {why}.*a reply can be changed after input 4 .billing., 7") as error:
        await runner(store=store).fork("p", at=4, **edits)

    assert (4, 7) == error.value.cuts
    assert ["p"] == [row.run_id for row in await store.list()]


async def test_a_guard_is_asked_of_what_the_edit_wrote() -> None:
    """A handoff whose guard does not hold is refused, and its landing is told, not stored."""
    store = await parent(BILLING, REFUND)
    at = await at_of(runner(store=store), inputs.Replied, 3)
    with pytest.raises(ForkError, match=f"at input {at}: no_handoff, no guard of 'verify' holds, where 'verify' may"):
        await runner(store=store).fork("p", at=at, sets={Ticket.verified: False})
    assert 1 == len(await store.list())


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_edits_change_a_reply(at: int) -> None:
    """Any other input has none; the error names it, and where there are replies."""
    it = runner(store=await parent(BILLING, PAID))
    with pytest.raises(
        ForkError, match=rf"has no reply at input {at}, but '\w+': edits change a reply\. .* 4 .billing"
    ):
        await it.fork("p", at=at, handoff=Support.resolved)


@pytest.mark.parametrize("at", [0, -1, 8])
async def test_a_place_that_is_not_there_is_refused(at: int) -> None:
    """The error says how many inputs there are."""
    it = runner(store=await parent(BILLING, PAID))
    with pytest.raises(ForkError, match=f"run 'p' has 7 inputs, so there is no place after input {at}"):
        await it.fork("p", at=at)


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"at": True}, TypeError, "at= takes how many inputs are kept, not a bool"),
        ({"at": "4"}, TypeError, "at= takes how many inputs are kept, not a str"),
        ({"handoff": "resolved"}, TypeError, r"handoff= takes a handoff, not a str: handoff=Support\.to_tech"),
        ({"sets": {"answer": "x"}}, TypeError, "sets= takes values by field: 'answer' is not a field"),
        ({"sets": [Ticket.answer]}, TypeError, "sets= takes values by field, not a list"),
        ({"sets": {Ticket.answer: object()}}, ForkError, "answer"),
        ({"new_id": 7}, StartError, "takes text that UTF-8"),
        ({"new_id": ""}, StartError, "'' names none"),
    ],
)
async def test_what_is_of_a_wrong_kind_is_refused(given: Any, error: type[Exception], why: str) -> None:
    """The error says what is expected, and nothing is stored."""
    store = await parent(BILLING, PAID)
    with pytest.raises(error, match=why):
        await runner(store=store).fork("p", **{"at": 7, **given})

    assert 1 == len(await store.list())


SWITCH = list[str]()


@guard
def is_switched(ticket: Ticket) -> bool:
    return ticket.verified and not SWITCH


def believe(visit: Visit[Ticket]) -> Any:
    """Believe anybody."""
    return {Ticket.verified: True}


async def test_a_run_that_is_not_here_or_not_ours_is_not_forked() -> None:
    """No store, no run, another machine, changed code, an id that is taken: each is said."""
    store = await parent(BILLING, PAID)
    it = runner(store=store)
    for refused, error, why in (
        (runner().fork("p", at=4), StartError, "this runner has none"),
        (it.fork("q", at=4), StartError, "knows of no run 'q'"),
        (Runner(Refunds, store=store).fork("p", at=4), StepError, "was started on definition"),
        (it.fork("p", at=4, new_id="p"), StoreError, "run 'p' has 7 other inputs"),
    ):
        with pytest.raises(error, match=why):
            await refused
    assert 1 == len(await store.list())


class Switch(Machine[Ticket]):
    """A guard whose body changes, which no digest sees."""

    first = State(believe, initial=True, reads=Ticket.query, writes=Ticket.verified)
    on, off = Final(), Final(fallback=True)
    is_on, is_off = first.to(on, guard=is_switched), first.to(off)


async def test_a_run_whose_code_has_changed_is_not_forked() -> None:
    """What it folds to is not where it was stored."""
    it, _ = await started(Switch, Ticket(query="x"))
    SWITCH.append("off")
    with pytest.raises(Drifted, match="a guard or other code has changed since"):
        await it.fork("p", at=1)
    SWITCH.clear()
    await it.fork("p", at=1)


class LongSwitch(Machine[Ticket]):
    """Goes on where a guard holds, whose body changes."""

    first = State(believe, initial=True, reads=Ticket.query, writes=Ticket.verified)
    second = State(believe, reads=Ticket.query, writes=Ticket.verified)
    on, off = Final(), Final(fallback=True)
    is_on, is_off, end = first.to(second, guard=is_switched), first.to(off), second.to(on)


async def test_a_run_that_does_not_fold_any_more_is_not_forked() -> None:
    """That too says that code has changed: the kernel's own words are of its cause."""
    it, _ = await started(LongSwitch, Ticket(query="x"))
    SWITCH.append("off")
    with pytest.raises(Drifted, match="does not fold any more"):
        await it.fork("p", at=1)
    SWITCH.clear()
    await it.fork("p", at=1)


async def test_the_same_fork_again_changes_nothing() -> None:
    """Under one id it is one run, until it is resumed."""
    it: Any = runner(PAID, store=await parent(BILLING, PAID))
    assert "f" == await it.fork("p", at=4, new_id="f") == await it.fork("p", at=4, new_id="f")
    with pytest.raises(StoreError, match="'f'"):
        await it.fork("p", at=4, handoff=Support.resolved, new_id="f")
    await it.resume("f")
    with pytest.raises(StoreError, match="'f'"):
        await it.fork("p", at=4, new_id="f")


async def test_a_fork_is_forked() -> None:
    """Its parent is the fork, and what it inherits is the whole prefix."""
    it: Any = runner({**PAID, "answer": "B"}, store=await parent(BILLING, PAID))
    first = await it.fork("p", at=7, handoff=Support.back)
    second = await it.fork(first, at=4, new_id="second")
    (row,) = await it.store.list(run_id=second)
    result = await it.resume(second)

    assert Origin(first, 4) == row.origin
    assert ("B", ["triage", "billing"]) == (result.context.answer, [hop.source for hop in result.path])
