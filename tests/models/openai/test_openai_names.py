"""OpenAI's models and compatible servers by name, and the probe of a server before it is used."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from support.openai_wire import ASKED, ELSEWHERE, KEY, heard, model
from support.wired import Wired, httpx2

from fsm_orch import Context
from fsm_orch.agents.decision import form
from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.models.base import Request
from fsm_orch.models.openai import OLLAMA, ChatModel, ResponsesModel
from fsm_orch.models.registry import resolve


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are had by name, with the key of the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    responses, chat = resolve("openai:gpt-5-mini"), resolve("openai-chat:gpt-5-mini")

    assert (ResponsesModel, "openai:gpt-5-mini") == (type(responses), responses.name)
    assert (ChatModel, "openai-chat:gpt-5-mini") == (type(chat), chat.name)
    assert "ollama:llama3" == ChatModel("llama3", api_key="none", base_url=ELSEWHERE, profile=OLLAMA).name


def test_a_compatible_server_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one's own is had by name once the environment says where it is, and not before."""
    monkeypatch.delenv("FSM_ORCH_COMPATIBLE_URL", raising=False)
    with pytest.raises(ModelUnavailable, match="set FSM_ORCH_COMPATIBLE_URL"):
        resolve("compatible:llama3")

    monkeypatch.setenv("FSM_ORCH_COMPATIBLE_URL", ELSEWHERE)

    assert "compatible:llama3" == resolve("compatible:llama3").name


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openai-chat:gpt-5-mini"])
def test_no_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the message names the variable."""
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ModelUnavailable, match="set the environment variable OPENAI_API_KEY"):
        resolve(name)


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openai-chat:gpt-5-mini"])
def test_no_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the message names the extra."""
    for module in [module for module in sys.modules if module.startswith("fsm_orch.models.openai")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'fsm_orch\[openai\]'"):
        resolve(name)


def cut_off(**changes: Any) -> dict[str, Any]:
    """Write the reply to a probe of a server that keeps to its caps."""
    choices = [{"finish_reason": "length", "message": {"content": "One two"}}]
    return {"choices": choices, "usage": {"prompt_tokens": 20, "completion_tokens": 4}, **changes}


async def test_probe() -> None:
    """A server that keeps to its caps passes, for the price of one small request."""
    wired = Wired(cut_off())
    probed = model("chat", wired)
    assert isinstance(probed, ChatModel)
    await probed.probe()

    assert 4 == wired.body["max_tokens"]


async def test_probe_again() -> None:
    """A text that a model ended by itself is asked for once more; one that is then cut off passes."""
    ended = cut_off(choices=[{"finish_reason": "stop", "message": {"content": "Nine."}}])
    answers = iter([ended, cut_off()])
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=next(answers)))
    probed = model("chat", Wired(), transport=transport)
    assert isinstance(probed, ChatModel)
    await probed.probe()

    assert [] == list(answers)


@pytest.mark.parametrize(
    ("wired", "sentence"),
    [
        (lambda: Wired(cut_off(usage=None)), "does not report the tokens"),
        (
            lambda: Wired(cut_off(usage={"prompt_tokens": 20, "completion_tokens": 700})),
            "its cap was 4 output tokens, and it wrote 700. Try another profile",
        ),
        (
            lambda: Wired(cut_off(usage={"prompt_tokens": 900, "completion_tokens": 4})),
            r"at most \d+ input tokens were counted, and it read 900",
        ),
        (
            lambda: Wired(cut_off(choices=[{"finish_reason": "stop", "message": {"content": "One"}}])),
            "did not say that a long text was cut off",
        ),
        (lambda: Wired({}, status=401), "authentication: HTTP 401"),
        (lambda: Wired(httpx2.ConnectError("x")), "connection: ConnectError"),
    ],
)
async def test_probe_fails(wired: Callable[[], Wired], sentence: str) -> None:
    """A server that breaks a cap, or cannot be asked, is not used; the message says why."""
    probed = model("chat", wired())
    assert isinstance(probed, ChatModel)
    with pytest.raises(ModelUnavailable, match=f"compatible:gpt-5-mini cannot be used on a budget: .*{sentence}"):
        await probed.probe()


class Query(Context):
    """What is asked."""

    query: str = ""


@pytest.fixture
def local_server() -> Iterator[tuple[str, str]]:
    """Give the address and the key of the local model's own server."""
    from fsm_orch.models import local

    loaded = local.load("smollm2")
    loaded.warm()
    (server,) = local._servers.values()
    with suppress(KeyError):
        yield (
            f"{server._native.listening_address}/v1",
            server._client.headers["Authorization"].removeprefix("Bearer "),
        )


@pytest.mark.local
async def test_local_server(local_server: tuple[str, str]) -> None:
    """A real server passes the probe, gives a legal decision within its bounds, and refuses what is too long."""
    url, key = local_server
    served = ChatModel("smollm2", api_key=key, base_url=url)
    await served.probe()
    asked = form(Query, (), ("to_billing", "to_search"), ("to_billing", "to_search"))
    request = Request(messages=ASKED.messages, schema=asked.schema, max_output_tokens=100)
    response = await served.complete(request)

    assert response.usage is not None
    assert response.usage.input_tokens <= await served.count(request)
    assert response.usage.output_tokens <= 100
    assert response.finish == "length" or "to_" in response.text
    with pytest.raises(CallFailed, match="context_overflow") as caught:
        await served.complete(heard("word " * 5_000))
    assert caught.value.unsent
