"""Secrets: keys of models, passwords of URLs and dependencies are in no stored byte and in no log."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.databases import KINDS, bytes_in, rows_of, url_of
from support.openai_wire import KEY
from support.wired import Wired

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State, Tool, Visit
from fsm_orch.errors import StoreError
from fsm_orch.models.openai.responses import ResponsesModel
from fsm_orch.observe.log import log_records
from fsm_orch.resilience.retry import Retry
from fsm_orch.store.sql import SqlStore

PLANTED = "planted-in-the-environment"
OWN = "planted-in-dependencies"


class Shop(NamedTuple):
    """Dependencies with a key."""

    key: str = OWN


class Ticket(Context):
    """A question."""

    query: str
    answer: str | None = None


def look_up(order: int, *, deps: Shop) -> str:
    """Return where an order is, if the shop takes the key."""
    raise ConnectionError(f"{deps.key} {os.environ['SHOP_KEY']} were not taken for {order}")


def pay(visit: Visit[Ticket, Shop]) -> Any:
    try:
        raise PermissionError(f"{visit.deps.key} was not taken")
    except PermissionError as error:
        raise ValueError({"headers": {"Authorization": os.environ["SHOP_KEY"]}}) from error


class Desk(Machine[Ticket, Shop]):
    """Every agent fails, with a key in what it raises."""

    asking = State(LLMAgent("Help.", reads=Ticket.query, writes=Ticket.answer, calls=2), initial=True)
    using = State(LLMAgent("Help.", writes=Ticket.answer, tools=(Tool(look_up),)))
    paying = State(pay)
    done = Final()
    human = Final(fallback=True)

    asked = asking.to(using)
    failed = asking.on_failure(using)
    used = using.to(paying)
    unused = using.on_failure(paying)
    paid = paying.to(done)
    limits = Limits(tokens=60_000)


BODIES = {
    "refused": ({"error": {"code": "invalid_api_key", "message": f"Incorrect API key provided: {KEY}"}}, 401),
    "broken": (f"<html>Authorization: Bearer {KEY}".encode(), 502),
    "limited": ({"error": {"code": "rate_limit_exceeded", "message": KEY}}, 429),
    "lost": (ConnectionError(f"Bearer {KEY}"), 200),
    "nonsense": ({"id": KEY, "output": [{"type": KEY}], "status": KEY}, 200),
}


@KINDS
@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
async def test_a_key_is_in_no_stored_byte_and_no_log(
    kind: str,
    body: Any,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever a provider echoes, and agents and tools raise, with keys of the environment and of dependencies."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SHOP_KEY"):
        monkeypatch.setenv(name, PLANTED)
    caplog.set_level(logging.DEBUG, logger="fsm_orch")  # an SDK that is told to debug logs headers, as it says itself
    url = url_of(kind, tmp_path, "secrets")
    store = SqlStore(url)
    wired = Wired(body, status=status, headers={"x-request-id": KEY})
    echoing = ResponsesModel("gpt-5-mini", api_key=KEY, transport=wired.transport)
    using = ScriptedModel([{"reply": {"use": {"tool": "look_up", "arguments": {"order": 3}}}}, {"answer": "none"}])
    for model in (echoing, using):
        runner: Any = Runner(
            Desk, model=model, store=store, retry=Retry(jitter_s=0), observers=[log_records(texts=True)]
        )
        result = await runner.run(Ticket(query="please"), deps=Shop())
        assert Desk.human is result.state
    store.close()

    secrets = [KEY, PLANTED, OWN]
    kept = repr(rows_of(url)) + repr(bytes_in(tmp_path))
    assert "please" in kept
    assert [] == [secret for secret in secrets if secret in kept]
    logged = caplog.text + "".join(capsys.readouterr())
    assert "landed" in logged
    assert [] == [secret for secret in secrets if secret in logged]


async def test_a_password_is_in_no_log_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    """That of a database that is away, or of a run that waits for it."""
    caplog.set_level(logging.DEBUG)
    store = SqlStore("postgresql://root:hunter2@127.0.0.1:1/x?application_name=hunter2", patience_s=0.1)
    with pytest.raises(StoreError) as told:
        await Runner(Desk, model=ScriptedModel([]), store=store).run(Ticket(query="please"), deps=Shop())
    with suppress(StoreError):
        await store.beat()
    store.close()

    assert "hunter2" not in f"{told.value!r} {told.value} {store!r} {caplog.text}"
