"""Agents that hold the event loop: told by name if they take long, and not held at all in a thread."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    KeywordAgent,
    LLMAgent,
    Machine,
    Reply,
    Runner,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.agents import AgentSpec
from fsm_orch.run import held
from fsm_orch.testing import virtual_time


class Query(Context):
    text: str
    answer: str | None = None


def machine(agent: Any, **options: Any) -> type[Machine[Query]]:
    class Desk(Machine[Query]):
        """Act."""

        act = State(agent, initial=True, **options)
        done, human = Final(), Final(fallback=True)
        ok = act.to(done, "it is done")
        no = act.to(human, "it is not")

    return Desk


def runner(function: Callable[[Visit[Query]], Any], **options: Any) -> Runner[Query, None]:
    """A runner in whose one state a function acts that has no name of its own."""
    desk = machine(plain, writes=Query.answer, **options)
    return Runner(desk, agents={desk.definition.states["act"]: function})


def pass_time(seconds: float) -> None:
    """Let time pass while nothing else can happen, as code that blocks does."""
    asyncio.get_running_loop()._skip(seconds)  # type: ignore[attr-defined]


def plain(visit: Visit[Query]) -> None:
    pass_time(SECONDS[0])


async def at_once(visit: Visit[Query]) -> None:
    pass_time(SECONDS[0])


async def later(visit: Visit[Query]) -> None:
    await asyncio.sleep(1)
    pass_time(SECONDS[0])
    await asyncio.sleep(1)


async def cancelled(visit: Visit[Query]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        pass_time(SECONDS[0])


class Own:
    """An agent of a user's own."""

    spec = AgentSpec(kind="code", name="own_agent", canonical={"own": 1})

    async def act(self, visit: Visit[Query]) -> Reply:
        pass_time(SECONDS[0])
        return Reply()


class SlowlyAsked(HumanAgent):
    """A human, of whom asking takes long."""

    def begin(self, visit: Visit[Any, Any]) -> Any:
        pass_time(SECONDS[0])
        return super().begin(visit)


PLACE = State(plain)
SECONDS = [0.0]
"""For how long agents hold the loop."""


def warnings(agent: Any, seconds: float, caplog: pytest.LogCaptureFixture, **options: Any) -> list[str]:
    """Run a machine on virtual time, and give what it warned of."""
    SECONDS[0] = seconds
    caplog.clear()
    with caplog.at_level(logging.WARNING, "fsm_orch"), virtual_time() as loop:
        loop.run(Runner(machine(agent, **options)).run(Query(text="x")))
    return [record.getMessage() for record in caplog.records if "held the event loop" in record.getMessage()]


@pytest.mark.parametrize(
    ("agent", "named", "fix"),
    [
        (plain, "plain", "State(plain, thread=True)"),
        (at_once, "at_once", "asyncio.to_thread"),
        (later, "later", "asyncio.to_thread"),
        (cancelled, "cancelled", "asyncio.to_thread"),
        (Own(), "own_agent", "asyncio.to_thread"),
        (
            SlowlyAsked("Well?", reads=Query.text),
            "HumanAgent",
            "a validator of the context takes long, or this machine",
        ),
    ],
)
def test_an_agent_that_holds_the_loop_is_told_by_name(
    agent: Any, named: str, fix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each step that takes 100 ms or more is one warning with the state, the function, its line and the fix."""
    assert [] == warnings(agent, 0.09, caplog)
    (said,) = warnings(agent, 0.8, caplog)

    assert f"the agent of 'act', {named} at " in said
    assert "held the event loop for 0.80 s" in said
    assert fix in said


@pytest.mark.parametrize("options", [{}, {"attempts": 2}])
def test_a_function_that_stands_in_is_told_by_its_own_name(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the function that held the loop, and not the one that a runner was told to replace."""
    SECONDS[0] = 0.8
    desk = machine(PLACE.agent, **options)

    def stand_in(visit: Visit[Query]) -> None:
        pass_time(SECONDS[0])

    with caplog.at_level(logging.WARNING, "fsm_orch"), virtual_time() as loop:
        loop.run(Runner(desk, agents={desk.definition.states["act"]: stand_in}).run(Query(text="x")))

    assert f"stand_in at {__file__}:{stand_in.__code__.co_firstlineno}, held the event loop" in caplog.text


def test_a_model_that_blocks_is_told_by_the_state_that_calls_it(caplog: pytest.LogCaptureFixture) -> None:
    """A model of one's own that holds the loop is found by the agent that waits for it."""

    class Blocking(ScriptedModel):
        async def complete(self, request: Any) -> Any:
            pass_time(0.8)
            return await super().complete(request)

    with caplog.at_level(logging.WARNING, "fsm_orch"), virtual_time() as loop:
        desk = machine(LLMAgent("Act.", reads=Query.text))
        result = loop.run(Runner(desk, model=Blocking([{"handoff": "ok"}])).run(Query(text="x")))

    assert "done" == result.state.name
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("the agent of 'act', LLMAgent at ")


def test_a_function_in_a_thread_leaves_the_loop_to_others() -> None:
    """Twenty functions that all wait for each other end, which they could not one after the other."""
    together = threading.Barrier(20, timeout=30)

    def meet(visit: Visit[Query]) -> Any:
        together.wait()
        return {Query.answer: threading.current_thread().name}

    desk = runner(meet, thread=True)

    async def every() -> list[Any]:
        return await asyncio.gather(*(desk.run(Query(text="x")) for _ in range(20)))

    assert {("done", "meet")} == {(result.state.name, result.context.answer) for result in asyncio.run(every())}


def test_a_thread_that_hangs_does_not_keep_its_run() -> None:
    """When the visit's time is over the run lands and its loop ends, and what the thread returns later is dropped."""
    go_on = threading.Event()

    def hang(visit: Visit[Query]) -> None:
        go_on.wait(30)

    result = runner(hang, thread=True, timeout_s=0.01).run_sync(Query(text="x"))

    assert not go_on.is_set()
    assert result.landing is not None
    assert "timeout" in result.landing.detail or "outcome" in result.landing.detail
    go_on.set()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), StopIteration(), asyncio.CancelledError()])
def test_what_a_thread_raises_is_its_agents_failure(error: BaseException) -> None:
    """Whatever is raised there lands the run, as it does without a thread."""

    def fail(visit: Visit[Query]) -> None:
        raise error

    threaded, plain = (runner(fail, thread=thread).run_sync(Query(text="x")) for thread in (True, False))

    assert "human" == threaded.state.name == plain.state.name
    assert threaded.landing is not None
    assert plain.landing is not None
    assert threaded.landing.reason == plain.landing.reason


def test_a_thread_sees_the_variables_of_its_run() -> None:
    """Context variables of the caller can be read there."""
    who = contextvars.ContextVar("who", default="nobody")

    def look(visit: Visit[Query]) -> Any:
        return {Query.answer: who.get()}

    who.set("me")
    assert "me" == runner(look, thread=True).run_sync(Query(text="x")).context.answer


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (later, "later is async, so it needs no thread"),
        (
            KeywordAgent(Query.text, {State(plain): "x"}, otherwise=State(plain)),
            "a thread is for a plain function, not for KeywordAgent",
        ),
        (LLMAgent("Act.", reads=Query.text), "a thread is for a plain function, not for LLMAgent"),
    ],
)
def test_only_a_plain_function_is_given_a_thread(agent: Any, said: str) -> None:
    """Where it would do nothing it is refused."""
    with pytest.raises(TypeError, match=said):
        State(agent, thread=True)


def test_an_async_function_that_stands_in_needs_no_thread() -> None:
    """A test may replace a function of a thread by an async one, which stays on the loop."""

    async def stand_in(visit: Visit[Query]) -> Any:
        return {Query.answer: threading.current_thread().name}

    assert threading.current_thread().name == runner(stand_in, thread=True).run_sync(Query(text="x")).context.answer


def test_a_thread_is_no_part_of_the_definition() -> None:
    """Where a function runs changes neither what a run may do nor the digest by which certificates know it."""
    assert machine(plain).definition.digest == machine(plain, thread=True).definition.digest


def test_watching_steps_changes_nothing_of_them() -> None:
    """What is awaited gets what it waits for and its cancellation, and gives back its result and its error."""

    async def work(how: str, told: list[str]) -> str:
        try:
            told.append(await asyncio.sleep(0, "woken"))
            if how == "raise":
                raise KeyError(how)
            if how == "wait":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
            await asyncio.sleep(0)
            raise
        return how

    async def seen(watch: Callable[[Any], Any], how: str) -> tuple[list[str], str]:
        told: list[str] = []
        task = asyncio.ensure_future(watch(work(how, told)))
        await asyncio.sleep(0.01)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        return told, repr(outcome)

    async def watched(begun: Any) -> Any:
        state = machine(plain).definition.states["act"]
        return await held.watched_steps(state, state.spec, begun)

    async def bare(begun: Any) -> Any:
        return await begun

    for how in ("return", "raise", "wait"):
        assert asyncio.run(seen(bare, how)) == asyncio.run(seen(watched, how))
