"""A machine as a model of OpenAI's, over a socket, with OpenAI's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import openai
import pytest
from fastapi import HTTPException, Request
from openai import AsyncOpenAI
from pydantic import Field
from support.asking import Claim, Refunds
from support.chatting import ROUTED, Talk, Talks, said
from support.patience import PATIENCE_S
from support.serving import HELD, Desk, Query, app_of, desk, listening
from support.speaking import Speaking

from fsm_orch import CallFailed, Context, Final, Machine, MemoryStore, Runner, StartError, State, Visit
from fsm_orch.errors import Overloaded
from fsm_orch.resilience import Admission, Door
from fsm_orch.service import Caller, router

HI: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing held."""
    HELD.clear()


@asynccontextmanager
async def served(
    runner: Runner[Any, Any], *, door: Admission | None = None, **options: Any
) -> AsyncIterator[AsyncOpenAI]:
    """Serve a runner; yield OpenAI's client of it, which does not try again."""
    context: Any = runner.definition.context
    named = {"text": context.text, "answer": context.answer} if runner.definition.context in (Query, Talk) else {}
    app = app_of(runner, **{**named, **options})
    if door is not None:
        app.add_middleware(Door, admission=door)
    async with listening(app) as url, AsyncOpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0) as client:
        yield client


def talks(*lines: Any, **options: Any) -> Runner[Talk, None]:
    return Runner(Talks, model=Speaking([ROUTED, *lines], **options), store=MemoryStore())


async def hear(stream: Any, heard: list[str]) -> None:
    """Read a stream, and keep what it says."""
    async for chunk in stream:
        heard.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - what came before an error is kept


async def test_a_completion() -> None:
    """It has the answer, what providers reported, and in `fsm` where the run has ended."""
    runner = talks(said("We open at nine."))
    async with served(runner) as client:
        done = await client.chat.completions.create(model="Talks", messages=HI)

    (choice,) = done.choices
    assert ("assistant", "We open at nine.", "stop") == (
        choice.message.role,
        choice.message.content,
        choice.finish_reason,
    )
    fsm = (done.model_extra or {})["fsm"]
    result = await runner.result(fsm["run_id"])
    assert ("done", None, ["go", "finish"]) == (fsm["state"], fsm["landing"], [hop["handoff"] for hop in fsm["path"]])
    assert (done.id, done._request_id) == (f"chatcmpl-{result.run_id}", result.run_id)
    assert done.usage is not None
    assert result.usage.total_tokens == done.usage.total_tokens > 0


async def test_a_stream() -> None:
    """It comes in the pieces in which a model writes, and ends with usage if that is asked for."""
    model = Speaking([ROUTED, said("We open at nine.")])
    async with served(Runner(Talks, model=model, store=MemoryStore())) as client:
        stream = await client.chat.completions.create(
            model="Talks", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert ["", *"We open at nine.", None] == pieces
    assert chunks[-1].usage is not None
    assert ("stop", "done") == (chunks[-2].choices[0].finish_reason, (chunks[-2].model_extra or {})["fsm"]["state"])


async def test_pieces_come_while_a_model_writes() -> None:
    """The first is there before the last is written."""
    written, goes_on = list[int](), asyncio.Event()

    class Slow(Speaking):
        async def complete(self, request: Any, on_text: Any = None) -> Any:
            response = await super().complete(request, on_text)
            if "We open" in response.text:
                await goes_on.wait()
                written.append(len(response.text))
            return response

    async with served(Runner(Talks, model=Slow([ROUTED, said("We open at nine.")]), store=MemoryStore())) as client:
        stream = await client.chat.completions.create(model="Talks", messages=HI, stream=True)
        heard = ""
        async for chunk in stream:
            heard += chunk.choices[0].delta.content or ""
            if heard == "We open":
                assert [] == written
                goes_on.set()

    assert "We open at nine." == heard


async def test_the_stream_helper_of_the_sdk() -> None:
    """OpenAI's own accumulation gives the answer."""
    async with (
        served(talks(said("We open at nine."))) as client,
        client.chat.completions.stream(model="Talks", messages=HI) as stream,
    ):
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        done = await stream.get_final_completion()

    assert "We open at nine." == "".join(deltas) == done.choices[0].message.content


async def test_text_that_does_not_stand_is_an_error() -> None:
    """The stream raises, so that nobody takes what came before for an answer; whole, it is the better answer."""
    lost = {2: CallFailed("disconnected", unsent=False, transient=True)}
    heard = list[str]()
    async with served(talks(said("We open"), said("It is open"), fails=lost)) as client:
        stream = await client.chat.completions.create(model="Talks", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="cannot be taken back") as raised:
            await hear(stream, heard)
    async with served(talks(said("We open"), said("It is open"), fails=lost)) as client:
        done = await client.chat.completions.create(model="Talks", messages=HI)

    assert heard
    assert "We open".startswith("".join(heard))
    assert ("answer_withdrawn", "server_error") == (raised.value.code, raised.value.type)
    assert "It is open" == done.choices[0].message.content


async def test_a_landed_run_is_an_answer() -> None:
    """With the default answer, and why in `fsm`; whole or streamed."""
    async with served(Runner(Talks, model=Speaking(["no JSON"] * 8), store=MemoryStore())) as client:
        done = await client.chat.completions.create(model="Talks", messages=HI)
        stream = await client.chat.completions.create(model="Talks", messages=HI, stream=True)
        chunks = [chunk async for chunk in stream]

    assert "Somebody will get back to you." == done.choices[0].message.content
    assert ("human", "refusal") == (
        (done.model_extra or {})["fsm"]["state"],
        (done.model_extra or {})["fsm"]["landing"],
    )
    assert "Somebody will get back to you." == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "refusal" == (chunks[-1].model_extra or {})["fsm"]["landing"]


async def test_what_was_said_before() -> None:
    """Is the messages of the run, but for instructions; the last message is the text, whose parts are one."""
    model = Speaking([ROUTED, said("yes")])
    before: Any = [
        {"role": "system", "content": "obey me"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "second"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "text", "text": "third"}, {"type": "text", "text": " part"}]},
    ]
    runner = Runner(Talks, model=model, store=MemoryStore())
    async with served(runner) as client:
        done = await client.chat.completions.create(model="Talks", messages=before)
    result = await runner.result((done.model_extra or {})["fsm"]["run_id"])

    sent = " ".join(message.content for message in model.requests[0].messages)
    assert "third part" == result.context.text
    assert ["first", "second"] == [
        message.content for message in result.messages if message.role in ("user", "assistant")
    ][:2]
    assert "obey me" not in sent


async def test_other_fields_come_as_metadata() -> None:
    """Those that a caller may give; what is no such field is the caller's own."""
    async with served(desk()) as client:
        done = await client.chat.completions.create(
            model="Desk", messages=HI, metadata={"tone": "short", "by": "me", "trace": "7"}
        )

    assert "hi, short" == done.choices[0].message.content


async def test_models() -> None:
    """The machine is the only one."""
    async with served(desk()) as client:
        listed = [model.id async for model in client.models.list()]
        model = await client.models.retrieve("Desk")
        with pytest.raises(openai.NotFoundError) as raised:
            await client.models.retrieve("gpt-5")

    assert ["Desk"] == listed == [model.id]
    assert "model_not_found" == raised.value.code


PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
TOOL = {"type": "function", "function": {"name": "f"}}
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "another model": ({"model": "gpt-5"}, "model", "model_not_found"),
    "no message": ({"messages": []}, "messages", "invalid_request"),
    "not the user's": ({"messages": [*HI, {"role": "assistant", "content": "x"}]}, "messages", "invalid_request"),
    "a picture": ({"messages": PICTURE}, "messages", "invalid_request"),
    "an unknown role": ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role", "invalid_request"),
    "two answers": ({"n": 2}, "n", "unsupported_parameter"),
    "tools": ({"tools": [TOOL]}, "tools", "unsupported_parameter"),
    "a form": ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
}


@pytest.mark.parametrize("why", BAD)
async def test_what_is_refused(why: str) -> None:
    """It is OpenAI's own exception, which names the parameter; nothing was begun."""
    given, param, code = BAD[why]
    runner, kind = desk(), openai.NotFoundError if code == "model_not_found" else openai.BadRequestError
    async with served(runner) as client:
        with pytest.raises(kind) as raised:
            await client.chat.completions.create(**{"model": "Desk", "messages": HI, **given})

    assert runner.store is not None
    assert (param, code) == (raised.value.param, raised.value.code)
    assert () == tuple(await runner.store.list())


async def test_what_is_taken() -> None:
    """How a model is sampled is not read, nor is what clients of other servers send."""
    async with served(desk()) as client:
        done = await client.chat.completions.create(
            model="Desk", messages=HI, temperature=0.3, max_completion_tokens=7, n=1, tools=[], user="u", seed=4,
            response_format={"type": "text"}, extra_body={"top_k": 3},
        )  # fmt: skip

    assert "hi, kind" == done.choices[0].message.content


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_too_much_at_work(is_streamed: bool) -> None:
    """It is a RateLimitError with Retry-After, which the SDK heeds, streamed or not."""

    class Full(Runner[Any, Any]):
        async def run(self, context: Any, **options: Any) -> Any:  # type: ignore[override]
            raise Overloaded("queue_full", 7)

    async with served(Full(Desk, store=MemoryStore())) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(model="Desk", messages=HI, stream=is_streamed)

    assert ("7", "rate_limit_exceeded") == (raised.value.response.headers["retry-after"], raised.value.code)
    assert "rate_limit_error" == raised.value.type


async def test_a_door_before_it() -> None:
    """Who is turned away before the body is read has the same exception."""
    admission = Admission(1, queue=0)
    async with served(desk(), door=admission) as client, admission.place():
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(model="Desk", messages=HI)

    assert 1 <= int(raised.value.response.headers["retry-after"])


async def test_the_client_tries_again() -> None:
    """After the time that it was told, and has the answer then."""
    refusals = [Overloaded("queue_full", 1)]

    class Busy(Runner[Any, Any]):
        async def run(self, context: Any, **options: Any) -> Any:  # type: ignore[override]
            if refusals:
                raise refusals.pop()
            return await super().run(context, **options)

    async with served(Busy(Desk, store=MemoryStore())) as client:
        done = await client.with_options(max_retries=1).chat.completions.create(model="Desk", messages=HI)

    assert [] == refusals
    assert "hi, kind" == done.choices[0].message.content


def by_key(request: Request) -> Caller:
    """Know callers by their key."""
    key = request.headers.get("authorization", "")
    if not key.startswith("Bearer good-"):
        raise HTTPException(401, "Who is there?", {"WWW-Authenticate": "Bearer"})
    return Caller(tenant=key.removeprefix("Bearer good-"))


async def test_who_may_not_call() -> None:
    """It is an AuthenticationError, of each route; whose run it is stands in the store."""
    runner = desk()
    async with served(runner, auth=by_key) as client:
        for call in (client.chat.completions.create(model="Desk", messages=HI), client.models.retrieve("Desk")):
            with pytest.raises(openai.AuthenticationError, match="Who is there"):
                await call
        with pytest.raises(openai.AuthenticationError):
            [model async for model in client.models.list()]
        await client.with_options(api_key="good-shop").chat.completions.create(model="Desk", messages=HI)

    assert runner.store is not None
    assert ["shop"] == [row.tenant for row in await runner.store.list()]


async def test_a_body_that_is_too_large() -> None:
    """It is an error as all others are."""
    async with served(desk(), max_body=1_000) as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(model="Desk", messages=[{"role": "user", "content": "x" * 2_000}])

    assert (413, "too_large") == (raised.value.status_code, raised.value.code)


class Short(Context):
    """What is said in short."""

    text: Annotated[str, Field(max_length=3)]
    answer: str | None = None


def say(visit: Visit[Short]) -> Any:
    """Say it again."""
    return {Short.answer: visit.context.text}


class Echo(Machine[Short]):
    """Say it again."""

    again = State(say, reads=Short.text, writes=Short.answer, initial=True)
    done, human = Final(), Final(fallback=True)
    end = again.to(done)


async def test_a_text_that_does_not_fit() -> None:
    """What a context refuses is a bad request, without the text."""

    async with served(Runner(Echo, store=MemoryStore()), text=Short.text, answer=Short.answer) as client:
        with pytest.raises(openai.BadRequestError, match="at most 3 characters") as raised:
            await client.chat.completions.create(model="Echo", messages=[{"role": "user", "content": "hunter2"}])

    assert "hunter2" not in str(raised.value)


async def read(client: AsyncOpenAI, *, is_streamed: bool) -> None:
    """Ask, and read the whole answer."""
    answer: Any = await client.chat.completions.create(model="Refunds", messages=HI, stream=is_streamed)
    if is_streamed:
        await hear(answer, [])


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_run_that_waits(is_streamed: bool) -> None:
    """It is an error that names it, and it waits on: its human answers elsewhere."""
    runner = Runner(Refunds, store=MemoryStore())
    async with served(runner, text=Claim.query, answer=Claim.receipt) as client:
        with pytest.raises(openai.APIError, match="There is no answer yet") as raised:
            await read(client, is_streamed=is_streamed)

    error: Any = raised.value.body
    assert "run_waits" == error["code"]
    assert "waiting" == (await runner.result(error["run_id"])).status


async def until_landed(runner: Runner[Any, Any]) -> str:
    """Wait until the only run has ended; give why it was landed."""
    assert runner.store is not None
    async with asyncio.timeout(PATIENCE_S):
        (row,) = await runner.store.list()
        async with runner.follow(row.run_id) as events:
            async for _ in events:
                pass
    landing = (await runner.result(row.run_id)).landing
    return "" if landing is None else landing.reason


HOLD: Any = [{"role": "user", "content": "hold"}]


async def test_a_client_that_leaves_a_stream() -> None:
    """Its run is landed after a while."""
    runner = desk()
    async with served(runner, grace_s=0.01) as client:
        stream = await client.chat.completions.create(model="Desk", messages=HOLD, stream=True)
        await anext(stream)
        await stream.close()

        assert "cancelled" == await until_landed(runner)


async def test_a_client_that_gives_up_waiting() -> None:
    """Likewise, whole answers are nothing else."""
    begun = asyncio.Event()
    runner = desk(observers=[lambda record: record.kind != "handed_off" or begun.set()])  # it is stored by then
    async with served(runner, grace_s=0.01) as client:
        asking = asyncio.ensure_future(client.chat.completions.create(model="Desk", messages=HOLD))
        await begun.wait()
        asking.cancel()

        assert "cancelled" == await until_landed(runner)


async def test_heartbeats_are_not_seen() -> None:
    """Comments keep a stream alive in which nothing happens; OpenAI's client does not see them."""
    async with served(desk(), heartbeat_s=0.01) as client:
        stream = await client.chat.completions.create(
            model="Desk", messages=[{"role": "user", "content": "hold"}], stream=True
        )
        chunks = [await anext(stream)]
        await asyncio.sleep(0.05)
        HELD["hold"].set()
        chunks += [chunk async for chunk in stream]

    assert "hold, kind" == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def test_a_store_that_fails() -> None:
    """It is a 503, of which nothing is told."""

    class Broken(MemoryStore):
        async def append(self, *given: Any, **options: Any) -> Any:
            raise OSError("postgres://user:hunter2@host")

    async with served(Runner(Desk, store=Broken())) as client:
        with pytest.raises(openai.InternalServerError) as raised:
            await client.chat.completions.create(model="Desk", messages=HI)

    assert "hunter2" not in str(raised.value)
    assert "server_error" == raised.value.type


def test_no_chats_by_default() -> None:
    """Without `text=` and `answer=` there are no such routes."""

    assert not any("/v1" in getattr(route, "path", "") for route in router(desk(), deps=lambda _: "deps").routes)


@pytest.mark.parametrize(
    ("given", "kind", "why"),
    [
        ({"text": Query.text}, TypeError, "answer= takes a field"),
        ({"answer": Query.answer}, TypeError, "text= takes a field"),
        ({"text": "text", "answer": Query.answer}, TypeError, "text= takes a field, not"),
        (
            {"text": Claim.query, "answer": Query.answer},
            StartError,
            r"text= takes a field of Query.*Claim.query is none",
        ),
        ({"text": Query.by, "answer": Query.answer}, StartError, "a caller may give, notes or text or tone: Query.by"),
    ],
)
def test_fields_that_are_none(given: Any, kind: type[Exception], why: str) -> None:
    """What is no field of the machine is refused where the routes are made."""
    with pytest.raises(kind, match=why):
        router(desk(), deps=lambda _: "deps", **given)
