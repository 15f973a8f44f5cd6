"""A fork that is driven: given what is recorded, and never an effect that is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.asking import DONE, Claim, pay
from support.office import MOODS, SCRIPTS, Job, Office, World, cuts, forked, looks_up, model, planned, unstamped

from fsm_orch import (
    Final,
    HumanAgent,
    LLMAgent,
    Machine,
    MemoryStore,
    Reply,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.agents.base import PlainAgent, Round
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.errors import Withheld
from fsm_orch.kernel.inputs import Answered, CallReserved, Failed, Replied
from fsm_orch.kernel.requests import AskHuman
from fsm_orch.run.lineage import ancestors
from fsm_orch.run.unrecorded import unrecorded
from fsm_orch.store import to_json
from fsm_orch.testing import CrashingStore
from fsm_orch.testing.crash import Crashed


def office(store: MemoryStore, *script: Any) -> Runner[Job, World]:
    return Runner(Office, model=model(*script), store=store)


async def parent(store: MemoryStore, *script: Any, moods: Any = (1,)) -> RunResult[Job]:
    return await office(store, *script).run(Job(text="t"), deps=World(moods), run_id="p")


@settings(deadline=None, max_examples=40, phases=[*set(Phase) - {Phase.explain}])
@given(SCRIPTS, MOODS, st.data())
def test_a_fork_without_edits_is_its_parent_again_and_does_nothing(script: Any, moods: Any, data: Any) -> None:
    """Cut anywhere, a model that answers the same leads to the same journal but for its stamps; nothing is done."""

    async def run() -> tuple[RunResult[Job], RunResult[Job], World]:
        store, world = MemoryStore(), World()
        whole = await parent(store, *script, moods=moods)
        cut = data.draw(st.sampled_from(cuts(office(store).compiled, whole.journal)))
        await forked(store, office(store), "p", "f", cut)
        said = len([e for e in whole.journal[:cut] if isinstance(e, CallReserved) and not e.path])
        return whole, await office(store, *script[said:]).resume("f", deps=world), world

    whole, again, world = asyncio.run(run())
    assert unstamped(whole.journal) == unstamped(again.journal)
    assert not world.done


async def withheld(store: MemoryStore, *script: Any, **options: Any) -> Withheld:
    """Drive the fork until it stops, in a world in which nothing may be done; who looks at it is told the same."""
    world, runner = World(), office(store, *script)
    with pytest.raises(Withheld) as caught:
        await runner.resume("f", deps=world, **options)
    (row,) = await store.list(run_id="f")
    told = unrecorded(runner.compiled, row, await store.load("f"), await ancestors(store, row))
    assert not world.done
    assert str(caught.value) == str(told.stopped_by)
    return caught.value


OTHER = planned(plan="b")
"""Another plan than that of the parent, with which nothing is recorded."""


async def test_what_is_not_recorded_does_not_begin() -> None:
    """The fork stands where it stood before it, is free, and stops there again; the caller is told how to go on."""
    store = MemoryStore()
    await parent(store)
    await forked(store, office(store), "p", "f")
    error = await withheld(store, OTHER)
    before = await store.load("f")
    again = await withheld(store)

    assert ("f", "pay", None, ("plan",), 0) == (error.run_id, error.state, error.tool, error.fields, error.others)
    assert "await runner.resume('f', effects=True)" in str(error)
    assert "--effects" in str(error)
    assert str(error) == str(again)
    (row,) = await store.list(run_id="f")
    assert ("pay", "running", None) == (row.head.state, row.head.status, row.owner)
    assert before == await store.load("f")


@pytest.mark.parametrize("is_made_so", [False, True])
async def test_a_fork_that_may_have_effects_begins_what_is_not_recorded_alone(is_made_so: bool) -> None:
    """What is recorded is given to it all the same."""
    store, world = MemoryStore(), World()
    await parent(store)
    await forked(store, office(store), "p", "f", effects=is_made_so)
    script = [looks_up(1), planned(plan="b", items=("x", "z"))]
    result = await office(store, *script).resume("f", deps=world, effects=not is_made_so)

    assert Office.done is result.state
    assert {"look up 1": 1, "pay": 1, "book": 1, "pack z": 1} == dict(world.done)
    assert ("pack x 1", "pack z 1") == result.context.packed


async def test_branches_go_on_as_far_as_they_can_before_a_fork_stops() -> None:
    """A model beside code that is withheld is asked once: with effects, it goes on from its answer."""
    store, world = MemoryStore(), World()
    await parent(store)
    await forked(store, office(store), "p", "f")
    error = await withheld(store, planned("to_both", plan="b"))
    journal, runner = await store.load("f"), office(store)
    said = [event for event in journal if isinstance(event, Replied) and event.path]
    (row,) = await store.list(run_id="f")
    kin = await ancestors(store, row)
    until = [unrecorded(runner.compiled, row, journal[: n + 1], kin) for n in range(len(journal))]
    model_ = model()
    result = await Runner(Office, model=model_, store=store).resume("f", deps=world, effects=True)

    assert "both.book.book" == error.state
    assert [False] * (len(journal) - 1) + [True] == [each.stopped_by is not None for each in until]
    assert [{"said": "so"}] == [event.changes for event in said]
    assert Office.done is result.state
    assert [] == model_.requests
    assert {"book": 1} == dict(world.done)


async def test_all_that_is_withheld_at_once_is_counted() -> None:
    """Of a map every item is left alone, and so they are together."""
    store = MemoryStore()
    await parent(store)
    await forked(store, office(store), "p", "f")
    error = await withheld(store, planned(items=("u", "v", "w")))

    assert ("pack.pack.pack", ("item", "text"), 2) == (error.state, error.fields, error.others)
    assert "nor 2 more beside it" in str(error)


async def test_a_tool_is_withheld_for_arguments_that_are_not_recorded() -> None:
    """One of two uses is given; the fork stops before the other."""
    store = MemoryStore()
    await parent(store, looks_up(1), planned())
    await forked(store, office(store), "p", "f")
    error = await withheld(store, looks_up(1, 2), planned())
    journal = await store.load("f")

    assert ("plan", "look_up", 0) == (error.state, error.tool, error.others)
    assert ["look up 1 1"] == [event.value for event in journal if isinstance(event, Answered)]


async def test_a_fork_of_a_fork_knows_what_both_have_recorded() -> None:
    """The whole journals of its parents count, also after the cuts; of two the nearest."""
    store, world = MemoryStore(), World((7,))
    await parent(store)
    await forked(store, office(store), "p", "f", effects=True)
    await office(store, OTHER).resume("f", deps=world)
    await forked(store, office(store), "f", "g")
    done = dict(world.done)
    other = await office(store, OTHER).resume("g", deps=world)
    await forked(store, office(store), "g", "h")
    first = await office(store).resume("h", deps=world)

    assert done == dict(world.done)
    assert ("pay 7", "pay 1") == (other.context.paid, first.context.paid)


async def test_what_is_recorded_is_no_unknown_outcome_after_a_crash() -> None:
    """A fork whose process ended before it was given something is given it by the next: it had not begun."""
    store, world = MemoryStore(), World()
    whole = await parent(store)
    cut = next(place for place, event in enumerate(whole.journal, start=1) if isinstance(event, Replied))
    await forked(store, office(store), "p", "f", cut)
    assert await store.claim("f") is not None  # and dies
    result = await office(store).resume("f", deps=world)

    assert unstamped(whole.journal) == unstamped(result.journal)
    assert not world.done


async def test_what_may_have_begun_is_an_unknown_outcome_after_a_crash() -> None:
    """The process that died may have been allowed effects, which no journal says."""
    store, world = MemoryStore(), World()
    await parent(store)
    await forked(store, office(store), "p", "f")
    await withheld(store, OTHER)
    assert await store.claim("f") is not None
    result = await office(store, planned("to_both")).resume("f", deps=world)

    assert ["outcome_unknown"] == [event.reason for event in result.journal if isinstance(event, Failed)]
    assert not world.done


async def test_where_a_parent_is_forgotten_nothing_is_recorded() -> None:
    """The fork lives on, and begins nothing."""
    store = MemoryStore()
    await parent(store)
    await forked(store, office(store), "p", "f")
    await store.prune(ended_before=float("inf"))

    assert "pay" == (await withheld(store)).state


async def test_a_fork_made_with_effects_does_nothing_again_that_its_parent_did_and_is_forgotten() -> None:
    """Whoever made it so relied on what its parent had recorded; to have it done all the same is asked for anew."""
    store, world = MemoryStore(), World()
    await parent(store)
    await forked(store, office(store), "p", "f", effects=True)
    await store.prune(ended_before=float("inf"))
    error = await withheld(store)
    result = await office(store).resume("f", deps=world, effects=True)

    assert ("pay", "p") == (error.state, error.lost)
    assert "Run 'p', from which it comes, is forgotten or of another version, and may have done it" in str(error)
    assert (Office.done, 1) == (result.state, world.done["pay"])


class Repeats(Machine[Claim]):
    """A human says what is paid, by a bank that knows the key."""

    approve = State(HumanAgent("Pay?", writes=Claim.note), initial=True)
    refund = State(pay, reads=Claim.note, writes=Claim.receipt, repeatable=True)
    paid, human = Final(), Final(fallback=True)
    yes, done = approve.to(refund, "pay"), refund.to(paid)


async def test_a_human_is_asked_again_and_what_is_repeatable_is_an_effect_too() -> None:
    """An answer of the parent is none of the fork; and code may be done again under its key, which the fork has not."""
    store = MemoryStore()
    runner = Runner(Repeats, store=store)
    waits = await runner.run(Claim(query="x"), run_id="p")
    await runner.resume("p", {"note": "n"})
    await forked(store, runner, "p", "f")
    await forked(store, runner, "p", "g")
    DONE.clear()
    asked = [await runner.resume("f"), await runner.resume("g")]
    same = await runner.resume("f", {"note": "n"})
    with pytest.raises(Withheld):
        await runner.resume("g", {"note": "m"})
    done = DONE.copy()
    other = await runner.resume("g", effects=True)

    assert ["waiting"] * 3 == [waits.status, *(each.status for each in asked)]
    assert ("p:1", []) == (same.context.receipt, done)
    assert ("g:1", ["g:1"]) == (other.context.receipt, DONE)


class Receipts(Machine[Claim]):
    """A model decides, and code writes a receipt and then looks at it."""

    decide = State(LLMAgent("Decide.", reads=Claim.query, writes=Claim.note), initial=True)
    refund = State(pay, writes=Claim.receipt)
    paid, human = Final(), Final(fallback=True)
    yes, done = decide.to(refund), refund.to(paid)


@pytest.mark.parametrize("redact", [(), Claim.receipt])
async def test_what_was_redacted_is_recorded_by_nobody(redact: Any) -> None:
    """A fork is given what code came to as it was, or it does not begin; never the mark that stands in its place."""
    store = MemoryStore()
    runner = Runner(Receipts, model=ScriptedModel([{"note": "n"}] * 2), store=store, redact=redact)
    await runner.run(Claim(query="x"), run_id="p")
    await forked(store, runner, "p", "f")
    if redact == ():
        assert "p:1" == (await runner.resume("f")).context.receipt
        return
    with pytest.raises(Withheld):
        await runner.resume("f")


@pytest.mark.parametrize("keeps", ["nothing", "everything"])
@pytest.mark.parametrize("effects", [False, True])
async def test_a_fork_whose_store_fails_at_any_write_does_nothing_again(keeps: Any, effects: bool) -> None:
    """What its parent did is not done; without effects nothing is, and the parent stays as it is, byte for byte."""
    script, was_cut_off, writes = [looks_up(1, 2), planned(plan="b", items=("x", "z"))], True, 0
    while was_cut_off:
        store, world = MemoryStore(), World((1,))
        await parent(store, looks_up(1), planned())
        before = [to_json(event) for event in await store.load("p")]
        await forked(store, office(store), "p", "f", effects=effects)
        was_cut_off = not await _gets_by(CrashingStore(store, writes=writes, keeps=keeps), world, script)
        while not await _gets_by(store, world, script[_calls(await store.load("f")) :]):
            pass
        assert before == [to_json(event) for event in await store.load("p")]
        assert not {"look up 1", "pack x"} & world.done.keys()
        assert effects or not world.done
        writes += 1

    assert writes > 2


async def _gets_by(store: Any, world: World, script: Any) -> bool:
    """Drive the fork, and return whether its store held until it ended, or stopped."""
    try:
        await office(store, *script).resume("f", deps=world)
    except Withheld:
        return True
    except Crashed:
        return False
    return True


def _calls(journal: Any) -> int:
    return len([event for event in journal if isinstance(event, CallReserved) and not event.path])


class Twice(Machine[Claim]):
    """Pay until a model is content."""

    refund = State(pay, writes=Claim.receipt, initial=True, max_visits=3)
    look = State(LLMAgent("Enough?", reads=Claim.query), max_visits=3)
    paid, human = Final(), Final(fallback=True)
    on, more, enough = refund.to(look), look.to(refund, "more"), look.to(paid, "enough")


async def test_what_a_fork_was_given_counts_though_it_is_redacted_in_it() -> None:
    """The second time it is given what came second, as its parent was, which kept all."""
    store = MemoryStore()
    script = [{"handoff": "more"}, {"handoff": "enough"}]
    await Runner(Twice, model=ScriptedModel(script), store=store).run(Claim(query="x"), run_id="p")
    redacts = Runner(Twice, model=ScriptedModel(script), store=store, redact=Claim.receipt)
    await redacts.fork("p", at=2, new_id="f")
    result = await redacts.resume("f")

    assert ("p:2", "[redacted]") == (result.context.receipt, (await store.load("f"))[1].changes["receipt"])  # type: ignore[union-attr]


WRITES: Any = (Claim.note,)  # a field, which checkers read as what it holds


class Pays(PlainAgent):
    """Code that pays what a human says, and nobody else."""

    spec = AgentSpec(kind="code", name="Pays", writes=WRITES, asks_human=True, asks=1, canonical={})

    def begin(self, visit: Visit[Claim]) -> Reply | Round:
        for ask in visit.asks.values():
            DONE.append(str(ask.value))
            return Reply(changes={Claim.note: f"{ask.who} said {ask.value}"})
        return Round((AskHuman(question="How much?"),))


class Asks(Machine[Claim]):
    """Ask, and pay."""

    work = State(Pays(), initial=True)
    paid, human = Final(), Final(fallback=True)
    done = work.to(paid)


async def test_code_is_not_given_what_it_came_to_on_another_answer_of_a_human() -> None:
    """The human is asked again: only the same answer of the same human comes to the same, and nothing else is done."""
    store = MemoryStore()
    runner = Runner(Asks, store=store)
    await runner.run(Claim(query="x"), run_id="p")
    await runner.resume("p", "5", who="ann")
    said = {"f": ("5", "ann"), "g": ("7", "ann"), "h": ("5", "bob")}
    for run_id in said:
        await forked(store, runner, "p", run_id)
        await runner.resume(run_id)
    DONE.clear()
    same = await runner.resume("f", "5", who="ann")
    for run_id in ("g", "h"):
        with pytest.raises(Withheld):
            await runner.resume(run_id, said[run_id][0], who=said[run_id][1])
    done = DONE.copy()
    other = await runner.resume("g", effects=True)

    assert ("ann said 5", []) == (same.context.note, done)
    assert ("ann said 7", ["7"]) == (other.context.note, DONE)
