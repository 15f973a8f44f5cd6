"""One call is one request on the wire, whatever the SDK above is set to: real SDKs, over a real socket."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

httpx2 = pytest.importorskip("httpx2", reason="providers over HTTP need an extra")
openai = pytest.importorskip("openai", reason="OpenAI's models need the extra `openai`")
anthropic = pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")

from support.provider import KEY, Provider  # noqa: E402 - after the extras it needs
from support.provider_faults import FAULTS  # noqa: E402

from fsm_orch.errors import CallFailed  # noqa: E402
from fsm_orch.messages import Message  # noqa: E402
from fsm_orch.models.anthropic import MessagesModel  # noqa: E402
from fsm_orch.models.base import Model, Request  # noqa: E402
from fsm_orch.models.http import Answer, PerLoop, client, once, status_failure  # noqa: E402
from fsm_orch.models.once import OneRequest, Stopped, one_exchange  # noqa: E402
from fsm_orch.models.openai import ChatModel, ResponsesModel  # noqa: E402

FAILING = ("500", "503", "429 after nothing", "429 after ms", "408", "409", "307 to itself", "302 elsewhere")
LOST = ("cut before", "cut within", "no http")
ASKED = Request(messages=(Message(role="user", content="Hello"),), max_output_tokens=20)
BODY: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}


def refused(answer: Answer) -> CallFailed:
    return status_failure(answer.status_code).error()


def openai_sdk(url: str, http: Any) -> Any:
    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", http_client=http, max_retries=5)


def anthropic_sdk(url: str, http: Any) -> Any:
    return anthropic.AsyncAnthropic(api_key=KEY, base_url=url, http_client=http, max_retries=5)


async def openai_call(sdk: Any) -> object:
    return await sdk.chat.completions.create(**BODY)


async def anthropic_call(sdk: Any) -> object:
    return await sdk.messages.create(**{**BODY, "model": "claude-haiku-4-5", "max_tokens": 20})


SDKS = pytest.mark.parametrize(
    ("build", "call"), [(openai_sdk, openai_call), (anthropic_sdk, anthropic_call)], ids=["openai", "anthropic"]
)


def fault(name: str) -> Any:
    """Return a fault; a status that is not among them is refused with an error of no known kind."""
    if name in FAULTS:
        return FAULTS[name]
    return type(FAULTS["500"])(name=name, status=int(name), error="400")


@SDKS
@pytest.mark.parametrize("name", [*FAILING, *LOST])
async def test_a_failed_call_is_one_request(build: Any, call: Any, name: str, monkeypatch: Any) -> None:
    """An SDK that would retry five times, over a client that would follow redirects, sends one request."""
    with Provider(fault(name)) as provider:
        async with client() as http:
            http.follow_redirects = True
            sdk = build(provider.url, http)
            monkeypatch.setattr(type(sdk), "_calculate_retry_timeout", lambda *_, **__: 0.0)
            with pytest.raises(CallFailed) as caught:
                await once(10.0, lambda: call(sdk), refused)

    assert 1 == len(provider.completions)
    assert caught.value.unsent is (name in ("429 after nothing", "429 after ms", "408", "409"))
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


@SDKS
async def test_without_it_there_would_be_more(build: Any, call: Any, monkeypatch: Any) -> None:
    """Outside of a call the same client changes nothing: the SDK's retries are its own."""
    with Provider(FAULTS["500"]) as provider:
        async with client() as http:
            sdk = build(provider.url, http)
            monkeypatch.setattr(type(sdk), "_calculate_retry_timeout", lambda *_, **__: 0.0)
            with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)):
                await call(sdk)

    assert 6 == len(provider.completions)


ADAPTERS: list[Callable[[str], Model]] = [
    lambda url: ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1"),
    lambda url: ChatModel("llama4", api_key=KEY, base_url=f"{url}/v1"),
    lambda url: MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url),
    lambda url: MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url, exact_count=True),
]


@pytest.mark.parametrize("build", ADAPTERS)
@pytest.mark.parametrize("name", ["500", "429 after nothing", "307 to itself", "cut within"])
async def test_adapters_do_not_trust_a_setting(
    build: Callable[[str], Model], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own adapters send one request even where the SDK were to ignore that its retries are off."""
    for module, sdk in ((openai, "AsyncOpenAI"), (anthropic, "AsyncAnthropic")):
        kind = getattr(module, sdk)
        monkeypatch.setattr(kind, "_calculate_retry_timeout", lambda *_, **__: 0.0)
        made = functools.partialmethod(_with_retries, kind.__init__)
        monkeypatch.setattr(kind, "__init__", made)
    with Provider(FAULTS[name]) as provider, pytest.raises(CallFailed):
        await build(provider.url).complete(ASKED)

    assert 1 == len(provider.completions)


def _with_retries(self: Any, init: Callable[..., None], **options: Any) -> None:
    init(self, **{**options, "max_retries": 5})


def answering(*answers: Any) -> tuple[Any, list[Any]]:
    """Give a client that is answered from memory, and the requests that come to it."""
    seen: list[Any] = []
    left = iter(answers)

    def answer(request: Any) -> Any:
        seen.append(request)
        given = next(left)
        if isinstance(given, BaseException):
            raise given
        return given

    return client(httpx2.MockTransport(answer)), seen


async def post(http: Any) -> Any:
    return await http.post("http://provider/v1", json={})


async def made(http: Any, call: Callable[[], Awaitable[object]] | None = None) -> bytes:
    return await once(1.0, call or (lambda: post(http)), refused)


async def test_the_body_is_that_of_the_wire() -> None:
    """What a call gives back is the body as it came, whatever the SDK makes of it."""

    async def reads_it_wrong() -> object:
        await post(http)
        raise ValueError("not my schema")

    http, seen = answering(httpx2.Response(200, content=b"as it is"), httpx2.Response(201, content=b"too"))

    assert b"as it is" == await made(http, reads_it_wrong)
    assert b"too" == await made(http)
    assert 2 == len(seen)


async def test_a_second_request_is_held_back() -> None:
    """A request after one that succeeded is not sent, and the first reply stands; so for one that a login would ask."""

    async def twice() -> object:
        await post(http)
        return await post(http)

    http, seen = answering(httpx2.Response(200, content=b"first"), httpx2.Response(200, content=b"second"))

    assert b"first" == await made(http, twice)
    assert 1 == len(seen)


async def test_no_sdk_catches_it() -> None:
    """An SDK that catches every `Exception`, or runs its request in a task or a group of tasks, sends no more."""

    async def catching() -> object:
        for _ in range(3):
            try:
                return await post(http)
            except Exception:
                continue
        return None

    async def in_a_task() -> object:
        return await asyncio.create_task(catching())

    async def in_a_group() -> object:
        async with asyncio.TaskGroup() as group:
            group.create_task(catching())
        return None

    for call in (catching, in_a_task, in_a_group):
        for answer in (httpx2.Response(500), httpx2.ReadError("x")):
            http, seen = answering(answer, httpx2.Response(200), httpx2.Response(200))
            with pytest.raises(CallFailed) as caught:
                await made(http, call)
            assert (1, False) == (len(seen), caught.value.unsent)
            assert (None, None) == (caught.value.__cause__, caught.value.__context__)


async def test_an_sdk_that_swallows_even_that() -> None:
    """An SDK that catches everything and returns has failed nevertheless."""

    async def swallowing() -> object:
        try:
            return await post(http)
        except BaseException:
            return "all is well"

    http, _ = answering(httpx2.Response(429))
    with pytest.raises(CallFailed, match="rate_limited"):
        await made(http, swallowing)


async def test_what_was_never_sent_is_free() -> None:
    """An SDK that fails before it sends has cost nothing; its words are not repeated, but for a deprecation."""

    async def fails(error: Exception) -> object:
        raise error

    http, _ = answering()
    for error, words in ((ValueError("my secret"), "ValueError"), (DeprecationWarning("old model"), "old model")):
        with pytest.raises(CallFailed, match=f"sdk_error: {words}$") as caught:
            await made(http, lambda error=error: fails(error))
        assert caught.value.unsent


async def test_a_lost_connection_is_told_by_its_kind() -> None:
    """A connection that was never made is free, and any other loss is charged."""
    for error, unsent in ((httpx2.ConnectError("x"), True), (httpx2.WriteError("x"), False), (OSError("x"), False)):
        http, _ = answering(error)
        with pytest.raises(CallFailed, match=type(error).__name__) as caught:
            await made(http)
        assert unsent is caught.value.unsent


async def test_calls_side_by_side() -> None:
    """Each of many calls at once has its own request."""
    http, seen = answering(*(httpx2.Response(200, content=b"x") for _ in range(20)))
    bodies = await asyncio.gather(*(made(http) for _ in range(20)))

    assert [b"x"] * 20 == bodies
    assert 20 == len(seen)


class Halves(httpx2.AsyncByteStream):  # type: ignore[misc]
    """A body whose second half never comes; it tells whether its connection was closed."""

    is_closed = False

    async def __aiter__(self) -> Any:
        yield b"half"
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.looptime
async def test_a_call_that_is_cut_short_closes_its_connection() -> None:
    """A timeout in the middle of a body closes the connection, and is charged."""
    body = Halves()
    http, _ = answering(httpx2.Response(200, stream=body))
    with pytest.raises(CallFailed, match="timeout") as caught:
        await made(http)

    assert (True, False) == (body.is_closed, caught.value.unsent)


async def test_a_client_of_ones_own() -> None:
    """A client that is built by hand keeps to it too, if its transport is put into ours."""
    answers = iter([httpx2.Response(307, headers={"location": "/v1"}), httpx2.Response(200)])
    inner = httpx2.MockTransport(lambda _: next(answers))
    async with httpx2.AsyncClient(transport=OneRequest(inner), follow_redirects=True) as http:
        with one_exchange() as exchange, pytest.raises(Stopped):
            await post(http)

    assert exchange.answer is not None
    assert (307, 1) == (exchange.answer.status_code, len(list(answers)))


def test_one_client_a_loop_serves_an_sdk() -> None:
    """The recipe of the module `http`: an own model over an SDK, in one loop after another."""
    with Provider() as provider:
        sdks = PerLoop(lambda http: openai_sdk(provider.url, http))

        async def complete() -> bytes:
            sdk = await sdks.get()
            return await once(10.0, lambda: openai_call(sdk), refused)

        bodies = [asyncio.run(complete()) for _ in range(2)]

    assert all(b"Hello." in body for body in bodies)
