"""Paid responses: what a model has answered to an attempt that is not over is stored, and never asked again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from support.lanes import in_both_lanes

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Nested,
    Parallel,
    Reply,
    Response,
    Runner,
    RunResult,
    State,
    Tool,
    Usage,
    Visit,
)
from fsm_orch.amounts import FREE
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.errors import StoreError
from fsm_orch.kernel.inputs import CallSettled, Input
from fsm_orch.kernel.step import fold
from fsm_orch.models import Request
from fsm_orch.run.head import head_of
from fsm_orch.run.paid import AttemptMemory, Paid, hash_of
from fsm_orch.store import Head, PaidResponse
from fsm_orch.testing import TheoremChecker, virtual_time

SECONDS = [0.0, 0.5, 1.0, 3.0]
"""How long the n-th request takes, and what comes between two."""


class Job(Context):
    """What is to be asked."""

    plan: str
    """By worker, JSON: how many requests are made at once, again and again."""
    one: str | None = None
    two: str | None = None
    three: str | None = None
    told: str | None = None


class Counts:
    """A model that tells requests apart, says in its usage which it was, and fills in whatever form it is given."""

    name = "counts:stub"
    price = FREE

    def __init__(self, numbers: dict[str, int]) -> None:
        self.numbers = numbers
        self.sent: list[int] = []
        self.requests: list[Request] = []
        self.responses: list[Response] = []

    async def count(self, request: Request) -> int:
        await asyncio.sleep(0.1)
        return 1_000

    async def complete(self, request: Request) -> Response:
        said = json.dumps([to_builtins(request.messages), request.schema], sort_keys=True)
        number = self.numbers.setdefault(said, len(self.numbers) + 1)
        self.sent.append(number)
        await asyncio.sleep(SECONDS[number % 4])
        text = json.dumps(_filled(request.schema)) if request.schema else f"answer {number}"
        self.requests.append(request)
        self.responses.append(Response(text=text, usage=Usage(requests=1, input_tokens=number, output_tokens=1)))
        return self.responses[-1]


def _filled(schema: Any, of: Any = None) -> Any:
    """Fill in a form: of what can be chosen the first, so a tool before a decision."""
    form = schema if of is None else of
    form = schema["$defs"][form["$ref"].rpartition("/")[2]] if "$ref" in form else form
    form = form["anyOf"][0] if "anyOf" in form else form
    if "properties" in form:
        return {name: _filled(schema, inner) for name, inner in form["properties"].items()}
    return form["enum"][0] if "enum" in form else "x"


async def worked(visit: Visit[Any], name: str) -> str:
    """Ask as the plan says: at once, one after the other, with time between."""
    answers = list[str]()
    for step, at_once in enumerate(json.loads(visit.context.plan)[name]):
        said = [(Message(role="user", content=f"{name} {step} {n} {answers}"),) for n in range(at_once)]
        came = await asyncio.gather(*(visit.model.ask(one) for one in said))
        answers += [response.text for response in came]
        await asyncio.sleep(SECONDS[(step + len(name)) % 4])
    return ", ".join(answers)


async def one(visit: Visit[Job]) -> Any:
    """Work as the first."""
    return {Job.one: await worked(visit, "one")}


async def two(visit: Visit[Job]) -> Any:
    """Work as the second."""
    return {Job.two: await worked(visit, "two")}


class Asker:
    """An agent of its own that asks several times, and draws a menu for the last."""

    spec = AgentSpec(
        kind="llm", name="Asker", reads=(Job.plan,), writes=(Job.three,), calls=12, proposes=True, canonical={}
    )

    async def act(self, visit: Visit[Job]) -> Reply:
        text = await worked(visit, "three")
        drawn = await visit.model.ask_drawn(lambda offer: ((Message(role="user", content=f"last {text}"),), None))
        return Reply(changes={Job.three: f"{text}, {drawn.text}"})


async def look(word: str) -> str:
    """Look a word up."""
    await asyncio.sleep(0.5)
    return f"{word} is found"


LOOK = Tool(look, repeatable=True)
CAPS: dict[str, Any] = {"calls": 12, "max_input_tokens": 1_000, "max_output_tokens": 1}


class Inner(Machine[Job]):
    """Two workers at once."""

    both = State(
        Parallel(
            State(one, reads=Job.plan, writes=Job.one, repeatable=True, timeout_s=200, **CAPS),
            State(two, reads=Job.plan, writes=Job.two, repeatable=True, timeout_s=200, **CAPS),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    end = both.to(done)
    limits = Limits(hops=9, tokens=100_000, deadline_s=300, visit_s=250)


class Work(Machine[Job]):
    """Two workers inside, one after them, and a model with a tool."""

    inside = State(Nested(Inner, writes=(Job.one, Job.two)), initial=True)
    third = State(Asker(), timeout_s=200)
    tells = State(
        LLMAgent("Tell.", reads=Job.three, writes=Job.told, tools=LOOK, calls=6, asks=2, tool_first=True), timeout_s=200
    )
    done, human = Final(), Final(fallback=True)
    flow = inside >> third
    last = third.to(tells, "go on")
    end = tells.to(done, "told")
    limits = Limits(hops=9, tokens=400_000, deadline_s=900, visit_s=800)


class Written(NamedTuple):
    """One append."""

    start: int
    inputs: Sequence[Input]
    head: Head
    responses: Sequence[PaidResponse]


class Recording(MemoryStore):
    """A store that writes down what was appended, in transactions."""

    def __init__(self, before: Sequence[Written] = ()) -> None:
        super().__init__()
        self.written = list[Written]()
        self._before = before

    async def rebuild(self) -> None:
        """Store what a worker had stored that died then."""
        for each in self._before:
            await self.append("r", each.start, each.inputs, each.head, epoch=1, responses=each.responses)

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        await super().append(run_id, start, inputs, head, **options)
        self.written.append(Written(start, inputs, head, options["responses"]))


def lived(machine: type[Machine[Any]], job: Job, model: Counts, before: Sequence[Written] = ()) -> Any:
    """Run in virtual time, or go on with what was stored; return the result and all appends."""

    async def living() -> tuple[RunResult[Any], list[Written]]:
        store = Recording(before)
        await store.rebuild()
        runner = Runner(machine, model=model, store=store)
        result = await (runner.resume("r") if before else runner.run(job, run_id="r"))
        return result, store.written

    with virtual_time() as loop:
        return loop.run(living())


def settled(appends: Sequence[Written]) -> set[int]:
    """Return the requests whose settlements are stored."""
    events = [event for each in appends for event in each.inputs]
    return {e.usage.input_tokens for e in events if isinstance(e, CallSettled) and e.usage is not None}


COUNTS = st.lists(st.integers(1, 3), max_size=4).filter(lambda counts: sum(counts) <= 5)
PLANS = st.fixed_dictionaries({"one": COUNTS, "two": COUNTS, "three": COUNTS})


@in_both_lanes(few=3, many=12, most=40)
def test_what_is_settled_is_never_asked_again(examples: int) -> None:
    """However often a worker dies, after whatever it had stored; and the run comes to what it comes to without."""

    @settings(max_examples=examples, deadline=None)
    @given(plan=PLANS, data=st.data())
    def holds(plan: dict[str, list[int]], data: st.DataObject) -> None:
        numbers: dict[str, int] = {}
        job = Job(plan=json.dumps(plan))
        whole, appends = lived(Work, job, Counts(numbers))
        assert (whole.state, whole.landing) == (Work.done, None)
        compiled = Runner(Work, model=Counts(numbers)).compiled
        for count in range(1, len(appends)):
            kept = appends[:count]
            for _ in range(2):
                paid, model = settled(kept), Counts(numbers)
                result, stored = lived(Work, job, model, kept)

                assert not paid.intersection(model.sent), (count, sorted(paid), model.sent)
                assert result.context == whole.context
                end = TheoremChecker(compiled).follow_all(result.journal)
                assert end.ledger.settled.tokens >= sum(settled(stored)), count
                kept = stored[: data.draw(st.integers(len(kept), len(stored) - 1))]

    holds()


HELLO = Request(messages=(Message(role="user", content="Hello"),), max_output_tokens=5)
OTHER = Request(messages=(Message(role="user", content="Hallo"),), max_output_tokens=5)


def kept(
    *answers: tuple[Request, Response], attempt: str = "r:0:1", calls: int = 0, model: str = "scripted:script"
) -> tuple[PaidResponse, ...]:
    """Return what is stored of an attempt that was answered these, whose visit had made some calls before."""
    paid = Paid()
    memory = AttemptMemory(paid, attempt, model)
    for request, response in answers:
        number, given_again = memory.recall(request)
        assert given_again is None
        memory.keep(number, calls + number, request, response)
    return paid.responses()


def answered(text: str, **said: Any) -> Response:
    return Response(text=text, usage=Usage(requests=1, input_tokens=3, output_tokens=2), **said)


def test_a_kept_response_is_plain_json_of_a_version() -> None:
    """Its key says which request of which attempt, and which call; nothing of what was asked is in it but a hash."""
    (one,) = kept((HELLO, answered('{"a": 1}', finish="length")), calls=2)

    assert ("r:0:1:1:3", hash_of("scripted:script", HELLO)) == (one.key, one.request)
    assert (
        '{"v": 1, "text": "{\\"a\\": 1}", "usage": {"requests": 1, "input_tokens": 3, "output_tokens": 2, ' in one.body
    )
    assert one.body.endswith('"finish": "length", "ended": ""}')
    assert "Hello" not in one.body + one.key + one.request


@pytest.mark.parametrize(
    "response",
    [answered("\ud83d half, \x00 and é"), Response(text="", usage=None), answered("x", finish="other", ended="paused")],
    ids=repr,
)
def test_a_response_is_given_again_as_it_was(response: Response) -> None:
    """Whatever is in it, by a store that takes text alone."""
    stored = kept((HELLO, response))
    assert stored[0].body.isascii()
    memory = AttemptMemory(Paid(stored), "r:0:1", "scripted:script")

    assert 0 == memory.calls_before
    assert (1, response) == memory.recall(HELLO)
    assert None is memory.calls_before
    assert (2, None) == memory.recall(HELLO)


@pytest.mark.parametrize(
    ("attempt", "model", "request_"),
    [("r:0:2", "scripted:script", HELLO), ("r:0:1", "scripted:new", HELLO), ("r:0:1", "scripted:script", OTHER)],
)
def test_nothing_else_is_given(attempt: str, model: str, request_: Request) -> None:
    """Not to another attempt, by another model, or to another request."""
    memory = AttemptMemory(Paid(kept((HELLO, answered("one")))), attempt, model)

    assert (1, None) == memory.recall(request_)


def test_the_first_request_that_is_another_ends_remembering() -> None:
    """What came after it was answered to an agent that went another way; what was never answered ends nothing."""
    stored = kept((HELLO, answered("one")), (HELLO, answered("two")), (HELLO, answered("three")))
    other = AttemptMemory(Paid(stored), "r:0:1", "scripted:script")
    lost = AttemptMemory(Paid([stored[0], stored[2]]), "r:0:1", "scripted:script")

    assert [other.recall(HELLO)[1], other.recall(OTHER)[1], other.recall(HELLO)[1]] == [answered("one"), None, None]
    assert [lost.recall(HELLO)[1] for _ in range(3)] == [answered("one"), None, answered("three")]


def test_an_attempt_that_went_two_ways_is_given_what_fits() -> None:
    """Two crashes, after which it asked differently: each way was paid, and neither is asked again."""
    stored = [*kept((HELLO, answered("one"))), *kept((OTHER, answered("uno")), calls=1)]

    assert [answered(text) for text in ("one", "uno")] == [
        AttemptMemory(Paid(stored), "r:0:1", "scripted:script").recall(request)[1] for request in (HELLO, OTHER)
    ]


@pytest.mark.parametrize("body", ['{"v": 2, "text": "x"}', "no JSON", '{"v": 1, "text": 3}', "[]"])
def test_what_another_version_kept_is_asked_again(body: str) -> None:
    """A response in a form that is not known is none."""
    stored = PaidResponse("r:0:1:1:1", hash_of("scripted:script", HELLO), body)

    assert (1, None) == AttemptMemory(Paid([stored]), "r:0:1", "scripted:script").recall(HELLO)


def test_an_attempt_that_is_over_keeps_nothing() -> None:
    """Its outcome is in the journal, and is stored no later than what it was answered."""
    paid = Paid()
    memory = AttemptMemory(paid, "r:0:1", "scripted:script")
    memory.keep(1, 1, HELLO, answered("one"))
    memory.end()
    memory.keep(2, 2, HELLO, answered("late"))

    assert () == paid.responses()


class Alone(Machine[Job]):
    """One worker."""

    work = State(one, reads=Job.plan, writes=Job.one, repeatable=True, initial=True, timeout_s=200, **CAPS)
    done, human = Final(), Final(fallback=True)
    end = work.to(done)
    limits = Limits(hops=3, tokens=100_000, deadline_s=300, visit_s=250)


class AlonePays(Machine[Job]):
    """One worker that is not begun again after a crash."""

    work = State(one, reads=Job.plan, writes=Job.one, initial=True, timeout_s=200, **CAPS)
    done, human = Final(), Final(fallback=True)
    end = work.to(done)
    limits = Limits(hops=3, tokens=100_000, deadline_s=300, visit_s=250)


def test_a_response_is_stored_before_its_agent_goes_on() -> None:
    """It may take long, or do something; and what is not made again after a crash needs no response."""
    job = Job(plan='{"one": [1, 1]}')
    _, appends = lived(Alone, job, Counts({}))
    _, pays = lived(AlonePays, job, Counts({}))

    kinds = [[event.kind for event in each.inputs] for each in appends]
    assert [["started"], ["call_reserved"], ["call_settled"], ["call_reserved"], ["call_settled"], ["replied"]] == kinds
    assert [0, 0, 1, 0, 1, 0] == [len(each.responses) for each in appends]
    assert [["started"], ["call_reserved"], ["call_settled", "call_reserved"], ["call_settled", "replied"]] == [
        [event.kind for event in each.inputs] for each in pays
    ]
    assert not any(each.responses for each in pays)


class Pair(Machine[Job]):
    """Two models, one after the other."""

    first = State(LLMAgent("Say.", writes=Job.one), initial=True)
    second = State(LLMAgent("Say.", reads=Job.one))
    done, human = Final(), Final(fallback=True)
    flow = first >> second >> done


def test_a_hop_of_a_model_is_one_append_and_keeps_no_response() -> None:
    """Its reply follows on its settlement; both are stored with the next reservation, or the end."""
    _, appends = lived(Pair, Job(plan="{}"), Counts({}))

    assert [
        ["started", "call_reserved"],
        ["call_settled", "replied", "call_reserved"],
        ["call_settled", "replied"],
    ] == [[event.kind for event in each.inputs] for each in appends]
    assert not any(each.responses for each in appends)


def test_responses_go_with_the_visit() -> None:
    """What is kept of a visit of the run, and of all that runs in it, is gone with the run's next hop."""
    numbers: dict[str, int] = {}
    _, appends = lived(Work, Job(plan='{"one": [1, 1], "two": [2], "three": [1]}'), Counts(numbers))

    async def after(count: int) -> tuple[int, int]:
        store = Recording(appends[:count])
        await store.rebuild()
        claim = await store.claim("r")
        assert claim is not None
        return claim.head.hops, len(claim.responses)

    held = [asyncio.run(after(count)) for count in range(1, len(appends) + 1)]
    assert {0, 1} <= {hops for hops, count in held if count}
    by_hop = {hops: max(count for hop, count in held if hop == hops) for hops, _ in held}
    assert by_hop[0] >= 3
    assert by_hop[1] <= 2


def test_a_fold_knows_nothing_of_responses() -> None:
    """They are beside the journal: what is folded is the same without."""
    result, appends = lived(Alone, Job(plan='{"one": [1, 1]}'), Counts({}))
    compiled = Runner(Alone, model=Counts({})).compiled

    assert any(each.responses for each in appends)
    assert result.context == fold(compiled, result.journal).context


class Asks(Machine[Job]):
    """A model with a tool, and no call to lose."""

    tells = State(
        LLMAgent("Tell.", reads=Job.plan, writes=Job.told, tools=LOOK, calls=2, asks=1, tool_first=True), initial=True
    )
    done, human = Final(), Final(fallback=True)
    end = tells.to(done, "told")


def test_a_settlement_that_came_without_its_outcome_is_not_paid_twice() -> None:
    """Work beside it may have had it stored; the request is the same, although a call less is left than then."""
    numbers: dict[str, int] = {}
    whole, _ = lived(Asks, Job(plan="x"), model := Counts(numbers))
    compiled = Runner(Asks, model=model).compiled
    journal = whole.journal[:3]
    assert ["started", "call_reserved", "call_settled"] == [event.kind for event in journal]
    paid = kept((model.requests[0], model.responses[0]), attempt="r:0:1", model="counts:stub")
    result, _ = lived(
        Asks,
        Job(plan="x"),
        again := Counts(numbers),
        [Written(0, journal, head_of(compiled, fold(compiled, journal)), paid)],
    )

    assert (whole.state, whole.context, [2]) == (result.state, result.context, again.sent)


def test_a_response_that_was_kept_by_no_store_is_refused_by_name() -> None:
    """Its key, which somebody has changed by hand, names no request."""
    with pytest.raises(StoreError, match=r"^response 'r:0:q' is kept under no key of a request"):
        Paid([PaidResponse("r:0:q", "sha", "x")])
