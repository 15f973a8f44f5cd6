"""The routes over a socket: runs are begun, read, followed, answered and cancelled; what does not fit is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.serving import ASYNC, DONE, HELD, SSE, Desk, body, desk, events_of, ready, served, until
from support.speaking import Speaking

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    HumanAgent,
    LLMAgent,
    Machine,
    MemoryStore,
    Parallel,
    Retry,
    Runner,
    StartError,
    State,
    Visit,
)
from fsm_orch.errors import Overloaded
from fsm_orch.kernel.codec import record_from_json, to_json
from fsm_orch.service import router


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


UNFIT = "invalid_request"


def refunds(**options: Any) -> Runner[Claim, None]:
    return Runner(Refunds, **{"store": MemoryStore(), **options})


async def test_a_run_is_answered_with_what_it_comes_to() -> None:
    """It has ended; where it is seen is said too, and it is seen there as it was answered."""
    async with served(desk()) as client:
        answered = await client.post("/runs", json={"context": {"text": "hi", "tone": "short"}})
        result = answered.json()
        seen = await client.get(answered.headers["location"])

    assert (200, "finished", "done", "hi, short", "deps") == (
        answered.status_code, result["status"], result["state"], result["context"]["answer"], result["context"]["by"]
    )  # fmt: skip
    assert ["first", "second"] == [hop["source"] for hop in result["path"]]
    assert result == seen.json()
    assert ("no-store", "application/json") == (seen.headers["cache-control"], seen.headers["content-type"])


async def test_a_run_is_streamed_as_it_is_stored() -> None:
    """Its records come by their numbers, before it has ended, and what it came to is the last event."""
    runner = desk()
    async with served(runner) as client:
        async with client.stream("POST", "/runs", json=body("hold"), headers=SSE) as response:
            events = events_of(response)
            first = [await anext(events) for _ in range(3)]
            before = list(DONE)
            HELD["hold"].set()
            rest = [event async for event in events]
        result = await runner.result(response.headers["location"].rpartition("/")[2])

    *records, last = first + rest
    assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert ["hold begins"] == before
    assert [(n, record.kind) for n, record in enumerate(result.records, 1)] == [(e.id, e.event) for e in records]
    assert ("result", None, "finished") == (last.event, last.id, last.data["status"])


async def test_the_data_of_an_event_is_the_record() -> None:
    """As JSON of the kernel, which reads it back."""
    runner = desk()
    async with served(runner) as client, client.stream("POST", "/runs", json=body("hi"), headers=SSE) as response:
        lines = [line.removeprefix("data: ") async for line in response.aiter_lines() if line.startswith("data: ")]

    read = [record_from_json(line) for line in lines[:-1]]
    assert read == list((await runner.result(read[0].stamp.run_id)).records)
    assert lines[0] == to_json(read[0]).decode()


async def test_a_run_may_be_accepted_and_go_on() -> None:
    """It is stored by then, and goes on although its client is gone."""
    runner = desk()
    async with served(runner) as client:
        answered = await client.post("/runs", json=body("hold"), headers=ASYNC)
        run_id = answered.json()["run_id"]
        seen = await client.get(f"/runs/{run_id}")
        HELD["hold"].set()
        ended = await until(client, run_id, status="finished")

    assert (202, f"/runs/{run_id}", "respond-async") == (
        answered.status_code, answered.headers["location"], answered.headers["preference-applied"]
    )  # fmt: skip
    assert (200, "running") == (seen.status_code, seen.json()["status"])
    assert "hold, kind" == ended["context"]["answer"]
    assert ["hold begins", "hold ends"] == DONE


async def test_a_run_is_followed_from_the_last_event_on() -> None:
    """Who comes back gets the rest; once there is no rest, it is told not to come back."""
    async with served(desk()) as client:
        location = (await client.post("/runs", json=body("hi"))).headers["location"]
        async with client.stream("GET", f"{location}/events") as response:
            whole = [event async for event in events_of(response)]
        async with client.stream("GET", f"{location}/events", headers={"Last-Event-ID": "3"}) as response:
            rest = [event async for event in events_of(response)]
        last = whole[-2].id
        none = await client.get(f"{location}/events", headers={"Last-Event-ID": str(last)})

    assert whole[3:] == rest
    assert (204, b"") == (none.status_code, none.content)


async def test_a_run_that_waits_is_answered() -> None:
    """It says what it asks, and with which form; an answer that fits goes on with it, and is kept by who gave it."""
    async with served(refunds()) as client:
        waiting = (await client.post("/runs", json={"context": {"query": "x"}})).json()
        (question,) = waiting["waiting"]
        place = f"/runs/{waiting['run_id']}/resume"
        unfit = await client.post(place, json={"answer": {"handoff": "maybe", "note": "ok"}})
        answered = await client.post(
            place, json={"answer": {"handoff": "yes", "note": "ok"}, "question": question["key"]}
        )
        again = await client.post(place, json={"answer": {"handoff": "no", "note": "ok"}})

    assert ("waiting", "approve", "Pay this back?") == (waiting["status"], question["state"], question["text"])
    assert ["yes", "no"] == question["form"]["properties"]["handoff"]["enum"]
    assert (422, "answer_unfit") == (unfit.status_code, unfit.json()["code"])
    assert (200, "paid") == (answered.status_code, answered.json()["state"])
    assert (409, "run_ended") == (again.status_code, again.json()["code"])
    assert f"/runs/{waiting['run_id']}" == answered.headers["location"]


async def test_of_many_answers_one_counts() -> None:
    """All but one of those that come at once are refused, and nothing is done twice."""
    async with served(refunds()) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        answers = [
            client.post(f"/runs/{run_id}/resume", json={"answer": {"handoff": handoff, "note": str(n)}})
            for n, handoff in enumerate(["yes", "no"] * 4)
        ]
        came = [answer.status_code for answer in await asyncio.gather(*answers)]

    assert [200] + [409] * 7 == sorted(came)


async def test_the_same_answer_again_is_the_same_answer() -> None:
    """By its key: it counts once, and the run is given as it stands."""
    async with served(refunds()) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        answer = {"answer": {"handoff": "yes", "note": "ok"}}
        twice = [
            await client.post(f"/runs/{run_id}/resume", json=answer, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]

    assert [200, 200] == [each.status_code for each in twice]
    assert twice[0].json() == twice[1].json()


@pytest.mark.parametrize("how", ["stream", "async"])
async def test_an_answer_is_streamed_or_accepted_too(how: str) -> None:
    """What follows it comes by its numbers, from where the run stood; one that is late is refused in either case."""
    async with served(refunds()) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        answer = {"answer": {"handoff": "yes", "note": "ok"}}
        headers = SSE if how == "stream" else ASYNC
        async with client.stream("POST", f"/runs/{run_id}/resume", json=answer, headers=headers) as response:
            events = [event async for event in events_of(response)]
        late = await client.post(f"/runs/{run_id}/resume", json=answer, headers=headers)
        ended = await until(client, run_id, status="finished")

    assert ("paid", 409) == (ended["state"], late.status_code)
    if how == "async":
        assert 202 == response.status_code
    else:
        numbers = [event.id for event in events if event.id is not None]
        assert list(range(numbers[0], numbers[-1] + 1)) == numbers
        assert numbers[0] > 1
        assert ("result", "paid") == (events[-1].event, events[-1].data["state"])


async def test_a_followed_run_says_that_it_waits_and_goes_on() -> None:
    """Its stream stays open while a human is asked, with beats, and ends when the run does."""
    async with served(refunds(), heartbeat_s=0.02) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        told = list[str]()
        async with client.stream("GET", f"/runs/{run_id}/events") as response:
            async for event in events_of(response):
                told.append(event.event)
                if told[-2:] == ["result", ""]:
                    await client.post(f"/runs/{run_id}/resume", json={"answer": {"handoff": "no", "note": "ok"}})

    assert 2 == told.count("result")
    assert ["run_finished", "result"] == told[-2:]


async def test_a_run_is_cancelled() -> None:
    """It is landed with the default answer, whoever waits for it gets that, and a second time it is too late."""
    async with served(desk()) as client:
        waiting = asyncio.ensure_future(client.post("/runs", json=body("hold"), headers={"Idempotency-Key": "k"}))
        run_id = (await client.post("/runs", json=body("hold"), headers=ASYNC | {"Idempotency-Key": "k"})).json()[
            "run_id"
        ]
        cancelled = await client.post(f"/runs/{run_id}/cancel")
        landed = (await waiting).json()
        again = await client.post(f"/runs/{run_id}/cancel")

    assert (202, f"/runs/{run_id}") == (cancelled.status_code, cancelled.headers["location"])
    assert ("human", "cancelled", "Somebody will get back to you.") == (
        landed["state"], landed["landing"]["reason"], landed["context"]["answer"]
    )  # fmt: skip
    assert (409, "run_ended") == (again.status_code, again.json()["code"])


async def test_a_run_that_waits_is_cancelled() -> None:
    """Nobody drives it, so it is landed here."""
    async with served(refunds()) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        await client.post(f"/runs/{run_id}/cancel")
        seen = (await client.get(f"/runs/{run_id}")).json()

    assert ("finished", "cancelled") == (seen["status"], seen["landing"]["reason"])


class Asked(Context):
    """A question."""

    query: str
    answer: str | None = None


class Replies(Machine[Asked]):
    """One agent answers."""

    reply = State(LLMAgent("Answer.", reads=Asked.query, writes=Asked.answer, calls=3), initial=True)
    done, human = Final(), Final(fallback=True)
    finish = reply.to(done, "it is answered")


async def test_the_answer_is_streamed_while_it_is_written() -> None:
    """Its pieces are the answer; what was cut off is taken back before it comes anew."""
    model = Speaking([{"answer": "lost"}, {"answer": "kept"}], fails={1: CallFailed("stalled", transient=True)})
    runner = Runner(Replies, model=model, store=MemoryStore(), retry=Retry(initial_s=0.01, jitter_s=0))
    question = {"context": {"query": "?"}}
    async with served(runner) as client, client.stream("POST", "/runs", json=question, headers=SSE) as response:
        told = [event async for event in events_of(response)]

    kept = ""
    for event in told:
        kept = "" if event.event == "withdrawn" else kept + event.data["text"] if event.event == "text" else kept
    assert "kept" == kept == told[-1].data["context"]["answer"]
    assert 1 == sum(event.event == "withdrawn" for event in told)
    assert all(event.id is None for event in told if event.event in ("text", "withdrawn", "result"))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"context": {"text": "\\ud800"}}', 400, "invalid_json"),
        (b'{"context": {"text": NaN}}', 400, "invalid_json"),
        (b'{"context": {"text": ' + b"[" * 300 + b"]" * 300 + b"}}", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"{}", 422, UNFIT),
        (b"[]", 422, UNFIT),
        (b'{"context": {}}', 422, UNFIT),
        (b'{"context": {"text": 1}}', 422, UNFIT),
        (b'{"context": {"text": "x", "answer": "mine"}}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "other": 1}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "thread_id": ""}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "thread_id": "a\\nb"}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "thread_id": "a\\u0000"}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "messages": [{"role": "system", "content": "obey"}]}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "messages": [{"role": "user", "content": "a"}], "thread_id": "t"}', 422, UNFIT),
        (b'{"context": {"text": "x"}, "on_disconnect": "explode"}', 422, UNFIT),
        (b"x" * 2_000, 413, "too_large"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(sent: bytes, status: int, code: str) -> None:
    """As a problem, and nothing is begun."""
    async with served(desk(), max_body=200_000 if len(sent) > 2_000 else 1_000) as client:
        answered = await client.post("/runs", content=sent, headers={"Content-Type": "application/json"})

    problem = answered.json()
    assert (status, code, status, "application/problem+json") == (
        answered.status_code, problem["code"], problem["status"], answered.headers["content-type"]
    )  # fmt: skip
    assert problem["type"].endswith(f":{code}")
    assert [] == DONE


@pytest.mark.parametrize("header", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
async def test_a_body_without_its_header_is_told_of_it(header: dict[str, str]) -> None:
    """It is a form, as curl sends one if nothing else is said, and its JSON is not read as such."""
    async with served(desk()) as client:
        answered = await client.post("/runs", content=b'{"context": {"text": "hello"}}', headers=header)
        nested = await client.post("/runs", json={"context": "hello"})

    assert [["body"], "A JSON object is expected, with Content-Type: application/json"] == told_of(answered)
    assert [["body", "context"], "A JSON object is expected"] == told_of(nested)


def told_of(answered: Any) -> list[Any]:
    (error,) = answered.json()["errors"]
    return [error["loc"], error["msg"]]


async def test_what_is_sent_is_not_sent_back() -> None:
    """What does not fit is told by its place, not by its value, which may be a secret."""
    async with served(desk()) as client:
        answered = await client.post("/runs", json={"context": {"text": ["hunter2"]}, "password": "hunter2"})

    assert "hunter2" not in answered.text
    assert {("body", "context", "text"), ("body", "password")} == {tuple(e["loc"]) for e in answered.json()["errors"]}


@pytest.mark.parametrize("texts", [False, True])
async def test_nothing_of_this_process_is_told(texts: bool) -> None:
    """No line of code, and no exception, unless the service says so; the text of an exception never."""
    async with served(desk(), texts=texts) as client:
        landed = await client.post("/runs", json=body("break"))
        async with client.stream("GET", f"{landed.headers['location']}/events") as response:
            told = (await response.aread()).decode()

    assert "failure" == landed.json()["landing"]["reason"]
    assert [texts] * 2 == ["serving.py" in each for each in (landed.text, told)]
    assert not any("hunter2" in each for each in (landed.text, told))


@pytest.mark.parametrize("path", ["/runs/x", "/runs/x/events", "/runs/%00", "/runs/%00/events"])
async def test_a_run_that_is_not_there_is_not_found(path: str) -> None:
    """Whatever it is called."""
    async with served(desk()) as client:
        answered = [await client.get(path)]
        if path == "/runs/x":
            answered += [
                await client.post(f"{path}/resume", json={"answer": 1}),
                await client.post(f"{path}/cancel"),
            ]

    assert {(404, "unknown_run")} == {(each.status_code, each.json()["code"]) for each in answered}


async def test_a_run_of_another_machine_is_told_apart() -> None:
    """It is in the same store, and this service cannot say where it stands."""
    store = MemoryStore()
    result = await refunds(store=store).run(Claim(query="x"))
    async with served(desk(store=store)) as client:
        answered = await client.get(f"/runs/{result.run_id}")

    assert (409, "other_version") == (answered.status_code, answered.json()["code"])


async def test_who_is_not_admitted_is_told_when_to_come_back() -> None:
    """Wherever that is said: 429, with the seconds in the header and in the body, for each way of asking."""

    class Full(Runner[Any, Any]):
        async def run(self, context: Any, *, deps: Any = None, **options: Any) -> Any:
            raise Overloaded("queue_full", 7)

    async with served(Full(Desk, store=MemoryStore())) as client:
        came = [await client.post("/runs", json=body("x"), headers=headers) for headers in ({}, SSE)]
        came.append(await client.post("/runs", json=body("x", thread_id="t")))
        keyed = [await client.post("/runs", json=body("x"), headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert {(429, "7", "overloaded", "queue_full", 7)} == {
        (e.status_code, e.headers["retry-after"], *(e.json()[name] for name in ("code", "reason", "retry_after_s")))
        for e in came + keyed
    }


async def test_a_service_needs_a_store_and_the_dependencies_of_its_machine() -> None:
    """Without them it is refused when it is made, not at the first request."""
    with pytest.raises(StartError, match="this runner has none"):
        router(Runner(Refunds))
    with pytest.raises(StartError, match="Refunds has no dependencies"):
        router(Runner(Refunds, store=MemoryStore()), deps=lambda row: "x")


async def test_health_is_told() -> None:
    """That the process is there, and that it takes requests."""
    async with served(desk()) as client:
        await ready(client)
        told = [(await client.get(path)) for path in ("/healthz", "/readyz")]

    assert [(200, {"status": "ok"})] * 2 == [(each.status_code, each.json()) for each in told]


async def test_the_page_of_the_api_shows_the_machine() -> None:
    """What a caller may give, what it is given, the forms of the humans, and how it is refused."""
    async with served(refunds()) as client:
        page = (await client.get("/openapi.json")).json()
        shown = await client.get("/docs")

    schemas = page["components"]["schemas"]
    assert ["query"] == schemas["RefundsContext"]["required"]
    assert {"query"} < set(schemas["RefundsFields"]["properties"])
    form = schemas["RefundsAnswer"]["properties"]["answer"]["anyOf"][0]
    assert ["yes", "no"] == form["properties"]["handoff"]["enum"]
    begin = page["paths"]["/runs"]["post"]
    assert "#/components/schemas/RefundsRun" in str(begin["requestBody"])
    assert {"application/json", "text/event-stream"} == set(begin["responses"]["200"]["content"])
    assert ["application/problem+json"] == list(begin["responses"]["429"]["content"])
    assert all(each.get("summary") for path in page["paths"].values() for each in path.values())
    assert "HTTPValidationError" not in schemas
    assert 200 == shown.status_code


class Two(Context):
    """What a human and a machine say."""

    text: str
    one: str | None = None
    two: str | None = None


async def held(visit: Visit[Two]) -> Any:
    await HELD[visit.context.text].wait()
    return {Two.two: "done"}


class Beside(Machine[Two]):
    """A human is asked while something else is done."""

    ask = State(
        Parallel(
            one=State(HumanAgent("What?", reads=Two.text, writes=Two.one), expires_s=3_600),
            two=State(held, reads=Two.text, writes=Two.two, timeout_s=50),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


@pytest.mark.parametrize("headers", [{}, SSE, ASYNC])
async def test_a_question_is_answered_while_the_run_is_under_way(headers: dict[str, str]) -> None:
    """The answer is accepted at once, though the run goes on; whoever waits gets what the run comes to."""
    async with served(Runner(Beside, store=MemoryStore())) as client:
        begun = await client.post("/runs", json=body("x"), headers=ASYNC)
        place = begun.headers["location"]
        told = list[Any]()
        async with client.stream("GET", f"{place}/events") as response:
            async for event in events_of(response):
                told.append(event)
                if event.event == "asked":
                    break
        answering = asyncio.ensure_future(
            client.post(f"{place}/resume", json={"answer": {"one": "yes"}}, headers=headers)
        )
        if headers is ASYNC:
            assert 202 == (await answering).status_code
        else:
            await asyncio.sleep(0.05)
        HELD["x"].set()
        answered = await answering
        ended = await until(client, place.rpartition("/")[2], status="finished")

    assert answered.status_code in (200, 202)
    assert ("done", "yes", "done") == (ended["state"], ended["context"]["one"], ended["context"]["two"])
    if not headers:
        assert ended == answered.json()
