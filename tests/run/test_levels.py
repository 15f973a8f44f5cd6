"""What holds of a run holds at every level of its tree: models, agents, prompts, repairs, stores, late usage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from support.branches import STOPPED, All, First, Trip
from support.kept import keep
from support.levels import Around, High, Lap, Laps, Low, Middle, Mixed, Text, Two

from fsm_orch import MemoryStore, Reply, Response, Runner, RunResult, ScriptedModel, StartError, State, Usage
from fsm_orch.amounts import FREE
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.models import Request, registry
from fsm_orch.observe import Prompted, Record
from fsm_orch.testing import TheoremChecker, virtual_time


def scripted(*texts: str) -> ScriptedModel:
    """Return a model that says these, in turn."""
    return ScriptedModel(
        [f'{{"{name}": "{text}"}}' for name, text in zip(("low", "middle", "high"), texts, strict=True)]
    )


async def test_a_chain_of_machines_runs_and_is_told_of_by_path() -> None:
    """Each prompt and record says where in the tree it was made; the path of the run is its own hops."""
    prompts, told = list[Prompted](), list[Record]()
    runner = Runner(High, model=scripted("1", "2", "3"), on_prompt=prompts.append, observers=[told.append])
    result = await runner.run(Text(query="x"), run_id="r")

    assert (High.done, "1", "2", "3") == (
        *(result.state, result.context.low, result.context.middle),
        result.context.high,
    )
    assert [("find", (1, 1)), ("weigh", (1,)), ("tell", ())] == [(each.state, each.path) for each in prompts]
    assert ["first", "tell"] == [hop.source for hop in result.path]
    assert [(1, 1), (1,), ()] == [each.stamp.path for each in told if each.kind == "run_finished"]
    assert result.usage.requests == 3
    assert ["first", "tell"] == [said.agent for said in result.messages if said.role == "assistant"]
    TheoremChecker(runner.compiled).follow_all(result.journal)


async def test_each_level_uses_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's own, else the runner's, else its machine's, else that of the machine around it."""
    asked = list[str]()
    monkeypatch.setattr(registry, "resolve", lambda name: asked.append(name) or scripted("1", "2", "3"))

    with pytest.raises(StartError, match="State 'tell' needs a model"):
        Runner(High)
    with pytest.raises(StartError, match=r"State 'fan\.low\.low' in low needs a model"):
        Runner(Mixed)
    Runner(Low)
    assert ["low:model"] == asked
    asked.clear()
    Runner(High, model="high:model")
    assert ["high:model"] == asked  # one for all that name it
    asked.clear()
    Runner(Around)
    assert ["around:model"] == asked


async def test_an_agent_is_replaced_at_any_level() -> None:
    """States of the machines inside are known to the runner; those of others are refused."""
    agents = {
        Low.find: lambda visit: Reply(changes={Text.low: "a"}),
        Middle.weigh: lambda visit: Reply(changes={Text.middle: visit.context.low + "b"}),
        High.tell: lambda visit: Reply(changes={Text.high: visit.context.middle + "c"}),
    }
    result = await Runner(High, agents=agents, model=scripted("", "", "")).run(Text(query="x"))

    assert "abc" == result.context.high
    with pytest.raises(StartError, match="not a state of Low"):
        Runner(Low, agents={High.tell: agents[High.tell]}, model="x:y")


async def test_a_refused_reply_is_repaired_inside() -> None:
    """The model of a part is shown its own reply and why it was refused; its parent hears nothing of it."""
    prompts = list[Prompted]()
    model = ScriptedModel(["nonsense", '{"low": "1"}', '{"middle": "2"}', '{"high": "3"}'])
    result = await Runner(High, model=model, on_prompt=prompts.append).run(Text(query="x"))

    assert High.done is result.state
    first, again, *others = prompts
    assert "nonsense" in repr(again.request.messages)
    assert not any("nonsense" in repr(each.request.messages) for each in (first, *others))


class Wrong:
    """A model that says nonsense of its own to each agent at first."""

    name = "wrong:stub"
    price = FREE

    def __init__(self) -> None:
        self.asked = list[Request]()

    async def count(self, request: Request) -> int:
        return 10

    async def complete(self, request: Request) -> Response:
        self.asked.append(request)
        await asyncio.sleep(0)
        (name,) = request.schema["properties"] if request.schema else ("",)
        is_first = sum(name in (one.schema or {})["properties"] for one in self.asked) == 1
        text = f"nonsense of {name}" if is_first else f'{{"{name}": "x"}}'
        return Response(text=text, usage=Usage(requests=1, input_tokens=5, output_tokens=5))


async def test_each_branch_is_shown_its_own_mistake() -> None:
    """Two models that are refused at once are each told what they said, and not what the other did."""
    model = Wrong()
    result = await Runner(Two, model=model).run(Text(query="x"))

    assert ("x", "x") == (result.context.low, result.context.middle)
    for request in model.asked[2:]:
        (name,) = (request.schema or {})["properties"]
        assert {name} == {each for each in ("low", "middle") if f"nonsense of {each}" in repr(request.messages)}


async def test_a_call_that_was_under_way_in_a_crash_is_charged_first() -> None:
    """At its level, in full, before anything else; then its agent is due again, in the same attempt."""
    whole = await Runner(High, model=scripted("1", "2", "3")).run(Text(query="x"), run_id="r")
    cut = next(place for place, event in enumerate(whole.journal) if isinstance(event, inputs.CallReserved)) + 1
    store = MemoryStore()
    runner = Runner(High, model=scripted("1", "2", "3"), store=store)
    await keep(runner, "r", whole.journal[:cut])
    result = await runner.resume("r")

    settled, again = result.journal[cut : cut + 2]
    assert (inputs.CallSettled(call=1, usage=None, at=settled.at, path=(1, 1)), High.done) == (settled, result.state)
    assert isinstance(again, inputs.CallReserved)
    assert (2, (1, 1)) == (again.call, again.path)


def test_a_loser_never_books_on_the_machine_that_came_after() -> None:
    """In its grace it tells its usage at a path under which another run of the same part makes the same call."""
    with virtual_time() as loop:
        result = loop.run(Runner(Laps, model=Late(1.5, 5)).run(Lap(query="x")))

    told = [(event.at, event.path) for event in result.journal if isinstance(event, inputs.CallSettled)]
    assert (Laps.done, 2.0, []) == (result.state, result.seconds, told)


class Tidy:
    """A model that takes long, and half a second to clean up."""

    name = "tidy:stub"
    price = FREE

    def __init__(self) -> None:
        self.stopped = list[float]()

    async def count(self, request: Any) -> int:
        return 10

    async def complete(self, request: Any) -> Response:
        try:
            await asyncio.sleep(30)
        finally:
            self.stopped.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.5)
        raise NotImplementedError


def test_a_loser_that_cleans_up_leaves_the_one_that_came_after() -> None:
    """It ends while the same is at work again, in the next visit; that one is stopped in its turn, and waited for."""
    model = Tidy()

    async def running() -> RunResult[Lap]:
        result = await Runner(Laps, model=model).run(Lap(query="x"))
        assert {asyncio.current_task()} == asyncio.all_tasks()
        return result

    with virtual_time() as loop:
        result = loop.run(running())

    assert (Laps.done, [1.0, 2.0]) == (result.state, model.stopped)


class Late:
    """A model that does not let itself be stopped, and tells after so many seconds what it has used."""

    name = "late:stub"
    price = FREE

    def __init__(self, seconds: float, used: int) -> None:
        self.seconds = seconds
        self.used = used

    async def count(self, request: Any) -> int:
        return 10

    async def complete(self, request: Any) -> Response:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        while loop.time() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(end - loop.time())
        return Response(text="", usage=Usage(requests=1, input_tokens=10, output_tokens=self.used))


@pytest.mark.parametrize("used", [5, 5_000])
@pytest.mark.parametrize("seconds", [2.5, 9.0])
def test_usage_that_comes_late_is_charged_where_somebody_lives(used: int, seconds: float) -> None:
    """Told in its grace or after its machine has ended; only what is beyond the reservation lands what still runs."""
    with virtual_time() as loop:
        runner = Runner(Mixed, model=Late(seconds, used))
        result = loop.run(runner.run(Text(query="x")))

    now = TheoremChecker(runner.compiled).follow_all(result.journal)
    late = [event for event in result.journal if isinstance(event, inputs.Overspent)]
    assert [(1, "low", used - 256, ())] * (seconds > 3 and used > 256) == [
        (event.call, event.source, event.tokens, event.path) for event in late
    ]
    landing = None if result.landing is None else result.landing.reason
    assert ("overrun" if used > 256 else None, seconds if used > 256 else 20.0) == (landing, result.seconds)
    assert (10 + used if used > 256 or seconds < 3 else 266) == now.ledger.settled.tokens


def test_usage_that_comes_late_is_charged_to_its_own_machine_while_that_lives() -> None:
    """Though its visit is over: it lands that machine, and the machine around it hears of that."""
    with virtual_time() as loop:
        runner = Runner(Around, model=Late(9.0, 5_000))
        result = loop.run(runner.run(Text(query="x")))

    TheoremChecker(runner.compiled).follow_all(result.journal)
    (late,) = [event for event in result.journal if isinstance(event, inputs.Overspent)]
    assert (("find", 0, (1,)), 9.0) == ((late.source, late.visit, late.path), result.seconds)


class Fails(MemoryStore):
    """A store that fails at one write."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(0.01)
        self.left -= 1
        if self.left == 0:
            raise OSError("disk full")
        await super().append(run_id, start, inputs, **options)


@pytest.mark.parametrize("at", [1, 2])
def test_a_store_that_fails_stops_every_branch_and_folds_nothing(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever write fails, its error is raised, all branches are stopped, and what is stored goes on."""
    monkeypatch.setattr(State, "acts_once", False)
    STOPPED.clear()
    store = Fails(at)

    async def failing() -> None:
        plan = '{"b": [1.5, true], "c": [2, true]}'
        with pytest.raises(OSError, match="disk full"):
            await Runner(All, store=store).run(Trip(plan=plan), run_id="r")
        assert {asyncio.current_task()} == asyncio.all_tasks()
        journal = await store.load("r")
        assert not any(isinstance(event, inputs.Cancelled | inputs.Failed) for event in journal)
        if journal:
            assert All.done is (await Runner(All, store=store).resume("r")).state

    with virtual_time() as loop:
        loop.run(failing())


def test_a_run_that_is_read_is_read_at_every_level() -> None:
    """A stream yields the records of all branches, in the order in which they were made."""

    async def reading() -> None:
        async with Runner(First).stream(Trip(plan='{"b": [2, true], "c": [2, true]}')) as events:
            seen = [record async for record in events]
            result = await events.result()
        assert result.records == tuple(seen)
        assert {(), (1,), (2,), (3,)} == {record.stamp.path for record in seen}

    with virtual_time() as loop:
        loop.run(reading())
