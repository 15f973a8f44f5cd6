"""Runs whose agents have gates: what is shut is not chosen, who cannot enter is denied, and nothing is charged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Parallel,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.errors import StartError
from fsm_orch.kernel import inputs, records
from fsm_orch.resilience import Breaker, Bulkhead, Gate, Pace
from fsm_orch.resilience.base import Came
from fsm_orch.testing import TheoremChecker

pytestmark = pytest.mark.looptime


class Query(Context):
    """What is asked."""

    text: str = ""
    price: int | None = None
    stock: int | None = None


async def price(visit: Visit[Query, Callable[[str], Any]]) -> dict[Any, Any]:
    """Ask another system."""
    return {Query.price: await visit.deps("price")}


async def stock(visit: Visit[Query, Callable[[str], Any]]) -> dict[Any, Any]:
    """Ask another system."""
    return {Query.stock: await visit.deps("stock")}


def search(visit: Visit[Query, Callable[[str], Any]]) -> None:
    """Do without."""


class Shop(Machine[Query, Callable[[str], Any]]):
    """A model that routes to a system which may be down, or to a search."""

    route = State(LLMAgent("Route.", calls=2, max_input_tokens=200, max_output_tokens=50), initial=True)
    ask = State(price, writes=Query.price, timeout_s=5)
    look = State(search)
    done = Final()
    human = Final(fallback=True)
    to_ask = route.to(ask, "ask the system")
    to_look = route.to(look, "search")
    answered = ask.to(done)
    found = look.to(done)
    lost = ask.on_failure(look)
    limits = Limits(hops=5, tokens=2_000, deadline_s=20)


TO_ASK, TO_LOOK = {"handoff": "to_ask"}, {"handoff": "to_look"}


def took(seconds: float, what: Any = 1) -> Callable[[str], Any]:
    """Return a system that answers after a while, or raises."""

    async def asked(name: str) -> Any:
        await asyncio.sleep(seconds)
        if isinstance(what, Exception):
            raise what
        return what

    return asked


AT_ONCE = took(0)


async def run(gates: Any, *script: Any, deps: Callable[[str], Any] = AT_ONCE, **options: Any) -> RunResult[Query]:
    """Run the shop behind gates, and check its theorems."""
    runner = Runner(Shop, model=ScriptedModel(script), gates=gates, **options)
    result = await runner.run(Query(), deps=deps)
    TheoremChecker(runner.compiled).follow_all(result.journal)
    assert result.records == runner.replay(result.journal).records
    return result


def seen(result: RunResult[Query]) -> list[tuple[str, ...]]:
    """Return which states were shut, each time that this changed."""
    return [record.shut for record in result.records if isinstance(record, records.GatesSeen)]


def why(result: RunResult[Query]) -> str | None:
    return None if result.landing is None else result.landing.reason


def attempts(result: RunResult[Query]) -> list[records.AttemptFailed]:
    return [record for record in result.records if isinstance(record, records.AttemptFailed)]


async def opened(gate: Gate, times: int = 1) -> None:
    """Let attempts fail until the breaker of a gate is open."""
    for _ in range(times):
        async with gate.entered(1) as tell:
            await tell("error")


async def test_a_run_that_meets_no_shut_gate_has_the_journal_of_one_without_gates() -> None:
    """Gates that are open leave no trace."""
    gates = {Shop.ask: Gate(pace=Pace(1), at_once=1, breaker=Breaker()), Shop.route: Gate(at_once=3)}
    with_gates, without = [await run(given, TO_ASK, new_id=lambda: "r") for given in (gates, None)]

    assert with_gates.journal == without.journal


async def test_a_model_is_not_offered_what_is_shut_and_may_take_none() -> None:
    """Its menu leaves out the state whose breaker is open, from the start of the run; it may say that nothing fits."""
    gate, asked = Gate(breaker=Breaker(failures=1)), list[Any]()
    await opened(gate)
    result = await run({Shop.ask: gate}, TO_LOOK, on_prompt=lambda prompted: asked.append(prompted.request.schema))

    assert ["to_look", "none_of_these"] == asked[0]["properties"]["handoff"]["enum"]
    assert result.state is Shop.done
    assert isinstance(result.journal[0], inputs.Started)
    assert ("ask",) == result.journal[0].shut


async def test_a_model_that_names_what_was_shut_meanwhile_chooses_again() -> None:
    """The state was open when its menu was drawn, and is shut when it replies."""
    gate = Gate(breaker=Breaker(failures=1))
    asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(opened(gate)))
    runner = Runner(Shop, model=ScriptedModel([TO_ASK, TO_LOOK], delay_s=1.0), gates={Shop.ask: gate})
    result = await runner.run(Query(), deps=took(0))

    assert [("ask",)] == seen(result)
    assert ["shut"] == [each.reason for each in result.records if isinstance(each, records.Refused)]
    assert (2, True) == (result.usage.requests, result.state is Shop.done)
    assert result.records == runner.replay(result.journal).records


async def test_failures_open_a_breaker_for_all_runs_and_a_probe_closes_it() -> None:
    """Three runs fail and take their failure edge; the fourth is not offered the state; after a while one is again."""
    gate = Gate(breaker=Breaker(failures=3, window_s=60, open_s=300))
    for _ in range(3):
        result = await run({Shop.ask: gate}, TO_ASK, deps=took(1, RuntimeError()))
        assert Shop.done is result.state
        assert ["RuntimeError"] == [each.detail.partition(" ")[0] for each in attempts(result)]
    assert gate.is_shut

    assert ("ask",) == (await run({Shop.ask: gate}, TO_LOOK)).journal[0].shut  # type: ignore[union-attr]
    await asyncio.sleep(300)
    assert 7 == (await run({Shop.ask: gate}, TO_ASK, deps=took(1, 7))).context.price
    assert not gate.is_shut


async def test_a_visit_that_takes_too_long_counts_and_a_run_that_does_not() -> None:
    """An agent that outlasts its visit has failed; one whose run is over, or cancelled, has not."""
    slow = Gate(breaker=Breaker(failures=1))
    await run({Shop.ask: slow}, TO_ASK, deps=took(9))
    assert slow.is_shut

    short, wide = Gate(breaker=Breaker(failures=1)), Limits(hops=5, tokens=2_000, deadline_s=3)
    landed = await run({Shop.ask: short}, TO_ASK, deps=took(9), limits=wide)
    assert ("deadline", False) == (why(landed), short.is_shut)

    gone = Gate(breaker=Breaker(failures=1))
    task = asyncio.create_task(run({Shop.ask: gone}, TO_ASK, deps=took(9)))
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait({task})
    assert not gone.is_shut


async def test_who_is_denied_and_who_is_interrupted_count_for_nothing() -> None:
    """A turn that does not come in time, or an interrupt from the keyboard, says nothing of the agent."""
    paced = Gate(pace=Pace(1, per_s=100), breaker=Breaker(failures=1))
    await run({Shop.ask: paced}, TO_ASK)
    result = await run({Shop.ask: paced}, TO_ASK)
    assert (["denied"], False) == ([each.reason for each in attempts(result)], paced.is_shut)

    async def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    gate = Gate(breaker=Breaker(failures=1))
    with pytest.raises(KeyboardInterrupt):
        await run({Shop.ask: gate}, TO_ASK, deps=interrupted)
    assert not gate.is_shut


async def test_a_part_whose_machine_has_no_time_left_counts_for_nothing() -> None:
    """The time of the visit around it is over, and not its own."""

    class Short(Machine[Query, Callable[[str], Any]]):
        ask = State(
            Parallel(State(price, writes=Query.price, timeout_s=50), State(stock, writes=Query.stock)),
            initial=True,
            timeout_s=5,
        )
        done = Final()
        human = Final(fallback=True)
        end = ask.to(done)
        limits = Limits(deadline_s=100)

    gate = Gate(breaker=Breaker(failures=1))
    result = await Runner(Short, gates={price: gate}).run(Query(), deps=took(20))

    assert 5 == pytest.approx(result.seconds)
    assert not gate.is_shut


async def test_refused_replies_count_where_that_is_said() -> None:
    """A model whose replies cannot be read is confused and not down, unless its breaker says so."""
    plain, strict = Gate(breaker=Breaker(failures=1)), Gate(breaker=Breaker(failures=1, counts=["refusal"]))
    for gate in (plain, strict):
        assert "refusal" == why(await run({Shop.route: gate}, "no JSON", "no JSON"))

    assert (False, True) == (plain.is_shut, strict.is_shut)


async def test_a_model_that_fails_opens_its_breaker() -> None:
    """A provider that is down is an error of the agent that asks it."""
    gate = Gate(breaker=Breaker(failures=1))
    assert "failure" == why(await run({Shop.route: gate}, CallFailed("down"), retry=None))
    assert gate.is_shut


async def test_of_forty_runs_at_two_a_second_twenty_are_asked() -> None:
    """Those that could not be in time are denied at once, charge nothing and use up no call; the others wait first."""
    gate = Gate(pace=Pace(2))
    limits = Limits(hops=5, tokens=2_000, deadline_s=60, visit_s=10)
    runner = Runner(Shop, model=ScriptedModel([TO_LOOK] * 40), gates={Shop.route: gate}, limits=limits)
    results = await asyncio.gather(*(runner.run(Query(), deps=took(0)) for _ in range(40)))
    asked = [result for result in results if result.usage.requests]
    denied = [result for result in results if why(result) == "denied"]

    assert (20, 20) == (len(asked), len(denied))
    assert {(0, 0.0)} == {(result.charged_tokens, result.seconds) for result in denied}
    reserved = [event for result in asked for event in result.journal if isinstance(event, inputs.CallReserved)]
    assert [number / 2 for number in range(20)] == pytest.approx(sorted(event.waited_s for event in reserved))


async def test_a_try_that_failed_waits_for_its_turn_again() -> None:
    """Each request takes a turn, those of a retry too."""
    busy = CallFailed("busy", unsent=True, transient=True)
    result = await run({Shop.route: Gate(pace=Pace(1, per_s=4.0))}, busy, TO_LOOK)

    reserved = [event.at for event in result.journal if isinstance(event, inputs.CallReserved)]
    assert [0.0, 4.0] == pytest.approx(reserved)


async def test_code_has_a_pace_of_its_attempts() -> None:
    """An agent without a model takes a turn for each attempt."""
    gate = Gate(pace=Pace(1, per_s=2.0))
    results = await asyncio.gather(*(run({Shop.ask: gate}, TO_ASK) for _ in range(4)))

    assert [0.0, 2.0, 4.0] == pytest.approx(sorted(result.seconds for result in results if result.context.price))
    assert ["denied"] == [
        each.reason for result in results for each in result.records if isinstance(each, records.AttemptFailed)
    ]


async def test_no_more_are_at_work_than_there_are_places() -> None:
    """Of twelve at once two work and three wait; the others take their failure edge at once, or find the state shut."""
    gate, at_work, most = Gate(at_once=2, queue=3), 0, 0

    async def asked(name: str) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(1)
        at_work -= 1
        return 3

    results = await asyncio.gather(*(run({Shop.ask: gate}, TO_ASK, TO_LOOK, deps=asked) for _ in range(12)))

    assert 2 == most
    assert {Shop.done} == {result.state for result in results}
    assert 5 == sum(result.context.price == 3 for result in results)
    assert (0, False) == (at_work, gate.is_shut)


def waits(result: RunResult[Query]) -> list[float]:
    return [record.waited_s for record in result.records if isinstance(record, records.HandedOff)]


async def test_what_waited_for_a_place_is_told_once() -> None:
    """The first call of an attempt says how long that waited for its place, and itself; a retry its own wait alone."""
    busy = CallFailed("busy", unsent=True, transient=True)
    gate, model = Gate(at_once=1, queue=3, pace=Pace(1, per_s=4.0)), ScriptedModel([TO_ASK, busy, TO_ASK], delay_s=1)
    runner = Runner(Shop, model=model, gates={Shop.route: gate, Shop.ask: Gate(at_once=1, queue=3)})
    results = await asyncio.gather(*(runner.run(Query(), deps=took(8)) for _ in range(2)))

    first, second = (
        [each.waited_s for each in result.records if isinstance(each, records.CallReserved)] for result in results
    )

    assert [0.0] == first
    assert 4.0 == pytest.approx(second[0])
    assert 0 < second[1] < 3
    assert {0.0} == {wait for result in results for wait in waits(result)}


async def test_code_says_how_long_it_waited() -> None:
    """Of an agent without calls the hop says how long its attempt waited, for its place and for its turn."""
    gate = Gate(at_once=1, queue=3)
    results = await asyncio.gather(*(run({Shop.ask: gate}, TO_ASK, deps=took(1)) for _ in range(3)))

    assert [0.0, 1.0, 2.0] == pytest.approx(sorted(sum(waits(result)) for result in results))


class Both(Machine[Query, Callable[[str], Any]]):
    """Asks two systems at once."""

    ask = State(Parallel(State(price, writes=Query.price), State(stock, writes=Query.stock)), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = ask.to(done)


async def test_a_branch_has_its_gate_by_its_agent() -> None:
    """A function in a branch is given a gate by its name; the other branch goes on without one."""
    gate = Gate(breaker=Breaker(failures=1))
    await opened(gate)
    result = await Runner(Both, gates={stock: gate}).run(Query(), deps=took(0))

    assert "failure" == why(result)
    assert ("ask.stock.stock",) == result.journal[0].shut  # type: ignore[union-attr]


@pytest.mark.parametrize("key", [Both.ask, "ask", None, search.__doc__])
async def test_a_gate_for_what_is_not_there_is_refused(key: object) -> None:
    """A key is a state of the tree, or an agent in it."""
    with pytest.raises(
        StartError, match=r"is no state of Shop, and no agent in it: name states .* gates={Shop\.\w+: Gate"
    ):
        Runner(Shop, model=ScriptedModel([]), gates={key: Gate()})


@pytest.mark.parametrize("gates", [[Gate()], {Shop.ask: Pace(1)}, {Shop.ask: Gate}])
async def test_gates_are_given_by_state(gates: Any) -> None:
    """Anything else than a mapping to gates is refused, with what is expected."""
    with pytest.raises(TypeError, match=r"gates="):
        Runner(Shop, model=ScriptedModel([]), gates=gates)


async def test_a_run_that_goes_on_elsewhere_forgets_what_was_shut_here() -> None:
    """Another worker, without gates, offers all again."""
    gate, store = Gate(breaker=Breaker(failures=1)), MemoryStore()
    await opened(gate)
    gated = Runner(Shop, model=ScriptedModel([TO_LOOK]), gates={Shop.ask: gate}, store=store)
    await gated.enqueue(Query(), run_id="r")
    plain = Runner(Shop, model=ScriptedModel([TO_ASK]), store=store)
    result = await plain.resume("r", deps=took(0, 5))

    assert 5 == result.context.price


async def test_a_gate_that_raises_ends_no_run() -> None:
    """A breaker of a user's own that does not answer is taken to be open for all."""

    class Broken(Breaker):
        @property
        def is_shut(self) -> bool:
            raise OSError("no answer")

    result = await run({Shop.look: Gate(breaker=Broken())}, TO_LOOK)
    assert result.status == "finished"


async def test_a_gate_that_says_an_odd_thing_ends_no_run() -> None:
    """What places of a user's own say may be any object, and be neither true nor false."""

    class Odd:
        def __bool__(self) -> bool:
            raise OSError("neither")

    class Broken(Bulkhead):
        is_full = Odd()  # type: ignore[assignment]

    result = await run({Shop.look: Gate(at_once=Broken(1))}, TO_LOOK)
    assert Shop.done is result.state


async def test_who_cannot_be_told_that_an_attempt_is_over_costs_no_reply(caplog: pytest.LogCaptureFixture) -> None:
    """A breaker and places of a user's own raise when the agent has answered: it has, and that is logged."""

    class NoBreaker(Breaker):
        async def leave(self, number: int, came: Came) -> None:
            raise OSError("secret")

    class NoPlaces(Bulkhead):
        async def take(self, seconds_left: float) -> Callable[[], Awaitable[None]]:
            async def give_back() -> None:
                raise OSError("secret")

            return give_back

    result = await run({Shop.ask: Gate(at_once=NoPlaces(1), breaker=NoBreaker())}, TO_ASK, deps=took(0, 7))

    assert (Shop.done, 7) == (result.state, result.context.price)
    assert [
        "a place could not be given back: OSError",
        "a breaker could not be told what came of an attempt: OSError",
    ] == [record.message for record in caplog.records]
