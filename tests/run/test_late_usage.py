"""Usage that comes late: whenever a bill arrives that is more than was charged, somebody hears of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Ticket

from fsm_orch import (
    Final,
    Limits,
    Machine,
    MemoryStore,
    Message,
    Reply,
    Response,
    Runner,
    RunResult,
    State,
    Usage,
    Visit,
)
from fsm_orch.agents import AgentSpec, VisitClosed
from fsm_orch.amounts import FREE
from fsm_orch.kernel import records
from fsm_orch.kernel.inputs import Input
from fsm_orch.limits import CallLimits
from fsm_orch.models import Request
from fsm_orch.resilience import Account, MemoryHoldings, Quota
from fsm_orch.run.desk import AttemptDesk
from fsm_orch.testing import TheoremChecker, virtual_time

CAP = 200
HELLO = (Message(role="user", content="x"),)


class Bills:
    """A model that takes a while, and then bills what it likes: by its requests, seconds and tokens."""

    name, price = "own:bills", FREE

    def __init__(self, *calls: tuple[float, int | None]) -> None:
        self._calls = iter(calls)
        self.billed: list[int | None] = []

    async def count(self, request: Request) -> int:
        return CAP // 2

    async def complete(self, request: Request) -> Response:
        seconds, tokens = next(self._calls, (0.0, 0))
        await asyncio.sleep(seconds)
        self.billed.append(tokens)
        return Response(text="x", usage=None if tokens is None else Usage(requests=1, input_tokens=tokens))


class Leaves:
    """An agent that makes calls, waits a while, and leaves open what has not ended."""

    spec = AgentSpec(
        kind="llm",
        name="Leaves",
        calls=3,
        attempts=2,
        call_limits=CallLimits(max_input_tokens=CAP // 2, max_output_tokens=CAP // 2),
        canonical={},
    )

    def __init__(self, *visits: tuple[int, float, bool]) -> None:
        self._visits = iter(visits)
        self.ended: list[str] = []
        self.left: list[asyncio.Task[Any]] = []

    async def act(self, visit: Visit[Any, Any]) -> Reply:
        calls, seconds, fails = next(self._visits, (0, 0.0, False))
        for _ in range(calls):
            self.left.append(asyncio.create_task(visit.model.ask(HELLO)))
        try:
            await asyncio.sleep(seconds)
        finally:
            self.ended.append(f"{visit.state.name} {visit.attempt}")
        if fails:
            raise ValueError("not now")
        return Reply()


class Chain(Machine[Ticket]):
    """Three visits, one after the other."""

    first = State(Leaves(), initial=True)
    second = State(Leaves())
    third = State(Leaves())
    done, human = Final(), Final(fallback=True)
    on, over, end = first.to(second), second.to(third), third.to(done)
    late = first.on_timeout(second)
    limits = Limits(tokens=2_000, visit_s=5)


async def run(model: Bills, agent: Any, **options: Any) -> RunResult[Ticket]:
    """Run the chain with one agent for all of its visits, and check its journal."""
    runner = Runner(Chain, model=model, agents=dict.fromkeys(Chain.definition.states.values(), agent), **options)
    result = await runner.run(Ticket(query="x"))
    TheoremChecker(runner.compiled).follow_all(result.journal)
    assert runner.replay(result.journal).records == result.records
    return result


def late_ones(seen: Any) -> list[tuple[Any, ...]]:
    late = [record for record in seen if isinstance(record, records.Overspent)]
    return [(record.source, record.visit, record.call, record.tokens) for record in late]


@pytest.mark.looptime
async def test_a_bill_that_comes_in_a_later_visit_ends_the_run() -> None:
    """What is more than the reservation is charged as it comes, the agent at work is stopped, and the run lands."""
    agent, began = Leaves((1, 0.5, False), (0, 3.0, False)), asyncio.get_running_loop().time()

    result = await run(Bills((1.0, 5_000)), agent)

    assert result.landing is not None
    assert ("overrun", 5_000) == (result.landing.reason, result.charged_tokens)
    assert [("first", 0, 1, 4_800)] == late_ones(result.records)
    assert ["first 1", "second 1"] == agent.ended
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.01)


@pytest.mark.looptime
async def test_a_bill_that_comes_in_a_later_attempt_ends_the_run() -> None:
    """A call that an attempt left open is known by its visit, though another attempt is under way in it."""
    agent = Leaves((1, 0.5, True), (1, 3.0, False))

    result = await run(Bills((1.0, 5_000), (9.0, 0)), agent)

    assert result.landing is not None
    assert ("overrun", 5_000 + CAP) == (result.landing.reason, result.charged_tokens)
    assert [("first", 0, 1, 4_800)] == late_ones(result.records)


@pytest.mark.looptime
@pytest.mark.parametrize("tokens", [0, 40, CAP, None])
async def test_a_bill_that_is_no_more_than_was_charged_changes_nothing(tokens: int | None) -> None:
    """The whole reservation was charged: less is not given back, since the run has gone on with what is left."""
    result = await run(Bills((1.0, tokens)), Leaves((1, 0.5, False), (0, 3.0, False)))

    assert (None, CAP, []) == (result.landing, result.charged_tokens, late_ones(result.records))


@pytest.mark.looptime
@pytest.mark.parametrize(("tokens", "reason", "charged"), [(5_000, "overrun", 5_000), (40, None, 40)])
async def test_a_bill_that_comes_in_the_grace_is_charged(tokens: int, reason: str | None, charged: int) -> None:
    """An agent that cleans up after its time still hears what its call used, which is charged as that of any call."""

    class Cleans(Leaves):
        async def act(self, visit: Visit[Any, Any]) -> Reply:
            if visit.state.name != "first":
                return Reply()
            call = asyncio.create_task(visit.model.ask(HELLO))
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.wait({call})
            return Reply()

    result = await run(Bills((5.5, tokens)), Cleans())

    assert (reason, charged) == (result.landing and result.landing.reason, result.charged_tokens)


@pytest.mark.looptime
async def test_a_bill_that_comes_after_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The result was given out, so nothing is folded: observers are told, and it is logged at ERROR."""
    seen: list[records.Record] = []
    agent = Leaves((0, 0.0, False), (1, 0.1, False), (0, 0.1, False))

    result = await run(Bills((1.0, 5_000)), agent, observers=[seen.append])
    with caplog.at_level(logging.ERROR, "fsm_orch"):
        await asyncio.wait(agent.left)

    assert (None, CAP, []) == (result.landing, result.charged_tokens, late_ones(result.records))
    assert [("second", 1, 1, 4_800)] == late_ones(seen)
    (line,) = caplog.records
    assert f"run {result.run_id} had ended when call 1 of 'second' turned out to have used 4800 tokens" in line.message
    assert isinstance(agent.left[0].exception(), VisitClosed)


class Slow(MemoryStore):
    """A store that takes a second for each write."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(1)
        await super().append(run_id, start, inputs, **options)


@pytest.mark.looptime
@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.6, 1.0, 1.4, 1.6, 2.0])
async def test_a_bill_that_comes_while_the_store_writes_is_stored(seconds: float) -> None:
    """A run that ends while its last step is being written is returned once its end is stored too."""
    store = Slow()

    result = await run(Bills((seconds, 5_000)), Leaves((1, 1.5, False), (0, 3.0, False)), store=store)

    assert result.landing is not None
    assert "overrun" == result.landing.reason
    assert result.journal == await store.load(result.run_id)


async def test_a_bill_of_a_call_that_was_settled_as_unknown_is_charged() -> None:
    """A call whose end was told without its usage is charged in full at once, and the rest when it is known; once."""
    heard: list[int] = []

    class Twice(Leaves):
        async def act(self, visit: Visit[Any, Any]) -> Reply:
            desk = visit.model._desk
            assert isinstance(desk, AttemptDesk)
            call = desk.reserve(100, 100)
            for usage in (None, *[Usage(requests=1, input_tokens=250)] * 2):
                desk.settle(call, usage)
                heard.append(desk._run.now.ledger.settled.tokens)
            return Reply()

    result = await run(Bills(), Twice())

    assert [200, 250, 250] == heard
    assert result.landing is not None
    assert ("overrun", 250) == (result.landing.reason, result.charged_tokens)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.3, 1.1, 2.5]), st.sampled_from([0, 90, CAP, 201, 900, None])), max_size=9
    ),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.2, 1.0, 7.0]), st.booleans()), max_size=5),
)
def test_no_bill_is_dropped(calls: list[tuple[float, int | None]], visits: list[tuple[int, float, bool]]) -> None:
    """However calls and visits overlap: what was billed is charged, or told to the observers after the end."""
    model, agent, seen = Bills(*calls), Leaves(*visits), list[records.Record]()

    async def all_of_it() -> RunResult[Ticket]:
        result = await run(model, agent, observers=[seen.append])
        if agent.left:
            await asyncio.wait(agent.left)
        for task in agent.left:
            task.cancelled() or task.exception()
        return result

    with virtual_time() as loop:
        result = loop.run(all_of_it())

    after = sum(record.tokens for record in seen[len(result.records) :] if isinstance(record, records.Overspent))
    assert result.records == tuple(seen[: len(result.records)])
    assert sum(tokens or 0 for tokens in model.billed) <= result.charged_tokens + after
    has_overrun = any(isinstance(r, records.Overspent) or getattr(r, "overrun", 0) for r in result.records)
    assert has_overrun == (result.landing is not None and result.landing.reason == "overrun")


@pytest.mark.looptime
async def test_a_bill_that_comes_after_the_end_is_charged_to_the_quota() -> None:
    """Two calls were charged in full when the run ended; what each has used beyond that is charged when it comes."""
    holdings, options = MemoryHoldings(), {"quotas": Quota(tokens=4_000, key=lambda run: "acme")}
    account, seen = Account("quota", "acme", 3600.0), list[int]()
    ended = await run(Bills((5.0, 1_000), (6.0, 500)), Leaves((2, 0.5, False)), holdings=holdings, **options)
    for until in (1.0, 5.5, 6.5):
        await asyncio.sleep(until - asyncio.get_running_loop().time())
        seen.append(holdings.taken(account).tokens)

    assert 2 * CAP == ended.charged_tokens
    assert [2 * CAP, 1_000 + CAP, 1_500] == seen
