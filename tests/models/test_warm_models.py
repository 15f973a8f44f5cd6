"""Models that are made ready: real SDKs over a real socket, and what a wrong key or name comes to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from conformance.models.adapters import STREAMING, Adapter
from support.provider import KEY, Provider
from support.provider_faults import FAULTS
from support.wired import Silent, Wired

from fsm_orch import CallFailed, Fallback, Message, ScriptedModel
from fsm_orch.models.anthropic import MessagesModel
from fsm_orch.models.base import Model, Request, warmed
from fsm_orch.models.openai import OPENAI, ChatModel, ResponsesModel
from fsm_orch.models.openai.client import OPENAI_URL

HELLO = Request(messages=(Message(role="user", content="Hello."),), max_output_tokens=20)

by_adapter = pytest.mark.parametrize("adapter", STREAMING, ids=lambda adapter: adapter.name)


def built(adapter: Adapter, url: str) -> Model:
    assert adapter.build is not None
    return adapter.build(url)


@by_adapter
async def test_a_connection_is_opened_and_used_again(adapter: Adapter) -> None:
    """To look a model up costs nothing, asks for no completion, and leaves the connection for the first request."""
    with Provider() as provider:
        model = built(adapter, provider.url)
        await warmed(model)
        looked_up = list(provider.requests)
        await model.complete(HELLO)

    assert [(one.method, one.body) for one in looked_up] == [("GET", None)]
    assert looked_up[0].path.endswith(("/models/gpt-5-mini", "/models/llama4", "/models/claude-haiku-4-5"))
    assert len(provider.completions) == 1
    assert provider.connections == 1


@pytest.mark.slow
@by_adapter
def test_the_sdk_is_loaded(adapter: Adapter) -> None:
    """After it was made ready, the first request imports nothing more."""
    program = f"""
import asyncio, sys
from conformance.models.adapters import STREAMING
from models.test_warm_models import HELLO, built
from support.provider import Provider
from fsm_orch.models.base import warmed

async def asked():
    with Provider() as provider:
        (model,) = [built(each, provider.url) for each in STREAMING if each.name == {adapter.name!r}]
        await warmed(model)
        before = set(sys.modules)
        await model.complete(HELLO)
        print(sorted(set(sys.modules) - before))

asyncio.run(asked())
"""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=paths)

    assert done.stdout == "[]\n"


@by_adapter
async def test_a_wrong_key_is_found(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses the key has the model fail, and the key is not told."""
    with Provider() as provider:
        monkeypatch.setattr("support.provider.KEY", "sk-another")
        with pytest.raises(CallFailed, match=r"^authentication") as caught:
            await warmed(built(adapter, provider.url))

    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@by_adapter
async def test_another_server_need_not_know_the_way(adapter: Adapter) -> None:
    """A compatible server that cannot look a model up has been reached, and no more is asked of it."""
    with Provider(models=()) as provider:
        await warmed(built(adapter, provider.url))

    assert len(provider.requests) == 1


@by_adapter
async def test_nobody_there(adapter: Adapter) -> None:
    """A port that nobody listens at has the model fail for now."""
    with Provider(FAULTS["connection refused"]) as provider, pytest.raises(CallFailed, match=r"^connection") as caught:
        await warmed(built(adapter, provider.url))

    assert caught.value.transient


def wired(kind: Any, wire: Wired) -> Model:
    """Return a model at its own provider, answered from memory."""
    options = {"base_url": OPENAI_URL, "profile": OPENAI} if kind is ChatModel else {}
    return kind("some-model", api_key=KEY, transport=wire.transport, **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [ResponsesModel, ChatModel, MessagesModel])
async def test_a_wrong_name_is_found_at_its_own_provider(kind: Any) -> None:
    """OpenAI and Anthropic know their models by name, so one that they do not know cannot be asked."""
    wire = Wired({"error": {"message": f"no model for {KEY}", "type": "not_found_error"}}, status=404)
    with pytest.raises(CallFailed, match=r"^not_found: HTTP 404") as caught:
        await warmed(wired(kind, wire))

    assert KEY not in str(caught.value)
    assert [request.url.path for request in wire.requests] == ["/v1/models/some-model"]


NO_SCOPE = {
    "message": "You have insufficient permissions for this operation. Missing scopes: api.model.read. Check that ...",
    "type": "invalid_request_error",
    "param": None,
    "code": None,
}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", [ResponsesModel, ChatModel])
async def test_a_restricted_key_need_not_be_let_to_look(kind: Any, status: int) -> None:
    """OpenAI says 401 to a key that may ask models, and not look them up; that is no wrong key."""
    wire = Wired({"error": NO_SCOPE}, status=status)
    await warmed(wired(kind, wire))

    assert len(wire.requests) == 1


@pytest.mark.parametrize("kind", [ResponsesModel, ChatModel])
async def test_a_restricted_key_that_may_not_ask_is_told_from_a_wrong_one(kind: Any) -> None:
    """A request that the key has no scope for fails by a name of its own, and is not tried again."""
    wire = Wired({"error": NO_SCOPE}, status=401)
    with pytest.raises(CallFailed, match=r"^no_scope: HTTP 401, type invalid_request_error$") as caught:
        await wired(kind, wire).complete(HELLO)

    assert caught.value.unsent
    assert not caught.value.transient


@pytest.mark.looptime
@pytest.mark.parametrize(("timeout_s", "waits_s"), [(600.0, 10.0), (3.0, 3.0)])
@pytest.mark.parametrize("kind", [ResponsesModel, ChatModel, MessagesModel])
async def test_a_provider_that_hangs_is_not_waited_for_as_an_answer_is(
    kind: Any, timeout_s: float, waits_s: float
) -> None:
    """Who does not answer in ten seconds which names it knows is down for now; or sooner, if so declared."""
    silent = Silent()
    model = kind("some-model", api_key=KEY, base_url="https://h/v1", timeout_s=timeout_s, transport=silent)
    before = asyncio.get_running_loop().time()
    with pytest.raises(CallFailed, match=r"^timeout") as caught:
        await warmed(model)

    assert caught.value.transient
    assert waits_s == pytest.approx(asyncio.get_running_loop().time() - before, abs=1.0)
    assert silent.is_given_up


async def test_tokens_are_counted_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokenizer of one of OpenAI's own models is loaded before the first request is counted."""
    from fsm_orch.models.openai import counting

    loads: list[str] = []
    monkeypatch.setattr(counting, "_tokenizer", loads.append)
    await warmed(ResponsesModel("gpt-5-mini", api_key=KEY, transport=Wired({"id": "gpt-5-mini"}).transport))

    assert loads == ["o200k_base"]


class Warm(ScriptedModel):
    """A model that notes that it was made ready, or fails."""

    def __init__(self, name: str, failure: CallFailed | None = None) -> None:
        super().__init__([f"{name} says so"] * 9, name=name)
        self.warmed, self._failure = 0, failure

    async def warm(self) -> None:
        self.warmed += 1
        if self._failure is not None:
            raise self._failure


def opened(*models: Model) -> Fallback:
    fallback = Fallback(*models)
    fallback.open(lambda model: model)  # type: ignore[arg-type,return-value]
    return fallback


AWAY = CallFailed("overloaded", "HTTP 503", transient=True)
WRONG = CallFailed("authentication", "HTTP 401")


@pytest.mark.looptime
async def test_of_a_fallback_one_may_be_away() -> None:
    """A model of a fallback that fails for now rests, and the others are asked instead of it."""
    away, there = Warm("a:away", AWAY), Warm("a:there")
    fallback = opened(away, there)
    await warmed(fallback)

    assert (away.warmed, there.warmed) == (1, 1)
    assert fallback.turn().name == "a:there"
    await asyncio.sleep(31)
    assert fallback.turn().name == "a:away"


@pytest.mark.parametrize("models", [(Warm("a:wrong", WRONG), Warm("a:b")), (Warm("a:a", AWAY), Warm("a:b", AWAY))])
async def test_a_fallback_that_can_never_be_whole_fails(models: tuple[Model, ...]) -> None:
    """A wrong key in it is found, and so is that none of its models is there."""
    with pytest.raises(CallFailed, match=r"HTTP 401|HTTP 503"):
        await warmed(opened(*models))


async def test_what_cannot_be_made_ready_is_ready() -> None:
    """A model without a way to be made ready is left alone."""
    model = ScriptedModel(["Hello."])
    await warmed(model)

    assert model.requests == []


@pytest.mark.local
async def test_local_weights_are_loaded() -> None:
    """After it was closed, a local model is loaded anew, and its first request finds it so."""
    from fsm_orch.models import local

    model = local.LocalModel()
    model.close()
    await warmed(model)

    assert [weights.name for weights in local._servers] == ["smollm2"]
