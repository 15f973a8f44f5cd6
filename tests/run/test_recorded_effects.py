"""What a journal has recorded of effects, by what they were given."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from support.office import MOODS, SCRIPTS, Job, Office, World, looks_up, model, planned

from fsm_orch import Final, Machine, MemoryStore, Runner, RunResult, State, Visit
from fsm_orch.agents.base import PlainAgent, Round
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.errors import StepError
from fsm_orch.kernel.inputs import Answered, Asked, Failed, Replied
from fsm_orch.kernel.requests import AskHuman
from fsm_orch.run.recorded import Given, recorded


def ran(script: Any = (), moods: Any = (1,)) -> tuple[RunResult[Job], World, Runner[Job, World]]:
    world, runner = World(moods), Runner(Office, model=model(*script))
    return asyncio.run(runner.run(Job(text="t"), deps=world, run_id="r")), world, runner


@settings(deadline=None, max_examples=40)
@given(SCRIPTS, MOODS)
def test_all_that_was_done_is_recorded_where_it_was_done(script: Any, moods: Any) -> None:
    """Each effect that came to something is there once, under its state or tool, and nothing else is."""
    result, world, runner = ran(script, moods)

    found = recorded(runner.compiled, result.journal).outcomes
    counts = Counter[str]()
    for key, outcomes in found.items():
        counts[key.tool or key.place.rpartition(".")[2]] += len(outcomes)
    done = Counter[str]()
    for what, often in world.done.items():
        done[what.split()[0] if not what.startswith("look up") else "look_up"] += often
    assert all(counts[name] <= often for name, often in done.items())
    stopped = done - counts  # of a branch or an item that failed the others were ended, and came to nothing
    assert set(stopped) <= {"pack", "book"}
    assert counts <= done


def test_what_is_given_is_place_fields_tool_and_arguments() -> None:
    """In branches, and in each item of a map, it is known by its own."""
    result, _, runner = ran([looks_up(7), planned()])

    found = recorded(runner.compiled, result.journal).outcomes
    read = (("plan",), b'{"plan":"a"}')
    assert [
        Given("plan", ("text",), b'{"text":"t"}', "look_up", b'{"order":7}'),
        Given("pay", *read),
        Given("both.book.book", *read),
        Given("pack.pack.pack", ("item", "text"), b'{"item":"x","text":"t"}'),
        Given("pack.pack.pack", ("item", "text"), b'{"item":"y","text":"t"}'),
    ] == list(found)


def test_what_was_given_twice_is_recorded_in_order() -> None:
    """Beyond the last it comes to what it came to last; what was never given comes to nothing."""
    result, _, runner = ran(moods=(0, 2, 3, 4, 5))
    found = recorded(runner.compiled, result.journal)
    pay = Given("pay", ("plan",), b'{"plan":"a"}')

    kinds = [type(found.outcome(pay, number)) for number in range(4)]
    assert [Failed, Replied, Replied, Replied] == kinds
    assert found.outcome(pay._replace(place="both.pay"), 0) is None


def test_nothing_is_recorded_of_models_and_of_what_asks_for_parts() -> None:
    """They are no effects: all that is recorded is of code and of tools."""
    result, _, runner = ran([looks_up(1), planned()])

    of_agents = [e for e in result.journal if isinstance(e, Replied | Asked | Failed | Answered)]
    outcomes = recorded(runner.compiled, result.journal).outcomes
    assert sum(map(len, outcomes.values())) < len(of_agents)
    assert all("say" not in key.place and (key.tool or key.place != "plan") for key in outcomes)


def test_a_damaged_journal_is_refused() -> None:
    """What does not fold says nothing."""
    result, _, runner = ran()

    with pytest.raises(StepError):
        recorded(runner.compiled, result.journal[1:])


class Asks(PlainAgent):
    """Code that asks a human, who does not answer."""

    spec = AgentSpec(kind="code", name="Asks", asks_human=True, asks=1, canonical={})

    def begin(self, visit: Visit[Job]) -> Round:
        return Round((AskHuman(question=f"What of {visit.state.name}?"),))


class Slow(Machine[Job]):
    """Ask, and give up."""

    ask = State(Asks(), initial=True, expires_s=10)
    done, late, human = Final(), Final(), Final(fallback=True)
    on, over = ask.to(done), ask.on_timeout(late)


async def test_a_question_that_expired_is_no_outcome_of_the_code_that_asked_it() -> None:
    """What the code came to is that it asked."""
    store, seconds = MemoryStore(), iter((0.0, *[99.0] * 9))
    runner = Runner(Slow, store=store, wall_clock=lambda: next(seconds))
    await runner.run(Job(text="t"), run_id="r")
    result = await runner.expire("r")

    assert Slow.late is result.state
    assert [[Asked]] == [
        [type(e) for e in each] for each in recorded(runner.compiled, result.journal).outcomes.values()
    ]
