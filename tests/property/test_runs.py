"""Whole runs under an adversary: T1 to T6 hold after every event, and the journal folds to the live run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lanes import in_both_lanes
from support.random_machines import PLANS, Facts, drawn

from fsm_orch import Limits, Machine, MemoryStore, Runner, RunResult, StartError
from fsm_orch.amounts import Price
from fsm_orch.kernel.step import fold
from fsm_orch.testing import ATTACKS, AdversarialModel, Tape, TheoremChecker, tapes, virtual_time
from fsm_orch.testing.adversaries import SECRET
from machines.catalogue import Shop
from machines.shop import Query, ShopFloor, deps

RUNS = in_both_lanes(few=100, many=800, most=5_000)
"""Adversarial runs in each of the two large properties."""
PRICE = Price(Fraction(3), Fraction(15))
HONEST = [attack for attack in ATTACKS if attack != "lying_usage"]
"""Without what breaks the assumptions that the budget's promise is printed with."""
PATIENT = [attack for attack in ATTACKS if attack not in ("slow", "hang")]
"""Without waiting for seconds."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop on virtual time, shared by all examples."""
    with virtual_time() as runner:
        yield runner


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """The catalogue, shared as a service would share it."""
    with deps() as opened:
        yield opened


def runner_on(machine: type[Machine[Any, Any]], limits: Limits, tape: Tape, **options: Any) -> Runner[Any, Any] | None:
    """Make a runner on an adversarial model; None if no run could start within the limits."""
    try:
        return Runner(machine, model=AdversarialModel(tape, price=PRICE, **options), limits=limits, store=MemoryStore())
    except StartError:
        return None


def assert_theorems(runner: Runner[Any, Any], result: RunResult[Any]) -> None:
    """Follow the journal with a checker, and compare where it leads with where the run went."""
    checker = TheoremChecker(runner.compiled)
    end = checker.follow_all(result.journal)
    assert end == fold(runner.compiled, result.journal)
    assert (result.state.name, result.context) == (end.state, end.context)
    assert result.messages == runner.replay(result.journal).messages
    assert result.charged_tokens == end.ledger.settled.tokens
    assert end.status == "finished"
    assert SECRET not in repr(result.journal) + repr(result.records)


@RUNS
def test_random_machines_keep_every_theorem(loop: asyncio.Runner, examples: int) -> None:
    """Whatever a random machine's agents, models and limits do, T1 to T6 hold after every event."""

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def keep(plan: Tape, tape: Tape) -> None:
        machine, limits = drawn(plan)
        runner = runner_on(machine, limits, tape)
        if runner is None:
            return
        first = machine.definition.states[tape.pick(machine.definition.starts)]

        result = loop.run(runner.run(Facts(), deps=tape, start=first))

        assert_theorems(runner, result)

    keep()


WORDS = (
    "red dress",
    "jeans",
    "do you have",
    "price",
    "in stock",
    "size",
    "my account",
    "$$$",
    "👗",
    "' OR 1=1 --",
)
QUERIES = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
).filter(lambda text: SECRET not in text)


@RUNS
def test_the_shop_keeps_every_theorem(loop: asyncio.Runner, shop: Shop, examples: int) -> None:
    """Whatever customers ask and however its router's model misbehaves, T1 to T6 hold in the shop."""

    @settings(max_examples=examples)
    @given(QUERIES, tapes())
    def keeps(text: str, tape: Tape) -> None:
        runner = Runner(ShopFloor, model=AdversarialModel(tape, machine=ShopFloor, price=PRICE))

        result = loop.run(runner.run(Query(text=text), deps=shop))

        assert_theorems(runner, result)
        assert result.context.answer

    keeps()


@settings(max_examples=300)
@given(PLANS, tapes())
def test_an_honest_provider_is_never_overrun(loop: asyncio.Runner, plan: Tape, tape: Tape) -> None:
    """While usage stays within its reservation, what is charged stays within the limits, money included."""
    runner = runner_on(*drawn(plan), tape, attacks=HONEST)
    if runner is None:
        return

    result = loop.run(runner.run(Facts(), deps=tape))

    limits = runner.compiled.limits
    assert result.charged_tokens <= limits.tokens
    assert limits.cost_usd is None or (result.cost_usd is not None and result.cost_usd <= limits.cost_usd)


@settings(max_examples=60)
@given(PLANS, st.binary(max_size=80))
def test_cancellation_at_every_suspension(loop: asyncio.Runner, plan: Tape, choices: bytes) -> None:
    """Cancelled at its n-th suspension, for every n, a run lands, settles its ledger and leaves a whole journal."""
    machine, limits = drawn(plan)

    async def cancelled_at(n: int) -> bool:
        tape = Tape(choices)
        runner = runner_on(machine, limits, tape, attacks=PATIENT)
        if runner is None:
            return False
        task = asyncio.create_task(runner.run(Facts(), deps=tape, run_id="r"))
        for _ in range(n):
            await asyncio.sleep(0)
        was_running = not task.done()
        task.cancel()
        await asyncio.wait({task})
        journal = await runner.store.load("r")
        if journal:
            checker = TheoremChecker(runner.compiled)
            end = checker.follow_all(journal)
            assert end.status == "finished"
        return was_running

    async def every_suspension() -> None:
        n = 1
        while await cancelled_at(n) and n < 400:
            n += 1

    loop.run(every_suspension())
