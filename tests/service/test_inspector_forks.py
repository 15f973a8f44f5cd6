"""Forks in the inspector: what one would not begin is told before and after, from what is stored alone."""

from __future__ import annotations

from support.asking import Claim
from support.browsing import chromium
from support.serving import served, until

from fsm_orch import Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Tool

__all__ = ["chromium"]

API = "/inspector/api"
QUERY = {"query": "order 41"}


def pay_back(order: int) -> str:
    """Pay an order back."""
    return "paid"


class PaysBack(Machine[Claim]):
    """Pay back what a human approves."""

    refund = State(
        LLMAgent(
            "Pay the order back.", reads=Claim.query, writes=Claim.note, tools=Tool(pay_back, approval=True), calls=2,
            max_input_tokens=2_000, max_output_tokens=100,
        ),
        initial=True,
    )  # fmt: skip
    done, human = Final(), Final(fallback=True)
    end = refund.to(done)
    limits = Limits(hops=2, tokens=9_000)


def paying() -> Runner[Claim, None]:
    """Return a runner whose model asks to pay back, and then says what came of it."""
    use, end = {"use": {"tool": "pay_back", "arguments": {"order": 41}}}, {"note": "well"}
    return Runner(PaysBack, model=ScriptedModel([{"reply": use}, *[end] * 9]), store=MemoryStore())


async def test_a_fork_says_what_it_would_not_begin() -> None:
    """Before a yes with its question, after it with why it stands; with its effects it goes on, and says no more."""
    async with served(paying(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": QUERY})).json()["run_id"]
        parent = (await client.get(f"{API}/runs/{run_id}")).json()
        await client.post(f"{API}/runs/{run_id}/answer", json={"answer": False})
        at = parent["cuts"][-1]["at"]
        fork = (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at})).json()["run_id"]
        path = f"{API}/runs/{fork}"
        before = (await client.get(path)).json()
        answered = await client.post(f"{path}/answer", json={"answer": True})
        stands = await until(client, fork, status="running")
        after = (await client.get(path)).json()
        await client.post(f"{path}/resume?effects=true")
        ended = await until(client, fork, status="finished")
        gone = (await client.get(path)).json()

    assert ({}, None) == (parent["unrecorded"], parent["withheld"])
    (question,) = before["run"]["waiting"]
    assert ({question["key"]: "pay_back"}, None) == (before["unrecorded"], before["withheld"])
    assert (202, "refund") == (answered.status_code, stands["state"])
    assert "has not begun the tool 'pay_back' of 'refund'" in after["withheld"]
    assert {} == after["unrecorded"]
    assert ("done", None) == (ended["state"], gone["withheld"])


async def test_a_fork_that_knows_the_reply_withholds_nothing() -> None:
    """What its parent has recorded is given again after a yes."""
    async with served(paying(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": QUERY})).json()["run_id"]
        at = (await client.get(f"{API}/runs/{run_id}")).json()["cuts"][-1]["at"]
        await client.post(f"{API}/runs/{run_id}/answer", json={"answer": True})
        await until(client, run_id, status="finished")
        known, free = [
            (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at, "effects": each})).json()["run_id"]
            for each in (False, True)
        ]
        told = [(await client.get(f"{API}/runs/{each}")).json() for each in (known, free)]

    assert [({}, None)] * 2 == [(each["unrecorded"], each["withheld"]) for each in told]
