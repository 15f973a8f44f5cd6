"""What a run follows: its journal names the run before it, and what was said is told by the store."""

from __future__ import annotations

from typing import Any

import pytest
from support.kept import keep

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Nested,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Window,
)
from fsm_orch.amounts import Amount
from fsm_orch.errors import Drifted, StartError
from fsm_orch.kernel.codec import to_json
from fsm_orch.kernel.inputs import Started
from fsm_orch.run import follows


class Query(Context):
    """What is said."""

    text: str
    answer: str | None = None


def talker() -> LLMAgent:
    """Return an agent that hears a long conversation."""
    window = Window(messages=500, chars=99_000)
    return LLMAgent("Talk.", reads=Query.text, writes=Query.answer, window=window, max_input_tokens=9_000)


class Chat(Machine[Query]):
    """Answer, and let a human look at it."""

    talk = State(talker(), initial=True)
    look = State(HumanAgent("Right?", reads=Query.answer))
    done, human = Final(), Final(fallback=True)
    on, right = talk.to(look), look.to(done, "right")


class Talk(Machine[Query]):
    """Answer."""

    talk = State(talker(), initial=True)
    done, human = Final(), Final(fallback=True)
    on = talk.to(done)


class Inside(Machine[Query]):
    """Answer by another machine."""

    talk = State(Nested(Talk, writes=Query.answer), initial=True)
    done, human = Final(), Final(fallback=True)
    on = talk.to(done)


def answers(count: int = 99) -> ScriptedModel:
    return ScriptedModel([{"answer": "it is so"}] * count)


async def talked(runner: Runner[Query, None], turns: int) -> RunResult[Query]:
    """Return the last run of a conversation."""
    result = await runner.run(Query(text="say 0"), run_id="r0")
    for turn in range(1, turns):
        result = await runner.run(Query(text=f"say {turn}"), run_id=f"r{turn}", after=result)
    return result


def still() -> float:
    """Return the same time always, so that all times are as long."""
    return 0.0


def size(result: RunResult[Any]) -> int:
    return sum(len(to_json(event)) for event in result.journal)


async def test_a_journal_does_not_grow_with_its_conversation() -> None:
    """The thirtieth run of a conversation is stored in as many bytes as the second, and its model hears all of it."""
    model, copied = answers(), answers()
    second = await talked(Runner(Talk, model=answers(), store=MemoryStore(), clock=still), 2)
    last = await talked(Runner(Talk, model=model, store=MemoryStore(), clock=still), 30)
    whole = await talked(Runner(Talk, model=copied, clock=still), 30)

    # a digit more for the run, the one before it, what it says and has heard, and twice for what its model is sent
    assert size(second) + 6 == size(last)
    assert size(whole) > 5 * size(last)
    assert whole.messages == last.messages
    assert copied.requests == model.requests
    assert 60 == len(last.messages)
    first = last.journal[0]
    assert isinstance(first, Started)
    assert ((), "r28", 58) == (first.messages, first.after, first.heard)


async def test_what_was_said_is_loaded_when_a_run_goes_on() -> None:
    """A new process resumes it in the same conversation, and so does the result of a run that has ended."""
    store = MemoryStore()
    result = await talked(Runner(Talk, model=answers(), store=store), 5)
    for count in range(1, len(result.journal) + 1):
        model, other = answers(), MemoryStore()
        for turn in range(4):
            await keep(Runner(Talk, model=model, store=other), f"r{turn}", await store.load(f"r{turn}"))
        runner = Runner(Talk, model=model, store=other)
        await keep(runner, "r4", result.journal[:count])
        again = await runner.resume("r4")

        assert result.messages == again.messages
        assert all(len(request.messages) == 10 for request in model.requests), count


async def test_a_human_may_be_waited_for_meanwhile() -> None:
    """The run that waits knows what was said, in another process too."""
    store, model = MemoryStore(), answers()
    first = await Runner(Chat, model=model, store=store).run(Query(text="one"), run_id="a")
    first = await Runner(Chat, model=model, store=store).resume("a", {"handoff": "right"})
    await Runner(Chat, model=model, store=store).run(Query(text="two"), run_id="b", after=first)
    second = await Runner(Chat, model=model, store=store).resume("b", {"handoff": "right"})

    assert ["one", "two"] == [m.content[9:-2] for m in second.messages if m.role == "user" and "text" in m.content]
    assert len(first.messages) * 2 == len(second.messages)


async def test_a_run_before_that_is_forgotten_is_missed_by_name() -> None:
    """A run under way is not driven without it; one that has ended is given, and only its messages are missing."""
    store, model = MemoryStore(), answers()
    result = await talked(Runner(Talk, model=model, store=store), 3)
    open_, ended = MemoryStore(), MemoryStore()
    for other, count in ((open_, 1), (ended, len(result.journal))):
        await keep(Runner(Talk, model=model, store=other), "r1", await store.load("r1"))
        await keep(Runner(Talk, model=model, store=other), "r2", result.journal[:count])

    with pytest.raises(StartError, match=r"run 'r2' goes on with what was said in run 'r0', which this store has forg"):
        await Runner(Talk, model=model, store=open_).resume("r2")
    assert 1 == len(await open_.load("r2"))
    given = await Runner(Talk, model=model, store=ended).resume("r2")
    assert result.context == given.context
    with pytest.raises(StartError, match=r"run 'r2' goes on with what was said before it, which its journal does not"):
        _ = given.messages
    assert "RunResult(run_id='r2'" in repr(given)


async def test_a_replayed_journal_says_where_the_rest_is() -> None:
    """It is folded without a store, so what was said before is not there; nothing is left out in silence."""
    runner = Runner(Talk, model=answers(), store=MemoryStore())
    result = await talked(runner, 2)
    replayed = runner.replay(result.journal)

    assert result.context == replayed.context
    with pytest.raises(StartError, match=r"await runner\.resume\('r1'\) loads it"):
        _ = replayed.messages
    with pytest.raises(StartError, match="goes on with what was said before it"):
        await runner.run(Query(text="x"), after=replayed)


async def test_what_the_store_does_not_have_is_copied() -> None:
    """A run of another store, of none, or changed since: its messages are in the journal that goes on with them."""
    elsewhere = await talked(Runner(Talk, model=answers()), 2)
    store = MemoryStore()
    runner = Runner(Talk, model=answers(), store=store)
    result = await runner.run(Query(text="x"), run_id="n", after=elsewhere)
    first = result.journal[0]
    assert isinstance(first, Started)

    assert (elsewhere.messages, 0, "r1") == (first.messages, first.heard, first.after)
    assert result.messages[: len(elsewhere.messages)] == elsewhere.messages


async def test_who_said_something_else_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of a run before folds to other messages: nothing is driven."""
    store, model = MemoryStore(), answers()
    result = await talked(Runner(Talk, model=model, store=store), 2)
    other = MemoryStore()
    runner = Runner(Talk, model=model, store=other)
    await keep(runner, "r0", await store.load("r0"))
    await keep(runner, "r1", result.journal[:1])
    monkeypatch.setattr(follows, "asked", lambda definition: frozenset())

    with pytest.raises(Drifted, match=r"run 'r1' goes on with 2 messages .* up to run 'r0', whose journal folds to 1"):
        await runner.resume("r1")


async def test_what_runs_inside_hears_nothing_of_it() -> None:
    """What crosses into a part is context, in a run that follows another too."""
    model = answers()
    runner = Runner(Inside, model=model, store=MemoryStore())
    first = await runner.run(Query(text="one"))
    await runner.run(Query(text="two"), after=first)

    assert [2, 2] == [len(request.messages) for request in model.requests]


async def test_messages_that_are_given_are_copied() -> None:
    """They are the caller's, and no run is named that could tell them."""
    runner = Runner(Talk, model=answers(), store=MemoryStore())
    said = (Message(role="user", content="before"),)
    result = await runner.run(Query(text="x"), messages=said)
    first = result.journal[0]
    assert isinstance(first, Started)

    assert (said, 0, None) == (first.messages, first.heard, first.after)


async def test_a_run_that_misses_the_run_before_it_can_be_landed() -> None:
    """Else it would keep what it has taken of its thread for good: nothing is heard where nothing is done."""
    store = MemoryStore()
    runner = Runner(Chat, model=answers(), store=store, limits=Limits(tokens=20_000, thread_tokens=50_000))
    await runner.run(Query(text="one"), run_id="a", thread_id="t")
    first = await runner.resume("a", {"handoff": "right"})
    await runner.run(Query(text="two"), run_id="b", after=first, thread_id="u")
    assert 1 == await store.prune(ended_before=float("inf"))
    with pytest.raises(StartError, match=r"has forgotten: .*\. await runner\.cancel\('b'\) lands it"):
        await runner.resume("b")
    landed = await runner.cancel("b")

    assert landed is not None
    assert Chat.human is landed.state
    assert Amount(landed.charged_tokens) == await store.taken("thread:u")


async def test_a_run_goes_on_after_what_is_older_was_pruned() -> None:
    """What was said before it in its thread stays while it is open, and is forgotten once it has ended."""
    store = MemoryStore()
    runner = Runner(Chat, model=answers(), store=store)
    await runner.run(Query(text="one"), run_id="a", thread_id="t")
    first = await runner.resume("a", {"handoff": "right"})
    await runner.run(Query(text="two"), run_id="b", after=first)
    assert 0 == await store.prune(ended_before=float("inf"))
    result = await runner.resume("b", {"handoff": "right"})

    assert "finished" == result.status
    assert 2 == await store.prune(ended_before=float("inf"))
