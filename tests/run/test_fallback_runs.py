"""Runs on a fallback: who is asked when, what it costs, and what the journal says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lanes import in_both_lanes
from support.settled import Question, machine_with

from fsm_orch import (
    CallFailed,
    Fallback,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Price,
    Retry,
    Runner,
    RunResult,
    ScriptedModel,
    StartError,
    State,
    to_json,
)
from fsm_orch.amounts import dearest
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.codec import input_from_json
from fsm_orch.models import Request, Response
from fsm_orch.proof import prove
from fsm_orch.run.cast import cast_of
from fsm_orch.testing import AdversarialModel, Tape, TheoremChecker, tapes, virtual_time

GOOD = {"answer": "yes"}
DOWN = CallFailed("overloaded", transient=True)
BUSY = CallFailed("rate_limit", unsent=True, transient=True, retry_after_s=7.0)
GONE = CallFailed("bad_request", unsent=True)
CHEAP, DEAR = Price("0.5", "20", "0.1"), Price("3", "4")
PRICES = {"scripted:first": CHEAP, "scripted:second": DEAR}


def model(name: str, *lines: Any, **options: Any) -> ScriptedModel:
    """Make a model that answers well, after some lines."""
    return ScriptedModel([*lines, *[GOOD] * 99], name=name, price=PRICES[name], **options)


def pair(*lines: Any, then: tuple[Any, ...] = (), **options: Any) -> Fallback:
    """Make a fallback whose first model says some lines, and then answers well."""
    return Fallback(model("scripted:first", *lines, **options), model("scripted:second", *then))


def run(fallback: Fallback, *, times: int = 1, **options: Any) -> list[RunResult[Question]]:
    """Run a machine of one agent some times in virtual time."""
    runner = Runner(machine_with(), model=fallback, **options)
    with virtual_time() as loop:
        return [loop.run(runner.run(Question(query="?"))) for _ in range(times)]


def asked(result: RunResult[Question]) -> list[str | None]:
    """Return the models that were asked, by the records."""
    told = [record.model for record in result.records if isinstance(record, records.CallReserved)]
    journaled = [event.model for event in result.journal if isinstance(event, inputs.CallReserved)]
    assert told == journaled[: len(told)]  # what was denied comes last
    return told


@pytest.mark.parametrize(
    ("line", "models", "seconds"),
    [(GOOD, "1", 0), (DOWN, "12", 0), (BUSY, "12", 0), ("no JSON", "11", 0)],
    ids=["well", "down", "busy", "refused"],
)
@pytest.mark.parametrize("retry", [Retry(jitter_s=0), None])
def test_next_is_asked(line: Any, models: str, seconds: float, retry: Retry | None) -> None:
    """Only after a failure for now is the next model asked, at once and as a further call; not after a refusal."""
    (result,) = run(pair(line), retry=retry)

    assert result.landing is None
    assert seconds == result.seconds
    assert [{"1": "scripted:first", "2": "scripted:second"}[which] for which in models] == asked(result)


@pytest.mark.parametrize("line", [GONE, RuntimeError("a bug")], ids=["for good", "a bug"])
def test_not_asked_after_a_failure_for_good(line: Any) -> None:
    """What fails for good is no reason to ask the next: it would fail there too."""
    (result,) = run(pair(line))

    assert ["scripted:first"] == asked(result)
    assert result.landing is not None


def test_not_asked_after_a_denial() -> None:
    """A denied call was not sent, so no model rests for it, and the next is not asked in its place."""
    made = machine_with(max_input_tokens=300, max_output_tokens=300)
    fallback = pair(Response(text="no JSON", usage=None))
    runner = Runner(made, model=fallback, limits=Limits(tokens=600))
    with virtual_time() as loop:
        denied, later = (loop.run(runner.run(Question(query="?"))) for _ in range(2))

    assert denied.landing is not None
    assert any(isinstance(record, records.CallDenied) for record in denied.records)
    assert [["scripted:first"]] * 2 == [asked(result) for result in (denied, later)]


def test_rests_for_later_runs() -> None:
    """A model that failed for now rests for later runs too; a visit that it let wait in vain is a failure of it."""
    failed, later = run(pair(DOWN), times=2)
    late, after = run(pair(delay_s=999), times=2)

    assert ["scripted:first", "scripted:second"] == asked(failed)
    assert ["scripted:second"] == asked(later)
    assert (["scripted:first"], ["scripted:second"]) == (asked(late), asked(after))
    assert (late.landing is not None, after.landing) == (True, None)


class Counts(ScriptedModel):
    """A model whose endpoint of counts is down, hangs, or bounds a request by a number of its own.

    Args:
        counts: what it does with one count after the other; then it counts as a scripted model does.
    """

    def __init__(self, name: str, *counts: int | Exception | None, lines: tuple[Any, ...] = ()) -> None:
        super().__init__([*lines, *[GOOD] * 99], name=name, price=PRICES[name])
        self.counted = 0
        self._counts = iter(counts)

    async def count(self, request: Request) -> int:
        self.counted += 1
        does = next(self._counts, False)
        if isinstance(does, Exception):
            raise does
        if does is None:
            await asyncio.sleep(9_999)
        return does or await super().count(request)


def counting(*counts: Any, then: tuple[Any, ...] = (), lines: tuple[Any, ...] = ()) -> tuple[Fallback, Counts, Counts]:
    first, second = Counts("scripted:first", *counts, lines=lines), Counts("scripted:second", *then)
    return Fallback(first, second), first, second


def test_what_cannot_be_counted_for_now_is_left_out() -> None:
    """Its endpoint of counts is down: it rests, no call is spent on it, and it is not even asked to count meanwhile."""
    fallback, first, _ = counting(DOWN, DOWN)
    results = run(fallback, times=2)

    assert [["scripted:second"]] * 2 == [asked(result) for result in results]
    assert (1, []) == (first.counted, first.requests)


def test_a_count_that_is_not_heard_of_is_a_failure_of_its_model() -> None:
    """The visit that waited for it is over; the next one asks the next model."""
    fallback, _, _ = counting(None)
    late, after = run(fallback, times=2)

    assert ([], ["scripted:second"]) == (asked(late), asked(after))
    assert (True, None) == (late.landing is not None, after.landing)


def test_none_can_be_counted() -> None:
    """There is no bound, so nothing is sent, and the visit fails as after a call that failed."""
    fallback, first, second = counting(DOWN, then=(DOWN,))
    (result,) = run(fallback)

    assert [] == [*first.requests, *second.requests]
    assert result.landing is not None
    assert ("failure", 0) == (result.landing.reason, result.charged_tokens)


def test_what_cannot_be_counted_for_good_fails() -> None:
    """As a call that fails for good, which the next model would fail too."""
    fallback, _, second = counting(GONE)
    (result,) = run(fallback)

    assert result.landing is not None
    assert [] == second.requests


@pytest.mark.parametrize("count", [float("nan"), -1, 2.5, True, "9"])
def test_a_bound_that_is_none_is_not_outvoted(count: Any) -> None:
    """The largest of several bounds is one only if each of them is: nothing is sent."""
    fallback, first, second = counting(count)
    (result,) = run(fallback)

    assert [] == [*first.requests, *second.requests]
    assert isinstance(result.error, CallFailed)
    assert "uncountable" == result.error.reason


def test_a_request_goes_to_no_model_that_did_not_count_it() -> None:
    """Else the bound that was reserved would be another model's: it is left out of all tries, be it back by then."""
    lines = (CallFailed("overloaded", unsent=True, transient=True, retry_after_s=0.5),) * 3
    first = Counts("scripted:first", CallFailed("overloaded", transient=True, retry_after_s=0.2), 300)
    second = ScriptedModel([*lines, GOOD], name="scripted:second", price=DEAR)
    fallback = Fallback(first, second, rest_s=0.1)
    runner = Runner(machine_with(calls=4), model=fallback, retry=Retry(initial_s=1, jitter_s=0))
    with virtual_time() as loop:
        result = loop.run(runner.run(Question(query="?")))

    assert ["scripted:second"] * 4 == asked(result)
    TheoremChecker(runner.compiled).follow_all(result.journal)


def test_states_share_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """All states on one fallback see that a model rests, whether it was given or named."""

    class Twice(Machine[Question]):
        """Ask twice."""

        first = State(LLMAgent("Think.", reads=Question.query, must_not="guess"), initial=True)
        second = State(LLMAgent("Answer.", reads=Question.query, writes=Question.answer, must_not="guess"))
        done, landed = Final(), Final(fallback=True)
        flow = first >> second >> done

    runner = Runner(Twice, model=pair(DOWN))
    with virtual_time() as loop:
        result = loop.run(runner.run(Question(query="?")))

    assert ["scripted:first", "scripted:second", "scripted:second"] == asked(result)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    named = cast_of(Twice.definition, "openai:gpt-5-mini,openai:gpt-5-nano", {}).models
    assert isinstance(named["first"], Fallback)
    assert named["first"] is named["second"]


def test_both_down() -> None:
    """While all rest, retries wait as for one model, and the one that will be back first is asked."""
    fallback = Fallback(model("scripted:first", *[DOWN] * 9), model("scripted:second", *[DOWN] * 9))
    made = machine_with(calls=4)
    with virtual_time() as loop:
        result = loop.run(Runner(made, model=fallback, limits=Limits(tokens=99_999)).run(Question(query="?")))

    assert ["scripted:first", "scripted:second"] * 2 == asked(result)
    assert result.landing is not None
    assert result.seconds > 0.9


@pytest.mark.parametrize("line", [DOWN, BUSY, GOOD])
def test_charged_as_what_answered(line: Any) -> None:
    """A call costs what its model costs, and one of which nothing is known its reservation, at the dearest price."""
    (result,) = run(pair(line))
    told = iter(result.records)
    for record in told:
        if isinstance(record, records.CallReserved):
            reserved, end = record, next(told)
            top = dearest(PRICES).amount(reserved.input_tokens, reserved.output_tokens)
            if isinstance(end, records.CallSettled):
                price = dearest(PRICES).of(reserved.model)
                expected = top if end.usage is None else price.amount(end.usage.input_tokens, end.usage.output_tokens)
                assert (expected.tokens, expected.cost) == (end.tokens, end.cost)
                assert expected.beyond(top).cost == 0


def test_journal() -> None:
    """The journal names the model of each call, and folds to the same charge where prices are others now."""
    (result,) = run(pair(DOWN))
    stored = [input_from_json(to_json(event)) for event in result.journal]
    others = Fallback(*[ScriptedModel([], name=name, price=Price(9, 9)) for name in PRICES])
    replayed = Runner(machine_with(), model=others).replay(stored)

    assert list(result.journal) == stored
    assert result.cost_usd == replayed.cost_usd


@pytest.mark.parametrize("given", [pair(), "anthropic:claude-haiku-4-5,openai:gpt-5-mini"])
def test_needs_two_calls(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one call a visit nothing could fall back: no run starts, and a check says so."""
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "sk-test")
    made = machine_with(calls=1)
    name = given if isinstance(given, str) else given.name
    with pytest.raises(StartError, match=f"'ask' makes 1 call a visit, so '{name}' never falls back: give its agent"):
        Runner(made, model=given)
    (finding,) = [finding for finding in prove(made, model=given).findings if finding.code == "FSM307"]

    assert ("error", "ask") == (finding.level, finding.about)
    assert not [found for found in prove(machine_with(), model=given).findings if found.code == "FSM307"]


def test_certificate() -> None:
    """A certificate of a fallback is bound to its models and to the dearest price of each side."""
    made, limits = machine_with(), Limits(cost_usd="0.05")
    proof = prove(made, model=pair())
    certificate = proof.certificate
    Runner(made, model=pair(), certificate=certificate)

    dear = dearest(PRICES).amount(2_048, 256)
    assert 2 * dear.cost == certificate.bounds["cost"].bound
    others = [
        Fallback(*reversed(pair().models)),
        Fallback(model("scripted:first"), ScriptedModel([], name="scripted:second", price=Price("3.1", "4"))),
        Fallback(model("scripted:first"), ScriptedModel([], name="scripted:third", price=DEAR)),
        model("scripted:first"),
    ]
    for other in others:
        with pytest.raises(StartError, match="does not start on this certificate"):
            Runner(made, model=other, certificate=certificate)
    with pytest.raises(StartError, match="The price of the model of 'ask' is not known"):
        Runner(made, limits=limits, model=Fallback(model("scripted:first"), ScriptedModel([], price=None)))


class Logged:
    """A model that notes when it was asked, and how it failed."""

    def __init__(self, name: str, tape: Tape, price: Price, log: list[tuple[float, str, bool]]) -> None:
        self.name, self.price, self.log = name, price, log
        self.inner = AdversarialModel(tape, price=price)

    async def count(self, request: Request) -> int:
        return await self.inner.count(request)

    async def complete(self, request: Request) -> Response:
        clock = asyncio.get_running_loop().time
        at, failed = clock(), True
        place = len(self.log)
        self.log.append((at, self.name, False))
        try:
            response = await self.inner.complete(request)
            failed = False
            return response
        except CallFailed as error:
            failed = error.transient
            raise
        finally:
            self.log[place] = at, self.name, failed


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with virtual_time() as runner:
        yield runner


@in_both_lanes(few=150, many=500, most=3_000)
def test_adversaries(loop: asyncio.Runner, examples: int) -> None:
    """However two models fail, every theorem holds, a call costs its model's price, and turns are as promised."""

    @settings(max_examples=examples, deadline=None)
    @given(tapes(), tapes(), st.integers(2_304, 14_000), st.sampled_from([None, "0.03", "0.06"]), st.integers(2, 4))
    def keep(first: Tape, second: Tape, tokens: int, cost: str | None, calls: int) -> None:
        log: list[tuple[float, str, bool]] = []
        fallback = Fallback(
            *(Logged(name, tape, PRICES[name], log) for name, tape in zip(PRICES, (first, second), strict=True))
        )
        limits = Limits(tokens=tokens, cost_usd=cost, visit_s=40)
        try:
            runner = Runner(machine_with(calls=calls), model=fallback, limits=limits, store=MemoryStore())
        except StartError:
            return
        result = loop.run(runner.run(Question(query="?")))

        checker = TheoremChecker(runner.compiled)
        checker.follow_all(result.journal)
        assert result.charged_tokens == checker.now.ledger.settled.tokens  # type: ignore[union-attr]
        _assert_prices(result)
        _assert_turns(log)

    keep()


def _assert_prices(result: RunResult[Question]) -> None:
    top, made = dearest(PRICES), {}
    for record in result.records:
        if isinstance(record, records.CallReserved):
            made[record.call] = record
        elif isinstance(record, records.CallSettled):
            reserved = made[record.call]
            held = top.amount(reserved.input_tokens, reserved.output_tokens)
            usage = record.usage
            own = held if usage is None else PRICES[str(reserved.model)].amount(usage.input_tokens, usage.output_tokens)
            assert record.cost <= own.cost  # some of the input may have come from a cache
            assert record.overrun or record.cost <= held.cost


def _assert_turns(log: list[tuple[float, str, bool]]) -> None:
    """The second is asked only while the first rests, and the first again only when it is back or both rest."""
    for place, (at, name, _) in enumerate(log):
        failures = {of: [when for when, who, failed in log[:place] if failed and who == of] for of in PRICES}
        first, second = (any(at - when < 100 for when in failures[of]) for of in PRICES)
        if name == "scripted:second":
            assert first
        elif failures["scripted:first"] and at - failures["scripted:first"][-1] < 30:
            assert second
