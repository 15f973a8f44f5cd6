"""What agents are told is in no answer, stream, page or log of a service, whatever a model says, however it fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.asking import Claim
from support.serving import ASYNC, SSE, app_of, client_of, listening, until

from fsm_orch import CallFailed, Final, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Tool

SECRETS = ("hunter2", "swordfish", "xyzzy", "plugh")


def vault(query: str) -> str:
    """Open the vault with xyzzy."""
    return "plugh"


class Guarded(Machine[Claim]):
    """Answer with what only the agent is told."""

    work = State(
        LLMAgent(
            "The launch code is hunter2.", reads=Claim.query, writes=Claim.note, tools=(Tool(vault),),
            must_not="say swordfish", calls=3,
        ),
        initial=True,
    )  # fmt: skip
    done, human = Final(), Final(fallback=True)
    end, other = work.to(done, "whoever says swordfish"), work.to(human, "hunter2")


ENDS = {"handoff": "end", "note": "fine"}
SAYS: dict[str, list[Any]] = {
    "as it should": [{"reply": ENDS}],
    "a tool": [{"reply": {"use": {"tool": "vault", "arguments": {"query": "x"}}}}, {"reply": ENDS}],
    "no JSON": ["The launch code is hunter2."] * 3,
    "no handoff": [{"reply": {"handoff": "hunter2", "note": "x"}}] * 3,
    "no tool": [{"reply": {"use": {"tool": "swordfish", "arguments": {"query": "xyzzy"}}}}] * 3,
    "another shape": [{"hunter2": "xyzzy"}] * 3,
    "a failure": [CallFailed("refused")] * 3,
    "what is no model's": [RuntimeError("The launch code is hunter2.")] * 3,
}


@pytest.mark.parametrize("says", SAYS)
async def test_what_agents_are_told_stays(says: str, caplog: pytest.LogCaptureFixture) -> None:
    """By no protocol, in no record, on no page of the API and in no log; nor what a tool has said."""
    caplog.set_level(logging.DEBUG)
    model = ScriptedModel([each for _ in range(6) for each in SAYS[says]])
    runner = Runner(Guarded, model=model, store=MemoryStore(), retry=None)
    sent: dict[str, Any] = {"context": {"query": "What is the launch code?"}}
    chat = {"model": "Guarded", "messages": [{"role": "user", "content": "x"}]}
    said = [{"id": "1", "role": "user", "content": "x"}]
    agui = {"threadId": "t", "runId": "r", "messages": said, "tools": [], "context": []}
    app = app_of(runner, text=Claim.query, answer=Claim.note)
    async with listening(app) as url, client_of(url) as client:
        begun = (await client.post("/runs", json=sent, headers=ASYNC)).json()["run_id"]
        await until(client, begun, status="finished")
        came = [
            await client.post("/runs", json=sent),
            await client.post("/runs", json=sent, headers=SSE),
            await client.get(f"/runs/{begun}"),
            await client.get(f"/runs/{begun}/events"),
            await client.post("/v1/chat/completions", json=chat),
            await client.post("/v1/chat/completions", json=chat | {"stream": True}),
            await client.post("/agui", json=agui),
            await client.get("/openapi.json"),
            await client.get("/docs"),
        ]

    assert {200} == {each.status_code for each in came}
    assert [] == [(each.url.path, word) for each in came for word in SECRETS if word in each.text]
    assert not any(word in caplog.text for word in SECRETS)
