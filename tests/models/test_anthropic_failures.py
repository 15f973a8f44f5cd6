"""How calls of Anthropic's models fail, and that every failure of its SDK was thought of."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, get_args

import pytest
from support.anthropic_wire import HONEST, KEY, Provider, failure, refusal, request, said
from support.pinned import pinned
from support.wired import Silent, httpx2

from fsm_orch.models.anthropic import MEANINGS, MessagesModel


@pytest.mark.parametrize(
    ("status", "body", "reason", "unsent", "transient"),
    [
        (400, refusal("invalid_request_error"), "bad_request", True, False),
        (
            400,
            refusal("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
            "context_overflow",
            True,
            False,
        ),
        (
            400,
            refusal("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 1 > 1"),
            "context_overflow",
            True,
            False,
        ),
        (
            400,
            refusal("invalid_request_error", "Your credit balance is too low to access the API."),
            "quota",
            True,
            False,
        ),
        (400, refusal("invalid_request_error", code="organization_on_hold"), "permission", True, False),
        (401, refusal("authentication_error"), "authentication", True, False),
        (402, refusal("billing_error"), "quota", True, False),
        (403, refusal("permission_error"), "permission", True, False),
        (404, refusal("not_found_error"), "not_found", True, False),
        (413, refusal("request_too_large"), "too_large", True, False),
        (413, refusal("invalid_request_error"), "too_large", True, False),
        (429, refusal("rate_limit_error"), "rate_limited", True, True),
        (429, refusal("rate_limit_error", code="ramp_limit_exceeded"), "rate_limited", True, True),
        (429, refusal("rate_limit_error", code="enforced_spend_limit_reached"), "quota", True, False),
        (429, refusal("billing_error"), "quota", True, False),
        (500, refusal("api_error"), "server_error", False, True),
        (503, refusal("api_error", code="authorization_check_unavailable"), "overloaded", False, True),
        (503, refusal("api_error", code="change_outcome_unknown"), "outcome_unknown", False, True),
        (409, refusal("conflict_error", code="change_outcome_unknown"), "outcome_unknown", False, True),
        (503, refusal("api_error", code="workspace_created_incomplete"), "incomplete", False, False),
        (504, refusal("timeout_error"), "timeout", False, True),
        (529, refusal("overloaded_error"), "overloaded", False, True),
        (500, refusal("invalid_request_error", "prompt is too long"), "context_overflow", False, False),
        (429, b"<html></html>", "rate_limited", True, True),
        (502, b"<html></html>", "server_error", False, True),
        (307, b"", "redirect", False, False),
        (200, b"<html></html>", "unreadable", False, False),
    ],
)
async def test_refusals(status: int, body: Any, reason: str, unsent: bool, transient: bool) -> None:
    """A refusal says why by its words; that it cost nothing, or may pass, only both its words and its status say."""
    error = await failure(Provider(body, status=status).model())

    assert (reason, unsent, transient) == (error.reason, error.unsent, error.transient)


@pytest.mark.parametrize(
    ("body", "reason", "transient"),
    [
        (lambda: refusal("overloaded_error"), "overloaded", True),
        (lambda: refusal("rate_limit_error"), "rate_limited", True),
        (lambda: refusal("rate_limit_error", code="enforced_spend_limit_reached"), "quota", False),
        (lambda: refusal("invalid_request_error"), "bad_request", False),
        (lambda: refusal("invalid_request_error", "prompt is too long"), "context_overflow", False),
        (lambda: refusal("api_error"), "server_error", True),
        (lambda: {"error": {"code": 429}}, "rate_limited", True),
        (lambda: {**HONEST, "content": [], "error": {"code": 429}}, "rate_limited", True),
        (lambda: {"type": "error", "error": "down"}, "server_error", True),
    ],
)
async def test_an_error_in_a_200(body: Callable[[], Any], reason: str, transient: bool) -> None:
    """An error that the body of a 200 tells is an error of its code; it is charged, for the request was taken."""
    error = await failure(Provider(body()).model())

    assert (reason, False, transient) == (error.reason, error.unsent, error.transient)


@pytest.mark.parametrize(
    ("raised", "reason", "unsent", "transient"),
    [
        (httpx2.ConnectError("x"), "connection", True, True),
        (httpx2.ConnectTimeout("x"), "connection", True, True),
        (httpx2.PoolTimeout("x"), "connection", True, True),
        (httpx2.ReadTimeout("x"), "timeout", False, True),
        (httpx2.WriteError("x"), "disconnected", False, True),
        (httpx2.ReadError("x"), "disconnected", False, True),
        (httpx2.RemoteProtocolError("x"), "disconnected", False, True),
        (OSError("x"), "disconnected", False, True),
    ],
)
async def test_lost_connections(raised: Exception, reason: str, unsent: bool, transient: bool) -> None:
    """What never left costs nothing; what may have arrived is charged."""
    error = await failure(Provider(raised).model())

    assert (reason, unsent, transient) == (error.reason, error.unsent, error.transient)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "soon"}, None)],
)
async def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    """How long the provider asks to wait is passed on."""
    error = await failure(Provider(refusal("rate_limit_error"), status=429, headers=headers).model())

    assert wait_s == error.retry_after_s


@pytest.mark.looptime
async def test_timeout() -> None:
    """A call takes no longer than its timeout, is charged, and leaves nothing behind."""
    silent = Silent()
    start = asyncio.get_running_loop().time()
    error = await failure(Provider().model(transport=silent, timeout_s=5))

    assert 5 == pytest.approx(asyncio.get_running_loop().time() - start)
    assert ("timeout", False, True, True) == (error.reason, error.unsent, error.transient, silent.is_given_up)


async def test_warning_as_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where warnings are errors, the SDK's word on a deprecated model is a failed call that says so."""
    with pinned("anthropic"):
        from anthropic.resources.messages.messages import DEPRECATED_MODELS

        monkeypatch.setitem(DEPRECATED_MODELS, "claude-old", "January 1st, 2027")  # real ones leave the list one day
        error = await failure(Provider().model("claude-old"))

        assert "sdk_error" == error.reason
        assert "'claude-old' is deprecated" in str(error)


async def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the key nor the prompt is in a failure, in what it comes from, in a log or in the model's own words."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "anthropic._base_client")  # whoever wants the SDK's details gets the prompt too
    prompt, quoted = "my secret illness", refusal(KEY, f"You sent {KEY} and my secret illness", KEY)
    headers = {"request-id": KEY}
    shown = [repr(Provider().model()), repr(vars(Provider().model()))]
    for provider in (
        *(Provider(quoted, status=status, headers=headers) for status in (200, 307, 400, 401, 429, 500, 529)),
        Provider(httpx2.ConnectError(f"{KEY} my secret illness")),
    ):
        error = await failure(provider.model(), request(said("user", prompt)))
        shown += [str(error), repr(error), repr(vars(error)), repr(error.__cause__), repr(error.__context__)]

    assert [] == [text for text in [*shown, caplog.text] if KEY in text or "illness" in text]


async def test_key_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The key is in no log, not even in the SDK's most talkative one."""
    caplog.set_level(logging.DEBUG)
    await Provider().model().complete(request())

    assert "/v1/messages" in caplog.text
    assert KEY not in caplog.text


async def test_codes_are_shown() -> None:
    """A failure names the codes and the id by which its provider knows it."""
    provider = Provider(
        refusal("rate_limit_error", code="ramp_limit_exceeded"), status=429, headers={"request-id": "req_011C"}
    )

    assert "rate_limited: HTTP 429 rate_limit_error ramp_limit_exceeded req_011C" == str(
        await failure(provider.model())
    )


@pytest.mark.parametrize("key", ["", "a b", "schlüssel", "\x00"])
def test_bad_key(key: str) -> None:
    """A key that no header can hold is refused before anything is sent, and not repeated."""
    with pytest.raises(ValueError, match="api_key must be") as caught:
        MessagesModel("claude-haiku-4-5", api_key=key)

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://example.org", ""])
def test_bad_address(base_url: str) -> None:
    """An address that is none is refused before anything is sent."""
    with pytest.raises(ValueError, match="base_url must be"):
        MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=base_url)


@pytest.mark.parametrize(
    "body",
    [
        [refusal("rate_limit_error")],
        {"status": 429, "title": "Too Many Requests"},
        {"error": refusal("rate_limit_error")},
        b'event: error\ndata: {"type": "error", "error": {"type": "rate_limit_error"}}\n\n',
    ],
)
async def test_an_error_in_the_shapes_of_gateways(body: Any) -> None:
    """An error of a 200 is one of its code in whatever shape it comes: in a list, bare, inside out, in a stream."""
    error = await failure(Provider(body).model())

    assert ("rate_limited", False, True) == (error.reason, error.unsent, error.transient)


@pinned("anthropic")
def test_every_error_type_is_known() -> None:
    """Every error type of the SDK has a meaning, but for two that say no more than the status."""
    from anthropic.types.shared.error_type import ErrorType

    assert {"invalid_request_error", "api_error"} == set(get_args(ErrorType)) - MEANINGS.keys()


@pinned("anthropic")
def test_every_status_is_known() -> None:
    """The SDK has classes for these statuses, all of which `fsm_orch.models.http` was written for."""
    from anthropic._error_classes import ERROR_CLASSES

    known = {400, 401, 402, 403, 404, 408, 409, 412, 413, 422, 429, 431, 499, 501, 503, 504, 529}

    assert known == {status for status, code in ERROR_CLASSES if code is None}


@pinned("anthropic")
def test_every_error_code_is_known() -> None:
    """Every code that may decide whether to try again has a meaning."""
    from anthropic._error_classes import ERROR_CLASSES

    deciding = {code for status, code in ERROR_CLASSES if status in (402, 429) or status >= 500}

    assert set() == deciding - {None} - MEANINGS.keys()
