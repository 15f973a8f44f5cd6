"""What a request to Anthropic's models may take and cost, and the models by name."""

import json
import sys
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.anthropic_wire import KEY, SCHEMA, Provider, failure, refusal, request, said
from support.pinned import pinned
from support.wired import httpx2

from fsm_orch.amounts import FREE, Price
from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.models.registry import resolve


@given(text=st.text() | st.text(st.sampled_from('ﷺ①ﬁé\u0301a\n"')), schema=st.sampled_from([None, SCHEMA]))
async def test_bound(text: str, schema: Mapping[str, Any] | None) -> None:
    """The bound covers every byte, of the text and of its NFKC form, the schema twice, and asks nobody."""
    provider = Provider()
    bound = await provider.model().count(request(said("user", text), schema=schema))
    forms = [text, unicodedata.normalize("NFKC", text)] if text.strip() else [""]
    twice = 2 * len(json.dumps(schema)) if schema else 0

    assert max(len(form.encode()) for form in forms) + twice < bound
    assert [] == provider.requests


@given(counted=st.integers(0, 10_000))
async def test_exact_count(counted: int) -> None:
    """The counting endpoint is asked for the same request; a little is added, and bytes bound it still."""
    provider = Provider({"input_tokens": counted})
    asked = request(said("system", "a"), said("user", "b" * 2_000), schema=SCHEMA)
    bound = await provider.model(exact_count=True).count(asked)
    by_bytes = await provider.model().count(asked)
    answered = Provider()
    await answered.model().complete(asked)

    assert min(counted + counted // 32 + 32, by_bytes) == bound
    assert "/v1/messages/count_tokens" == provider.requests[0].url.path
    assert {key: value for key, value in answered.body.items() if key != "max_tokens"} == provider.body


@pytest.mark.parametrize(
    "provider",
    [
        Provider({"input_tokens": -1}),
        Provider({"input_tokens": True}),
        Provider([]),
        Provider(b"nonsense"),
        Provider(refusal("api_error"), status=500),
        Provider(httpx2.ReadError("x")),
    ],
)
async def test_failed_count(provider: Provider) -> None:
    """A count that failed cost nothing."""
    with pytest.raises(CallFailed) as caught:
        await provider.model(exact_count=True).count(request())

    assert caught.value.unsent


async def test_largest_input() -> None:
    """A request that may be larger than the largest input is refused, at no cost, and one that may not is not."""
    provider = Provider()
    bound = await provider.model().count(request())
    error = await failure(provider.model(max_input_tokens=bound - 1))
    with pytest.raises(CallFailed, match=f"context_overflow: its input may be {bound} tokens"):
        await provider.model(max_input_tokens=bound - 1).count(request())

    assert ("context_overflow", True, []) == (error.reason, error.unsent, provider.requests)
    assert "hi" == (await provider.model(max_input_tokens=bound).complete(request())).text


async def test_largest_input_by_exact_count() -> None:
    """With an exact count it is the count that decides."""
    model = Provider({"input_tokens": 100}).model(exact_count=True, max_input_tokens=200)
    long = Provider({"input_tokens": 200}).model(exact_count=True, max_input_tokens=200)
    asked = request(said("user", "a" * 300))

    assert 135 == await model.count(asked)
    with pytest.raises(CallFailed, match="context_overflow: its input may be 238 tokens"):
        await long.count(asked)


@pinned("genai-prices")
def test_price() -> None:
    """The price is that of plain input below the largest one, on Anthropic's own API alone, or what was given."""
    sonnet = Provider().model("claude-sonnet-4-5").price
    long = Provider().model("claude-sonnet-4-5", max_input_tokens=1_000_000).price

    assert Price(Fraction(3), Fraction(15), Fraction(3, 10)) == sonnet
    assert Price(Fraction(6), Fraction(45, 2), Fraction(3, 5)) == long
    assert sonnet == Provider().model("claude-sonnet-4-5", base_url="https://api.anthropic.com/").price
    assert Provider().model("claude-sonnet-4-5", base_url="https://proxy.example").price is None
    assert Provider().model("claude-nonsense").price is None
    assert FREE == Provider().model("claude-nonsense", price=FREE).price


def test_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with this provider gives its model, with the key of the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    assert "anthropic:claude-haiku-4-5" == resolve("anthropic:claude-haiku-4-5").name


@pytest.mark.parametrize("key", [None, "", " "])
def test_missing_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Without a key it is said which variable to set."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)

    with pytest.raises(ModelUnavailable, match="set the environment variable ANTHROPIC_API_KEY"):
        resolve("anthropic:claude-haiku-4-5")


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK it is said what to install."""
    monkeypatch.delitem(sys.modules, "fsm_orch.models.anthropic")
    monkeypatch.setitem(sys.modules, "anthropic", None)

    with pytest.raises(ModelUnavailable, match=r"pip install -e '\.\[anthropic\]'"):
        resolve("anthropic:claude-haiku-4-5")
