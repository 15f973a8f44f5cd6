"""Forks: another run from the beginning of a run, with its last reply changed. What was paid is not paid again."""

from __future__ import annotations

from typing import Any

from support.desk import BILLING, REFUND, Support, Ticket, runner

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.kernel import inputs
from fsm_orch.store import Origin

DONE_ = {"handoff": "done", "invoice": "I7", "answer": "Paid in May."}


async def parent(*script: Any, query: str = "please", **options: Any) -> MemoryStore:
    """Return a store with a run `p` that has come as far as its models let it."""
    store = MemoryStore(**options)
    await runner(*script, store=store).run(Ticket(query=query), run_id="p")
    return store


async def test_a_fork_goes_on_from_the_cut_with_another_handoff() -> None:
    """Its prefix is its parent's, what that paid is in its ledger, and it sends only what comes after the cut."""
    store = await parent(BILLING, DONE_)
    whole = await store.load("p")
    model = ScriptedModel([])
    it: Any = Runner(Support, model=model, store=store)
    settled = sum(1 for event in whole[:4] if isinstance(event, inputs.CallSettled))
    made = await it.fork("p", at=4, handoff=Support.resolved, new_id="f")
    result = await it.resume("f")

    assert ("f", 1, 4) == (made, settled, len(result.journal))
    assert (Support.answered, ["triage"]) == (result.state, [hop.source for hop in result.path])
    assert settled_of(whole[:4]) == result.charged_tokens
    assert [] == model.requests
    assert whole == await store.load("p")
    assert whole[1:3] == result.journal[1:3]


async def test_a_fork_asks_what_comes_after_the_cut() -> None:
    """Another value in the last reply is what later agents read, and what they write is the fork's alone."""
    store = await parent(BILLING, REFUND)
    model = ScriptedModel([{"handoff": "done", "invoice": None, "answer": "Not ours."}])
    it: Any = Runner(Support, model=model, store=store)
    fork = await it.fork("p", at=7, sets={Ticket.invoice: "broken"})
    result = await it.resume(fork)
    (row,) = await store.list(run_id=fork)

    # the refund of "broken" fails, whose edge leads back to billing
    assert (Support.answered, "Not ours.", 1) == (result.state, result.context.answer, len(model.requests))
    assert Origin("p", 7, ("set.invoice",)) == row.origin
    assert ["triage", "billing", "verify", "refund", "billing"] == [hop.source for hop in result.path]
