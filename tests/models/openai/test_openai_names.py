"""OpenAI's models and compatible servers by name, and the probe of a server before it is used."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.openai_wire import ASKED, ELSEWHERE, KEY, heard

from fsm_orch import Context
from fsm_orch.agents.decision import form
from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.models import probe
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
    with pytest.raises(ModelUnavailable, match=r"pip install -e '\.\[openai\]'"):
        resolve(name)


class Query(Context):
    """What is asked."""

    query: str = ""


@pytest.fixture
def local_server() -> Iterator[tuple[str, str]]:
    """Give the address and the key of the local model's own server."""
    from fsm_orch.models import local

    loaded = local.load("smollm2")
    asyncio.run(loaded.warm())
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
    await probe(served)
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
