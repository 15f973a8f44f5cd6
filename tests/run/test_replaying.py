"""A run that is driven again, on another model or another version of its machine, beside what it was."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support.answers import ANSWERS, FOUND, Question, version
from support.asking import Claim, Refunds
from support.office import Job, Office, World, looks_up, model, planned, unstamped

from fsm_orch import Final, Limits, LLMAgent, Machine, MemoryStore, Price, Runner, ScriptedModel, State
from fsm_orch.errors import Drifted, ForkError, StartError


class Dear(Machine[Claim]):
    """Two models, within a limit of money."""

    ask = State(LLMAgent("Ask.", reads=Claim.query, writes=Claim.note), initial=True)
    tell = State(LLMAgent("Tell.", reads=Claim.note, writes=Claim.receipt))
    told, human = Final(), Final(fallback=True)
    to_tell, end = ask.to(tell), tell.to(told)
    limits = Limits(cost_usd="0.05", tokens=20_000)


async def stored(store: MemoryStore, *script: Any) -> None:
    """Store a run of the office, `p`."""
    await Runner(Office, model=model(*script), store=store).run(Job(text="t"), deps=World(), run_id="p")


async def test_a_replay_with_the_same_answers_differs_in_nothing() -> None:
    """Its run is whole, a fork from right after its start, in which nothing was done."""
    store, world = MemoryStore(), World()
    await stored(store, looks_up(1), planned())
    replay = await Runner(Office, model=model(looks_up(1), planned()), store=store).replay_run(
        "p", new_id="f", deps=world
    )

    assert unstamped(await store.load("p")) == unstamped(replay.result.journal)
    assert (None, None) == (replay.difference.first, replay.stopped)
    assert "Same end: done, same fields; as many tokens." == str(replay.difference)
    assert not world.done
    (row,) = await store.list(run_id="f")
    assert row.origin is not None
    assert ("p", 1, (), False) == (row.origin.parent, row.origin.at, row.origin.edits, row.origin.effects)


async def test_a_replay_that_comes_to_what_is_not_recorded_stops_and_is_compared_as_it_stands() -> None:
    """The difference is of where it stands; with effects it goes on to its end, and can be replayed in turn."""
    store, world = MemoryStore(), World()
    await stored(store)
    other = [planned(plan="b")]
    runner = Runner(Office, model=model(*other), store=store)
    stopped = await runner.replay_run("p", new_id="f", deps=world)
    done = dict(world.done)
    whole = await Runner(Office, model=model(*other), store=store).replay_run("p", deps=world, effects=True)

    assert stopped.stopped is not None
    assert ("pay", {}) == (stopped.stopped.state, done)
    assert ("running", Office.pay) == (stopped.result.status, stopped.result.state)
    assert 0 == stopped.difference.first
    assert "Another end: still in pay instead of done" in str(stopped.difference)
    assert whole.stopped is None
    assert Office.done is whole.result.state
    assert {"pay": 1, "book": 1} == dict(world.done)
    again = await Runner(Office, model=model(), store=store).replay_run(whole.result.run_id, deps=world)
    assert "plan" in again.difference.fields


async def test_a_runner_that_was_drained_replays_nothing() -> None:
    """No fork is left behind that nobody drives."""
    store = MemoryStore()
    await stored(store)
    runner = Runner(Office, model=model(), store=store)
    await runner.drain()
    with pytest.raises(StartError, match=r"'f' does not go on here: this runner was drained.* Nothing has changed"):
        await runner.replay_run("p", new_id="f", deps=World())

    assert ["p"] == [row.run_id for row in await store.list()]


async def test_a_replay_is_cut_where_one_may_fork() -> None:
    """What came before the cut is not asked for again."""
    store = MemoryStore()
    await stored(store)
    runner, asked = Runner(Office, model=model(), store=store), model()
    cut = next(cut for cut in await runner.cuts("p") if cut.state == "both")
    replay = await Runner(Office, model=asked, store=store).replay_run("p", at=cut.at, deps=World())
    with pytest.raises(ForkError, match="cannot be cut after input 2"):
        await runner.replay_run("p", at=2, deps=World())

    assert replay.difference.first is None
    assert 1 == len(asked.requests)


async def test_another_model_is_paid_at_its_own_price() -> None:
    """The dollars are those of the models that were asked."""
    store = MemoryStore()
    await stored(store)
    dear = model()
    dear.price = Price(input=1, output=1)
    replay = await Runner(Office, model=dear, store=store).replay_run("p", deps=World())

    assert 0 == replay.difference.then.cost < replay.difference.now.cost
    assert replay.difference.then.tokens == replay.difference.now.tokens == replay.difference.now.cost
    assert "instead of none" in str(replay.difference)


async def test_a_human_is_asked_again() -> None:
    """The replay waits, and is compared as it stands."""
    store = MemoryStore()
    runner = Runner(Refunds, store=store)
    await runner.run(Claim(query="x"), run_id="p")
    await runner.resume("p", {"handoff": "yes", "note": "n"})
    replay = await runner.replay_run("p")

    assert "waiting" == replay.result.status
    assert "Another end: waiting in approve instead of paid" in str(replay.difference)


async def test_another_version_is_given_what_the_old_one_has_recorded() -> None:
    """It is driven on the new machine, under its digest, and compared with the run on the old one."""
    FOUND.clear()
    store, old, new = MemoryStore(), version(), version(has_check=True)
    await Runner(old, model=ScriptedModel(ANSWERS), store=store).run(Question(text="q"), run_id="p")
    runner = Runner(new, model=ScriptedModel(ANSWERS), store=store)
    with pytest.raises(
        StartError, match=r"was run on digest '\w+', and \w+ is '\w+': give the version that it was run on, by was="
    ):
        await runner.replay_run("p", was=new)  # as the command does without --machine
    replay = await runner.replay_run("p", was=old, new_id="f")
    cut = await Runner(new, model=ScriptedModel(ANSWERS), store=store).replay_run("p", was=old, at=2)

    assert ["q"] == FOUND
    assert old.definition.digest != new.definition.digest
    (row,) = await store.list(run_id="f")
    assert new.definition.digest == row.digest
    assert ["find", "answer", "check"] == [hop.state for hop in replay.difference.now.hops]
    assert 1 == replay.difference.first
    assert "Same end: done, other answer; " in str(replay.difference)
    assert "% more tokens" in str(replay.difference)
    assert ["find", "answer", "check"] == [hop.state for hop in cut.difference.now.hops]


async def test_a_version_in_which_the_run_goes_another_way_before_the_cut_is_refused() -> None:
    """The reason says where, and to cut earlier."""
    store, old, new = MemoryStore(), version(), version(has_check=True)
    whole = await Runner(old, model=ScriptedModel(ANSWERS), store=store).run(Question(text="q"), run_id="p")
    with pytest.raises(StartError, match="does not go the same way in this version of Answers"):
        await Runner(new, model=ScriptedModel(ANSWERS), store=store).replay_run("p", was=old, at=len(whole.journal))


async def test_what_cannot_be_replayed_is_refused() -> None:
    """A run that is not known, and a runner without a store."""
    with pytest.raises(StartError, match="knows of no run 'x'"):
        await Runner(Office, model=model(), store=MemoryStore()).replay_run("x", deps=World())
    with pytest.raises(StartError, match="has none"):
        await Runner(Office, model=model()).replay_run("x", deps=World())


@pytest.mark.parametrize(("new_id", "why"), [("", "'' names none"), (7, "takes text that UTF-8")])
async def test_an_id_that_names_no_run_is_refused(new_id: Any, why: str) -> None:
    """Nothing is stored then."""
    store = MemoryStore()
    await stored(store)
    with pytest.raises(StartError, match=why):
        await Runner(Office, model=model(), store=store).replay_run("p", new_id=new_id, deps=World())

    assert 1 == len(await store.list())


async def test_a_run_of_changed_code_is_not_compared() -> None:
    """It folds to something else than what it was, so nothing could be said of then."""
    store = MemoryStore()
    await stored(store)
    (row,) = await store.list(run_id="p")
    store._kept["p"].head = replace(row.head, hops=9)
    with pytest.raises(Drifted):
        await Runner(Office, model=model(), store=store).replay_run("p", deps=World())


@pytest.mark.parametrize(("at", "where"), [(1, "'human' then, and not in 'ask'"), (4, "after run p had finished")])
async def test_a_beginning_that_cannot_be_paid_at_other_prices_is_told(at: int, where: str) -> None:
    """A run lands that could not pay what comes next: its replay has nowhere to begin, and nothing is stored."""
    store = MemoryStore()

    def priced(dollars: int) -> ScriptedModel:
        return ScriptedModel([{"note": "n"}, {"receipt": "r"}], price=Price(dollars, dollars))

    await Runner(Dear, model=priced(1), store=store).run(Claim(query="x"), run_id="p")
    with pytest.raises(StartError, match=f"the same way at the prices of these models up to input {at}: .*{where}"):
        await Runner(Dear, model=priced(12), store=store).replay_run("p", at=at)

    assert ["p"] == [row.run_id for row in await store.list()]
