"""Forks of runs with machines and branches inside: where they are cut, and what is edited there."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import OneOfEach, Pair
from support.composed import Trip
from support.forks import at_of, settled_of, started

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Nested,
    Parallel,
    Runner,
    ScriptedModel,
    State,
)
from fsm_orch.errors import ForkError
from fsm_orch.kernel import inputs


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
