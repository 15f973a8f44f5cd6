"""Cached answers: who is given an old answer and who is not, and that nothing of it gets into a run."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Retry,
    Runner,
    RunResult,
    ScriptedModel,
    StartError,
    State,
    Tool,
)
from fsm_orch.errors import ContextError
from fsm_orch.kernel.reasons import LandingReason
from fsm_orch.kernel.records import RunFinished
from fsm_orch.resilience import Admission, Breaker, CachedAnswers, Gate, Overloaded
from fsm_orch.resilience.cached import FOR_WANT_OF_MEANS

pytestmark = pytest.mark.looptime


class Query(Context):
    """A question."""

    text: str
    email: Given[str] = ""
    answer: str | None = None
    sources: tuple[str, ...] = ()


class Desk(Machine[Query]):
    """Answer, or land."""

    reply = State(
        LLMAgent("Answer.", reads=Query.text, writes=(Query.answer, Query.sources), calls=2), initial=True, entry=True
    )
    again = State(LLMAgent("Answer anew.", reads=Query.text, writes=(Query.answer, Query.sources)), entry=True)
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Ask a colleague.", Query.sources: ()})
    answered = (reply | again).to(done, "it is answered")
    unknown = (reply | again).to(human, "it is not known")
    limits = Limits(hops=3, tokens=9_000)


def says(answer: str, handoff: str = "answered") -> dict[str, Any]:
    return {"handoff": handoff, "answer": answer, "sources": ["a book"]}


DOWN = CallFailed("overloaded", "HTTP 503", transient=True)


def desk(*script: Any, machine: Any = Desk, **options: Any) -> Runner[Query, None]:
    return Runner(machine, model=ScriptedModel(script), **{"retry": None, **options})


def answers(runner: Any, **options: Any) -> CachedAnswers[Query, RunResult[Query], str | None]:
    return CachedAnswers(runner, key=lambda query: query.text.casefold() or None, answer=Query.answer, **options)


class Admitting:
    """A runner behind an admission."""

    def __init__(self, runner: Runner[Query, None], admission: Admission) -> None:
        self.definition, self.redacted = runner.definition, runner.redacted
        self._runner, self._admission = runner, admission

    async def run(self, context: Query, **options: Any) -> RunResult[Query]:
        async with self._admission.place():
            return await self._runner.run(context, **options)


async def test_a_run_that_was_landed_is_given_the_old_answer() -> None:
    """The answer of before comes with its age and its source, and the run's own result says what happened."""
    cached = answers(desk(says("9 to 5"), DOWN))
    fresh = await cached.run(Query(text="Hours?"))
    await asyncio.sleep(12.9)
    old = await cached.run(Query(text="hours?"))

    assert (fresh.answer, fresh.source, fresh.age_s, fresh.headers) == ("9 to 5", "run", None, {})
    assert (old.answer, old.source, old.headers) == ("9 to 5", "cache", {"Age": "12"})
    assert old.age_s == pytest.approx(12.9)
    assert old.result is not None
    assert old.result.landing is not None
    assert old.result.landing.reason == "failure"
    assert old.result.context.answer == "Ask a colleague."


class Routed(Machine[Query]):
    """Tell a price, or where to find it."""

    router = State(LLMAgent("Who answers?", reads=Query.text), initial=True)
    pricing = State(LLMAgent("Tell the price.", reads=Query.text, writes=Query.answer))
    searching = State(LLMAgent("Tell where it is.", reads=Query.text, writes=Query.answer))
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Ask a colleague."})
    to_pricing = router.to(pricing, "what something costs")
    to_searching = router.to(searching, "where something is")
    told = (pricing | searching).to(done)


async def test_a_model_that_likes_none_of_what_is_open_is_no_word_on_the_question() -> None:
    """Where a breaker closes the way that it means it declines the others, and the old answer is given."""
    breaker, none = Breaker(failures=1), {"handoff": "none_of_these"}
    script = {"handoff": "to_pricing"}, {"answer": "4.90"}, none, none
    cached = answers(desk(*script, machine=Routed, gates={Routed.pricing: Gate(breaker=breaker)}))
    await cached.run(Query(text="how much?"))
    breaker.restart(300)
    shut = await cached.run(Query(text="how much?"))
    await asyncio.sleep(300)
    meant = await cached.run(Query(text="how much?"))

    assert [(each.answer, each.source) for each in (shut, meant)] == [("4.90", "cache"), ("Ask a colleague.", "run")]
    assert shut.result is not None
    assert shut.result.landing is not None
    assert shut.result.landing.reason == "declined"


async def test_a_result_stays_what_its_journal_folds_to() -> None:
    """An old answer is in no context, no record and no journal of the run that it is given for."""
    runner = desk(says("9 to 5"), DOWN)
    cached = answers(runner)
    await cached.run(Query(text="?"))
    result = (await cached.run(Query(text="?"))).result

    assert result is not None
    assert runner.replay(result.journal).context == result.context
    assert "9 to 5" not in repr((result.context, result.records, result.journal))


async def test_one_try_more_comes_before_an_old_answer() -> None:
    """What fails for now is tried again within the run, and only a run that is landed is given the old answer."""
    cached = answers(desk(says("old"), DOWN, says("new"), DOWN, DOWN, retry=Retry(initial_s=0.1, jitter_s=0)))
    came = [await cached.run(Query(text="?")) for _ in range(3)]

    assert [(each.answer, each.source) for each in came] == [("old", "run"), ("new", "run"), ("new", "cache")]


async def test_without_an_old_answer_a_run_has_its_own() -> None:
    """Who asks what nobody has asked before is given what the machine says when it is landed."""
    came = await answers(desk(DOWN)).run(Query(text="?"))

    assert (came.answer, came.source) == ("Ask a colleague.", "run")


async def test_who_is_refused_is_given_the_old_answer() -> None:
    """Where no run was admitted there is no result, but an answer if there was one before, else the refusal."""
    admission = Admission(1, queue=0)
    cached = answers(Admitting(desk(says("9 to 5")), admission))
    await cached.run(Query(text="known"))
    async with admission.place():
        old = await cached.run(Query(text="known"))
        with pytest.raises(Overloaded, match="queue_full"):
            await cached.run(Query(text="not known"))

    assert (old.answer, old.result, old.source) == ("9 to 5", None, "cache")


async def test_who_made_the_run_can_ask_for_the_answer_afterwards() -> None:
    """A service that drives its runs itself learns and is answered as by `run`."""
    runner = desk(says("9 to 5"), DOWN)
    cached, query = answers(runner), Query(text="?")
    first = cached.answered(query, await runner.run(query, tenant="a"), tenant="a")
    second = cached.answered(query, await runner.run(query, tenant="a"), tenant="a")
    third = cached.answered(query, Overloaded("queue_full", 3), tenant="a")

    assert [each.source for each in (first, second, third)] == ["run", "cache", "cache"]
    with pytest.raises(Overloaded):
        cached.answered(query, Overloaded("queue_full", 3), tenant="b")


def test_every_landing_is_judged() -> None:
    """A new reason to land has to be put on one side or the other."""
    not_for_want = {"no_handoff", "visits", "hops", "declined", "outcome_unknown", "cancelled"}

    assert set(get_args(LandingReason)) == FOR_WANT_OF_MEANS | not_for_want
    assert not FOR_WANT_OF_MEANS & not_for_want


@pytest.mark.parametrize("reason", get_args(LandingReason))
async def test_some_landings_are_the_answer(reason: LandingReason) -> None:
    """An old answer is given exactly for the landings for want of means."""
    runner = desk(says("9 to 5"), DOWN)
    cached, query = answers(runner), Query(text="?")
    await cached.run(query)
    landed = await runner.run(query)
    records = [replaced(record, reason) for record in landed.records]
    came = cached.answered(query, replace(landed, records=tuple(records)))

    assert came.source == ("cache" if reason in FOR_WANT_OF_MEANS else "run")


def replaced(record: Any, reason: LandingReason) -> Any:
    return RunFinished(stamp=record.stamp, landing=reason) if isinstance(record, RunFinished) else record


async def test_a_caller_that_cancels_is_given_nothing() -> None:
    """A cancellation goes through, old answer or not."""
    cached = answers(Runner(Desk, model=ScriptedModel([says("old"), says("new")], delay_s=1)))
    await cached.run(Query(text="?"))
    task = asyncio.ensure_future(cached.run(Query(text="?")))
    await asyncio.sleep(0.5)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_end_in_the_fallback_is_not_learned() -> None:
    """That a question was passed on is no answer to it, and it takes no old one away."""
    cached = answers(desk(says("9 to 5"), says("", "unknown"), DOWN))
    await cached.run(Query(text="?"))
    passed_on = await cached.run(Query(text="?"))
    old = await cached.run(Query(text="?"))

    assert (passed_on.answer, passed_on.source) == ("Ask a colleague.", "run")
    assert (old.answer, old.source) == ("9 to 5", "cache")


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from(["x", "X", "y"]), st.booleans())))
@settings(max_examples=40, deadline=None)
@pytest.mark.looptime(False)
def test_nothing_crosses_tenants(asked: list[tuple[str | None, str, bool]]) -> None:
    """Whatever is asked in whatever order, an old answer was given to the same tenant and the same question."""
    script = [says(str(number)) if works else DOWN for number, (_, _, works) in enumerate(asked)]
    cached, known = answers(desk(*script)), dict[Any, str]()

    async def ask() -> None:
        for number, (tenant, text, works) in enumerate(asked):
            place = tenant, text.casefold()
            came = await cached.run(Query(text=text), **({} if tenant is None else {"tenant": tenant}))
            if works:
                known[place] = str(number)

            assert came.source == ("run" if works or place not in known else "cache")
            assert came.answer == known.get(place, "Ask a colleague.")

    asyncio.run(ask())


async def test_a_run_that_starts_elsewhere_asks_something_else() -> None:
    """Where a run starts is part of the question."""
    cached = answers(desk(says("9 to 5"), DOWN, DOWN))
    await cached.run(Query(text="?"))
    elsewhere = await cached.run(Query(text="?"), start=Desk.again)
    same = await cached.run(Query(text="?"), start=Desk.reply)

    assert elsewhere.source == "run"
    assert same.source == "run"


async def test_runs_of_a_conversation_are_left_alone() -> None:
    """What was said before is in no key, so such runs neither learn nor are given an old answer."""
    cached = answers(desk(says("in Rome"), says("anywhere"), DOWN, DOWN))
    said = [Message(role="user", content="I am in Rome.")]
    await cached.run(Query(text="?"), messages=said)
    assert len(cached) == 0

    await cached.run(Query(text="?"))
    in_conversation = await cached.run(Query(text="?"), messages=said)
    in_thread = await cached.run(Query(text="?"), thread_id="t")

    assert [in_conversation.source, in_thread.source] == ["run", "run"]


async def test_what_is_personal_has_no_key() -> None:
    """A question without a key is kept nowhere, and given no old answer."""
    cached = answers(desk(says("9 to 5"), DOWN))
    await cached.run(Query(text=""))
    came = await cached.run(Query(text=""))

    assert (len(cached), came.source) == (0, "run")


class Asking(Machine[Query]):
    """Ask a human, or a model that has a human approve what it uses."""

    approve = State(HumanAgent("What is it?", reads=Query.text, writes=Query.answer), initial=True, expires_s=60)
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Ask a colleague."})
    answered = approve.to(done, "it is answered")


async def test_what_a_human_said_is_left_to_it() -> None:
    """A run that waits is given as it is, and what a human decided is not learned."""
    runner = desk(machine=Asking, store=MemoryStore())
    cached, query = answers(runner), Query(text="?")
    waits = await cached.run(query)
    assert waits.result is not None
    result = await runner.resume(waits.result.run_id, {"answer": "Pay."})
    came = cached.answered(query, result)

    assert (waits.source, waits.result.status, waits.answer) == ("run", "waiting", None)
    assert (came.answer, result.state, len(cached)) == ("Pay.", Asking.done, 0)


def pay(order: int) -> str:
    """Pay an order back."""
    return f"{order} is paid"


class Paying(Machine[Query]):
    """A model that may pay, if a human approves."""

    act = State(LLMAgent("Pay.", reads=Query.text, writes=Query.answer, tools=Tool(pay, approval=True)), initial=True)
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Ask a colleague."})
    paid = act.to(done, "it is paid")
    limits = Limits(tokens=20_000)


@pytest.mark.parametrize("approved", [True, False])
async def test_what_a_human_approved_is_not_said_again(approved: bool) -> None:
    """Of a run that had a tool approved, or declined, nothing is learned."""
    asks = {"reply": {"use": {"tool": "pay", "arguments": {"order": 1}}}}
    runner = desk(asks, {"reply": {"answer": "It is paid."}}, machine=Paying, store=MemoryStore())
    cached, query = answers(runner), Query(text="?")
    waits = await runner.run(query)
    result = await runner.resume(waits.run_id, approved)
    cached.answered(query, result)

    assert (result.state, len(cached)) == (Paying.done, 0)


async def test_old_answers_are_forgotten() -> None:
    """An answer is given up to its greatest age, and dropped when another is learned after that."""
    cached = answers(desk(says("9 to 5"), DOWN, DOWN, says("other")), max_age_s=60)
    await cached.run(Query(text="?"))
    await asyncio.sleep(60)
    in_time = await cached.run(Query(text="?"))
    await asyncio.sleep(0.1)
    too_late = await cached.run(Query(text="?"))
    await cached.run(Query(text="other"))

    assert (in_time.source, in_time.headers, too_late.source) == ("cache", {"Age": "60"}, "run")
    assert len(cached) == 1


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
@pytest.mark.looptime(False)
def test_no_more_are_kept_than_that(texts: list[str], keep: int) -> None:
    """The answers that were learned last are kept, and no more of them than was said."""
    cached = answers(desk(*[says(text) for text in texts]), keep=keep)

    async def ask() -> None:
        for text in texts:
            await cached.run(Query(text=text))

    asyncio.run(ask())
    last = list(dict.fromkeys(reversed(texts)))[:keep]
    for text in "abcdef":
        refused = Overloaded("queue_full", 1)
        if text in last:
            assert cached.answered(Query(text=text), refused).answer == text
        else:
            with pytest.raises(Overloaded):
                cached.answered(Query(text=text), refused)

    assert len(cached) == len(last)


@pytest.mark.looptime(False)
def test_threads_share_it() -> None:
    """Learned and asked on many threads at once, nothing raises, and no more is kept than was said."""
    runner, refused = desk(*[says("same")] * 1), Overloaded("queue_full", 1)
    result = asyncio.run(runner.run(Query(text="?")))
    cached = answers(runner, keep=8, clock=lambda: 0.0)

    def work(number: int) -> None:
        for step in range(300):
            query = Query(text=str((number * 7 + step) % 20))
            cached.answered(query, result)
            with suppress(Overloaded):  # another thread's answers have taken its place
                assert cached.answered(query, refused).answer == "same"

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # or a thread is hardly ever stopped where it matters
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(before)

    assert len(cached) == 8


async def test_many_at_once_are_each_run_and_each_answered() -> None:
    """A hundred that ask the same while the provider is down are a hundred runs with one old answer."""
    runner = desk(says("9 to 5"), *[DOWN] * 100)
    cached = answers(runner)
    await cached.run(Query(text="?"))
    came = await asyncio.gather(*[cached.run(Query(text="?")) for _ in range(100)])

    assert {(each.answer, each.source) for each in came} == {("9 to 5", "cache")}
    assert len({each.result.run_id for each in came if each.result is not None}) == 100


async def test_a_gate_that_is_full_is_for_want_of_means() -> None:
    """Who is denied at a gate is given the old answer, charged nothing."""
    gate = Gate(at_once=1)
    cached = answers(Runner(Desk, model=ScriptedModel([says("9 to 5")] * 2, delay_s=1), gates={Desk.reply: gate}))
    await cached.run(Query(text="?"))
    first, second = await asyncio.gather(*[cached.run(Query(text="?")) for _ in range(2)])

    assert {first.source, second.source} == {"run", "cache"}
    assert sorted(each.result.charged_tokens > 0 for each in (first, second) if each.result) == [False, True]


async def test_several_fields_are_an_answer() -> None:
    """Of several fields the answer is a tuple, in the order in which they were named."""
    runner = desk(says("9 to 5"), DOWN)
    cached = CachedAnswers(runner, key=lambda query: query.text, answer=(Query.sources, Query.answer))
    await cached.run(Query(text="?"))
    old = await cached.run(Query(text="?"))

    assert (old.answer, old.source) == ((("a book",), "9 to 5"), "cache")


def test_what_a_runner_redacts_is_no_answer() -> None:
    """A field that is to be kept nowhere is refused when the cache is made."""

    class Plain(Machine[Query]):
        reply = State(LLMAgent("Answer.", reads=Query.text, writes=Query.answer), initial=True)
        done = Final()
        human = Final(fallback=True)
        answered = reply.to(done, "it is answered")

    runner = desk(machine=Plain, redact=Query.answer, store=MemoryStore())

    with pytest.raises(StartError, match="cached answers would keep 'answer', which the runner redacts"):
        answers(runner)


async def test_what_a_runner_redacts_is_in_no_key() -> None:
    """A key that reads a redacted field is refused before anything runs; one that does not is as any other."""
    runner = desk(says("9 to 5"), DOWN, redact=Query.email, store=MemoryStore())
    leaking = CachedAnswers(runner, key=lambda query: (query.text, query.email), answer=Query.answer)
    with pytest.raises(ContextError, match="reads 'email', which the runner redacts"):
        await leaking.run(Query(text="?", email="me@example.org"))

    cached = answers(runner)
    await cached.run(Query(text="?", email="me@example.org"))

    assert (await cached.run(Query(text="?", email="you@example.org"))).source == "cache"
    assert "example.org" not in repr(vars(cached))


class Other(Context):
    answer: str | None = None


@pytest.mark.parametrize(
    ("wrong", "error", "says_so"),
    [
        ({"answer": Other.answer}, StartError, r"takes fields of Query, on which Desk runs, not Other\.answer"),
        ({"answer": ()}, StartError, "not none"),
        ({"answer": "answer"}, ContextError, "'answer' is not a field"),
        ({"keep": 0}, ValueError, "^keep= of CachedAnswers takes a whole number of 1 or more, not 0$"),
        ({"max_age_s": float("nan")}, ValueError, "^max_age_s= of CachedAnswers takes a number"),
        ({"key": None}, TypeError, "takes a function of the first context, not None: key=lambda query: query.text"),
        ({"key": Query.text}, TypeError, "not a FieldRef"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Any, error: type[Exception], says_so: str) -> None:
    """Wrong arguments are refused at once, and told."""
    with pytest.raises(error, match=says_so):
        CachedAnswers(desk(), **{"key": lambda query: query.text, "answer": Query.answer, **wrong})


def test_a_machine_is_no_runner() -> None:
    """What runs it has to be said."""
    wrong: Any = Desk
    with pytest.raises(TypeError, match="take a Runner, not the class Desk"):
        CachedAnswers(wrong, key=lambda query: query.text, answer=Query.answer)


async def test_a_key_that_cannot_be_one_is_told_before_the_run() -> None:
    """A key that cannot be looked up is refused before anything runs."""
    runner = desk(says("9 to 5"))
    cached: Any = CachedAnswers(runner, key=lambda query: [query.text], answer=Query.answer)  # type: ignore[arg-type,return-value]
    with pytest.raises(
        TypeError, match=r"^the key of cached answers returned a list, which cannot be hashed: return a text"
    ):
        await cached.run(Query(text="?"))

    assert (await runner.run(Query(text="?"))).context.answer == "9 to 5"
