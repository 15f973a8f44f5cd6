"""Forks: another run from the beginning of a run, with its last reply changed. What was paid is not paid again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import DONE, Both, Claim, OneOfEach, Pair, Refunds
from support.composed import Trip
from support.desk import BILLING, REFUND, Support, Ticket, runner
from support.shop import DONE as SOLVED
from support.shop import Ticket as Order
from support.shop import desk, order_status, use

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Nested,
    Parallel,
    Runner,
    RunResult,
    ScriptedModel,
    StartError,
    State,
    Tool,
    Visit,
    guard,
)
from fsm_orch.amounts import Amount
from fsm_orch.errors import Drifted, ForkError, StepError, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Origin, to_json

PAID = {"handoff": "done", "invoice": "I7", "answer": "Paid in May."}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


async def parent(*script: Any, query: str = "please", **options: Any) -> MemoryStore:
    """Return a store with a run `p` of the desk."""
    store = MemoryStore(**options)
    await runner(*script, store=store).run(Ticket(query=query), run_id="p")
    return store


async def started(machine: Any, context: Context, *script: Any, **options: Any) -> tuple[Any, RunResult[Any]]:
    """Return a runner with a run `p` that has come as far as it goes by itself, and what it came to."""
    it: Any = Runner(machine, model=ScriptedModel(script), **{"store": MemoryStore(), **options})
    return it, await it.run(context, run_id="p")


def settled_of(journal: Sequence[Input]) -> int:
    """Return the tokens that the calls of a journal were charged, by their own words."""
    said = [event.usage for event in journal if isinstance(event, inputs.CallSettled)]
    return sum(usage.input_tokens + usage.output_tokens for usage in said if usage is not None)


async def at_of(it: Any, kind: type[Input], nth: int = 1) -> int:
    """Return after how many inputs of the run `p` the nth one of a kind has come."""
    places = [n for n, event in enumerate(await it.store.load("p"), start=1) if isinstance(event, kind)]
    return places[nth - 1]


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


# --- humans -----------------------------------------------------------------------------------------------------------

YES, NO = {"handoff": "yes", "note": "ok"}, {"handoff": "no", "note": "no"}


async def test_a_question_is_asked_again_before_its_answer() -> None:
    """Under a key of the fork's, with all its time; the parent's question and answer are not touched."""
    now = 1_000.0
    store = MemoryStore()
    it: Any = Runner(Refunds, store=store, wall_clock=lambda: now)
    await it.run(Claim(query="x"), run_id="p")
    await it.resume("p", YES, id="a")
    whole = await store.load("p")
    now = 1e6
    for at in (await at_of(it, inputs.Started), await at_of(it, inputs.Asked)):
        fork = await it.fork("p", at=at)
        result = await it.resume(fork)
        (question,) = result.waiting
        assert (f"{fork}:0:1", 1e6 + 3_600) == (question.key, question.expires_at)
        answered = await it.resume(fork, NO, id="a")
        assert (Refunds.declined, "no") == (answered.state, answered.context.note)

    assert (whole, ["p:1"]) == (await store.load("p"), DONE)


async def test_the_same_fork_later_is_the_same_though_its_question_would_expire_later() -> None:
    """Whoever was cut off says it again; another fork under the id, or one that was resumed, is refused."""
    now = 1_000.0
    it, _ = await started(Refunds, Claim(query="x"), wall_clock=lambda: now)
    await it.fork("p", at=2, new_id="f")
    whole = await it.store.load("f")
    now = 2_000.0
    assert "f" == await it.fork("p", at=2, new_id="f")
    for other in ({"at": 1}, {"at": 2, "effects": True}):
        with pytest.raises(StoreError, match="run 'f' has 2 other inputs"):
            await it.fork("p", new_id="f", **other)
    assert whole == await it.store.load("f")
    await it.resume("f")
    with pytest.raises(StoreError, match="run 'f' has 2 other inputs"):
        await it.fork("p", at=2, new_id="f")


async def test_the_answer_of_a_human_is_not_set() -> None:
    """The error says to cut before it; a fork after it keeps it."""
    it, _ = await started(Refunds, Claim(query="x"))
    await it.resume("p", YES, who="ann")
    at = await at_of(it, inputs.Replied)
    with pytest.raises(ForkError, match=r"a human's answer at input 4, of 'approve'.*cut before the answer"):
        await it.fork("p", at=at, handoff=Refunds.no)
    result = await it.resume(await it.fork("p", at=at))

    assert (Refunds.paid, "ok") == (result.state, result.context.note)
    assert [False] * 4 == [cut.is_reply for cut in await it.cuts("p") if cut.at <= at]


async def test_a_run_that_waits_is_forked_and_both_are_answered() -> None:
    """Each by its own answer, in whatever order."""
    it, _ = await started(Refunds, Claim(query="x"))
    fork = await it.fork("p", at=2)
    mine, its = await it.resume(fork, NO), await it.resume("p", YES)

    assert (Refunds.declined, Refunds.paid) == (mine.state, its.state)


async def test_a_round_of_humans_of_whom_one_has_answered_is_forked() -> None:
    """What was answered stays, and what was not is asked again."""
    it, result = await started(Both, Pair(query="x"))
    await it.resume("p", {"one": "first"}, question=result.waiting[0])
    cut = (await it.cuts("p"))[-1]
    fork = await it.fork("p", at=cut.at)
    waits = await it.resume(fork)
    done = await it.resume(fork, {"two": "second"})

    assert (["What says the second?"], True) == ([each.text for each in waits.waiting], waits.waiting[0].key[:-4] != "")
    assert ("first", "second") == (done.context.one, done.context.two)
    assert "waiting" == it.replay(await it.store.load("p")).status


async def test_a_tool_that_was_approved_is_not_cut_before_it_has_answered() -> None:
    """The approval is asked again before it, and what the tool came to is kept after it."""
    machine: Any = desk(Tool(order_status, approval=True), asks=1, calls=3)
    it, _ = await started(machine, Order(query="x"), use("order_status", order=4711), SOLVED)
    await it.resume("p", True)
    whole = await it.store.load("p")
    asked, used = await at_of(it, inputs.Answered), await at_of(it, inputs.Answered, 2)
    with pytest.raises(ForkError, match=f"after input {asked}: request 1 of 'work' is open"):
        await it.fork("p", at=asked)
    again = await it.resume(await it.fork("p", at=asked - 1, new_id="again"))
    model = ScriptedModel([SOLVED["reply"]])
    other: Any = Runner(machine, model=model, store=it.store)
    result = await other.resume(await other.fork("p", at=used, new_id="f"))

    assert ["again:0:1"] == [question.key for question in again.waiting]
    assert (1, machine.done) == (len(model.requests), result.state)
    assert "shipped" in model.requests[0].messages[-1].content
    # the answer of a tool bears the key of its use, which names the run
    assert ["p:0:1", "f:0:1"] == [journal[used - 1].id for journal in (whole, result.journal)]


# --- nests ------------------------------------------------------------------------------------------------------------


class Wish(Context):
    """What is wished for."""

    wish: str
    flight: str | None = None
    answer: str | None = None


class Desk(Machine[Trip]):
    """Find a flight, in two calls."""

    think = State(LLMAgent("Think.", reads=Trip.wish), initial=True)
    find = State(LLMAgent("Find.", reads=Trip.wish, writes=Trip.flight))
    booked, none = Final(), Final(fallback=True)
    go_on, give_up = think.to(find, "look for it"), think.to(none, "there is none")
    found = find.to(booked)


class Journey(Machine[Wish]):
    """Plan a journey."""

    fly = State(Nested(Desk, writes={Wish.flight: Trip.flight}), initial=True)
    tell = State(LLMAgent("Tell.", reads=Wish.flight, writes=Wish.answer))
    done, human = Final(), Final(fallback=True)
    flow = fly >> tell >> done
    limits = Limits(tokens=60_000)


async def test_a_nest_is_cut_inside_and_a_part_takes_another_handoff() -> None:
    """An edit is of the machine whose reply it is; what the part then comes to is its parent's."""
    it, whole = await started(
        Journey, Wish(wish="Oslo"), {"handoff": "go_on"}, {"flight": "SK1"}, {"answer": "You fly SK1."}
    )
    first = next(n for n, event in enumerate(whole.journal, 1) if isinstance(event, inputs.Replied) and event.path)
    other: Any = Runner(Journey, model=ScriptedModel([{"flight": "SK2"}, {"answer": "You fly SK2."}]), store=it.store)
    fork = await other.fork("p", at=first, sets={})
    result = await other.resume(fork)
    with pytest.raises(ForkError, match=r"where 'think' may take 'go_on', 'give_up'"):
        await other.fork("p", at=first, handoff=Journey.fly.handoffs[0])
    with pytest.raises(ForkError, match=r"has a Trip at input \d+, of which Wish\.flight is no field"):
        await other.fork("p", at=first, sets={Wish.flight: "SK9"})

    assert (Journey.done, "You fly SK2.") == (result.state, result.context.answer)
    assert result.charged_tokens == settled_of(result.journal)
    assert first in [cut.at for cut in await it.cuts("p") if cut.is_reply]


async def test_a_part_takes_another_value() -> None:
    """It is what its parent reads."""
    it, whole = await started(
        Journey, Wish(wish="Oslo"), {"handoff": "go_on"}, {"flight": "SK1"}, {"answer": "You fly SK1."}
    )
    last = [n for n, event in enumerate(whole.journal, 1) if isinstance(event, inputs.Replied) and event.path][-1]
    other: Any = Runner(Journey, model=ScriptedModel([{"answer": "You fly SK9."}]), store=it.store)
    result = await other.resume(await other.fork("p", at=last, sets={Trip.flight: "SK9"}))

    assert ("SK9", "You fly SK9.") == (result.context.flight, result.context.answer)


def part_of(field: Any) -> LLMAgent:
    return LLMAgent(f"Write {field.name}.", reads=Pair.query, writes=field)


class Writers(Machine[Pair]):
    """Two models write at once."""

    both = State(Parallel(one=part_of(Pair.one), two=part_of(Pair.two)), initial=True)
    done, human = Final(), Final(fallback=True)
    on = both.to(done)
    limits = Limits(tokens=60_000)


async def test_branches_are_cut_where_none_has_a_call_open_or_unread() -> None:
    """Between their replies there is a cut only if both are between two attempts."""
    it, whole = await started(Writers, Pair(query="x"), {"one": "1"}, {"two": "2"})
    cuts = [cut.at for cut in await it.cuts("p")]
    kinds = [event.kind for event in whole.journal]
    replies = [n for n, kind in enumerate(kinds, start=1) if kind == "replied"]
    with pytest.raises(ForkError, match=r"has paid for a call|a call of 'two' is open"):
        await it.fork("p", at=replies[0], sets={Pair.one: "other"})

    assert [1, 2, replies[1]] == [at for at in cuts if at <= replies[1]]
    other: Any = Runner(Writers, model=ScriptedModel([{"one": "3"}, {"two": "4"}]), store=it.store)
    result = await other.resume(await other.fork("p", at=2))
    assert ("3", "4") == (result.context.one, result.context.two)


async def test_a_run_is_not_cut_while_a_branch_works_beside_a_human() -> None:
    """A human's question alone keeps no cut away; a tool or an agent beside it that has not begun does neither."""
    it, _ = await started(OneOfEach, Pair(query="x"))
    places = {cut.at for cut in await it.cuts("p")}

    assert {await at_of(it, inputs.Asked), await at_of(it, inputs.Started)} <= places


# --- money and time ---------------------------------------------------------------------------------------------------


class Threaded(Machine[Ticket]):
    """A desk whose threads have a limit."""

    triage = State(LLMAgent("Decide.", reads=Ticket.query, max_input_tokens=600, max_output_tokens=100), initial=True)
    answer = State(
        LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer, max_input_tokens=600, max_output_tokens=100)
    )
    answered, human = Final(), Final(fallback=True)
    on, none = triage.to(answer, "a question"), triage.to(human, "anything else")
    done = answer.to(answered)
    limits = Limits(tokens=3_000, thread_tokens=4_000)


ON = {"handoff": "on"}


async def test_a_fork_takes_from_no_thread_and_gives_nothing_back() -> None:
    """What its parent paid is in its ledger; the account of the thread is as the parent left it."""
    it, whole = await started_in_thread(ON, {"answer": "A"})
    left = await it.store.taken("thread:t")
    other: Any = Runner(Threaded, model=ScriptedModel([{"answer": "B"}]), store=it.store)
    fork = await other.fork("p", at=4)
    assert left == await it.store.taken("thread:t")
    result = await other.resume(fork)

    assert Amount(whole.charged_tokens) == left == await it.store.taken("thread:t")
    assert (None, "B") == (result.thread_id, result.context.answer)
    assert result.charged_tokens == settled_of(result.journal) > settled_of(whole.journal[:4]) > 0
    assert ["p"] == [row.run_id for row in await it.store.list(thread_id="t")]


async def started_in_thread(*script: Any) -> tuple[Any, RunResult[Any]]:
    """Return a runner with a run `p` of thread `t`."""
    it: Any = Runner(Threaded, model=ScriptedModel(script), store=MemoryStore())
    return it, await it.run(Ticket(query="x"), run_id="p", thread_id="t")


async def test_a_fork_hears_what_its_parent_heard() -> None:
    """The messages of the run that the parent followed are told to the fork too."""
    it: Any = Runner(Threaded, model=ScriptedModel([ON, {"answer": "A"}, ON, {"answer": "B"}]), store=MemoryStore())
    first = await it.run(Ticket(query="before"), run_id="first", thread_id="t")
    await it.run(Ticket(query="now"), run_id="p", after=first)
    model = ScriptedModel([{"answer": "C"}])
    other: Any = Runner(Threaded, model=model, store=it.store)
    result = await other.resume(await other.fork("p", at=4))
    told = "".join(said.content for said in model.requests[0].messages)

    assert ("before" in told, "A" in told, "C") == (True, True, result.context.answer)
    assert ["before", "now"] == [said.content[10:-2] for said in result.messages if said.role == "user"]


@pytest.mark.looptime
async def test_time_that_passed_since_does_not_land_a_fork() -> None:
    """Its deadline counts the time that its parent was active up to the cut, and then its own."""
    store = MemoryStore()
    slow: Any = {Support.verify: _slow}
    it: Any = Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=store, agents=slow)
    whole = await it.run(Ticket(query="please"), run_id="p")
    await asyncio.sleep(7 * 86_400)
    fork = await it.fork("p", at=7)
    await asyncio.sleep(7 * 86_400)
    result = await it.resume(fork)

    assert (Support.answered, None) == (result.state, result.landing)
    assert (5.0, 0.0) == (whole.seconds, result.seconds)  # what is recorded takes no time


async def _slow(visit: Visit[Ticket]) -> Any:
    await asyncio.sleep(5)
    return {Ticket.verified: True}


# --- what is kept beside a journal ------------------------------------------------------------------------------------


async def twice(visit: Visit[Ticket]) -> Any:
    return {Ticket.answer: "".join([(await visit.model.ask(())).text for _ in range(2)])}


class Twice(Machine[Ticket]):
    """Ask twice."""

    work = State(twice, initial=True, writes=Ticket.answer, calls=2, max_input_tokens=90, max_output_tokens=9)
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


async def test_a_fork_has_no_kept_responses_and_misses_none() -> None:
    """An attempt that makes several calls is cut before its first or after its reply, where nothing of it is kept."""

    it, whole = await started(Twice, Ticket(query="x"), "a", "b")
    assert (6, [1, 6]) == (len(whole.journal), [cut.at for cut in await it.cuts("p")])
    await it.fork("p", at=1, new_id="f")
    claim = await it.store.claim("f")
    assert ((), None) == (claim.responses, claim.taken_from)


def secret(visit: Visit[Ticket]) -> Any:
    """Write what nobody may keep."""
    return {Ticket.invoice: "SECRET"}


def repeat(visit: Visit[Ticket]) -> Any:
    """Write it again."""
    return {Ticket.answer: visit.context.invoice}


class Hidden(Machine[Ticket]):
    """A first agent's field is read by the second."""

    first = State(secret, initial=True, writes=Ticket.invoice)
    second = State(repeat, reads=Ticket.invoice, writes=Ticket.answer)
    done, human = Final(), Final(fallback=True)
    flow = first >> second >> done


async def test_a_fork_that_would_read_what_was_redacted_is_refused() -> None:
    """Where nothing of it is to be read any more it is made; what is redacted is not in it."""
    it, _ = await started(Hidden, Ticket(query="x"), redact=Ticket.invoice)
    with pytest.raises(
        ForkError, match=r"could not go on: it would stand in 'second', and 'second' .* reads Ticket\.inv"
    ):
        await it.fork("p", at=2)
    again = await it.resume(await it.fork("p", at=1, effects=True))
    with pytest.raises(ForkError, match="could not go on"):
        await it.fork("p", at=2, sets={Ticket.invoice: "other"})
    plain: Any = Runner(Hidden, store=it.store)
    told = await plain.resume(await plain.fork("p", at=2, sets={Ticket.invoice: "other"}, effects=True))

    assert ("SECRET", "other") == (again.context.answer, told.context.answer)
    kept = [event for row in await it.store.list() for event in (await it.store.load(row.run_id))[:2]]
    assert "SECRET" not in str(list(map(to_json, kept)))
