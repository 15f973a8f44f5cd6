"""How calls of OpenAI's models fail: why, whether it cost anything, and whether it may pass."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from support.openai_wire import KEY, Kind, each_kind, fail, model
from support.wired import Silent, Wired, httpx2


@pytest.mark.parametrize(
    ("status", "error", "reason", "is_unsent", "is_transient"),
    [
        (400, {"code": "invalid_value"}, "bad_request", True, False),
        (400, {"code": "context_length_exceeded"}, "context_overflow", True, False),
        (400, {"code": 400, "type": "exceed_context_size_error"}, "context_overflow", True, False),
        (400, {"message": "This model's maximum context length is 4096 tokens."}, "context_overflow", True, False),
        (401, {"code": "invalid_api_key"}, "authentication", True, False),
        (403, {}, "permission", True, False),
        (404, {"code": "model_not_found"}, "not_found", True, False),
        (408, {}, "timeout", True, True),
        (409, {}, "conflict", True, True),
        (422, {}, "bad_request", True, False),
        (429, {"code": "rate_limit_exceeded"}, "rate_limited", True, True),
        (429, {"code": "insufficient_quota"}, "quota", True, False),
        (429, {"code": None, "type": "insufficient_quota"}, "quota", True, False),
        (429, {"code": ["insufficient_quota"], "type": {}}, "rate_limited", True, True),
        (500, {"code": "insufficient_quota"}, "server_error", False, True),
        (503, {}, "overloaded", False, True),
        (307, {}, "redirect", False, False),
    ],
)
@each_kind
async def test_status(
    kind: Kind, status: int, error: dict[str, Any], reason: str, is_unsent: bool, is_transient: bool
) -> None:
    """A refused request is one request, and says whether it cost anything and whether it may pass."""
    wired = Wired({"error": error}, status=status, headers={"retry-after": "7", "location": "/v1/responses"})
    failed = await fail(kind, wired)

    assert (reason, is_unsent, is_transient) == (failed.reason, failed.unsent, failed.transient)
    assert 1 == len(wired.requests)
    assert 7.0 == failed.retry_after_s


@pytest.mark.parametrize(
    ("error", "reason", "is_unsent"),
    [
        (httpx2.ConnectError("x"), "connection", True),
        (httpx2.ConnectTimeout("x"), "connection", True),
        (httpx2.PoolTimeout("x"), "connection", True),
        (httpx2.ReadTimeout("x"), "timeout", False),
        (httpx2.ReadError("x"), "disconnected", False),
        (httpx2.RemoteProtocolError("x"), "disconnected", False),
        (TimeoutError("x"), "disconnected", False),
        (RuntimeError("x"), "disconnected", False),
    ],
)
@each_kind
async def test_transport(kind: Kind, error: Exception, reason: str, is_unsent: bool) -> None:
    """A request that got lost keeps its reservation, unless it was never sent."""
    failed = await fail(kind, Wired(error))

    assert (reason, is_unsent) == (failed.reason, failed.unsent)


@pytest.mark.looptime
@each_kind
async def test_timeout(kind: Kind) -> None:
    """A call ends when its time is over, charged."""
    silent = Silent()
    failed = await fail(kind, Wired(), transport=silent, timeout_s=3.0)

    assert ("timeout", False, True) == (failed.reason, failed.unsent, failed.transient)
    assert silent.is_given_up


ECHO = f"Incorrect key {KEY}. You said: Where is my invoice?"


@pytest.mark.parametrize(
    "wired",
    [
        lambda: Wired({"error": {"message": ECHO, "code": KEY, "type": ECHO, "param": KEY}}, status=401),
        lambda: Wired({"error": ECHO}, status=500),
        lambda: Wired(ECHO.encode()),
        lambda: Wired(httpx2.ReadError(ECHO)),
        lambda: Wired(ValueError(ECHO)),
    ],
)
@each_kind
async def test_key_is_not_shown(kind: Kind, wired: Callable[[], Wired], caplog: pytest.LogCaptureFixture) -> None:
    """Neither a failure with all that is chained to it, nor a log, nor a model shows a key or a prompt."""
    caplog.set_level(logging.DEBUG)
    error = await fail(kind, wired())
    shown = "".join(traceback.format_exception(error)) + repr(error.__dict__) + caplog.text
    shown += repr(model(kind, wired())) + repr(vars(model(kind, wired())))

    assert KEY not in shown
    assert "invoice" not in shown
    assert (None, None) == (error.__cause__, error.__context__)


async def test_key_as_an_id() -> None:
    """Even what looks like an id is not shown if it is the key."""
    wired = Wired({}, status=500, headers={"x-request-id": f"req_{KEY}"})

    assert "server_error: HTTP 500, request_id req_[key]" == str(await fail("chat", wired))
