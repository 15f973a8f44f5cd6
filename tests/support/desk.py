"""The machine that most tests of the kernel and the runner use; small enough to know by heart."""

from __future__ import annotations

import asyncio
from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State, Visit, guard
from fsm_orch.agents.base import Reply


class Ticket(Context):
    """A customer's question."""

    query: str
    invoice: str | None = None
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


async def check_identity(visit: Visit[Ticket]) -> Any:
    """Believe whoever says please; hang, crash or write a wrong field if the query says so."""
    query = visit.context.query
    if "hang" in query:
        await asyncio.sleep(1_000)
    if "crash" in query:
        raise ValueError("password=hunter2")
    if "nonsense" in query:
        return {Ticket.answer: "not mine to write"}
    return {Ticket.verified: "please" in query}


def issue_refund(visit: Visit[Ticket]) -> Any:
    if visit.context.invoice == "broken":
        raise RuntimeError("the bank is closed")
    return Reply(Support.refunded, {Ticket.answer: f"Refunded {visit.context.invoice}."})


class Support(Machine[Ticket]):
    """Answer a shop's customers, or land with a human."""

    triage = State(
        LLMAgent("Decide who owns the query.", reads=(Ticket.query,), max_input_tokens=600, max_output_tokens=100),
        initial=True,
    )
    billing = State(
        LLMAgent(
            "Answer billing questions.",
            must_not=("give technical advice",),
            reads=(Ticket.query,),
            writes=(Ticket.invoice, Ticket.answer),
            max_input_tokens=800,
            max_output_tokens=200,
        ),
        max_visits=2,
    )
    verify = State(check_identity, reads=(Ticket.query,), writes=(Ticket.verified,))
    refund = State(issue_refund, reads=(Ticket.invoice,), writes=(Ticket.answer,))
    answered = Final()
    human = Final(fallback=True, sets={Ticket.answer: "A colleague will get back to you."})

    to_billing = triage.to(billing, "invoices, payments, refunds")
    resolved = triage.to(answered, "nothing to do")
    back = billing.to(triage, "not a billing question")
    to_verify = billing.to(verify, "the customer wants money back")
    done = billing.to(answered, "the question is answered")
    approved = verify.to(refund, guard=is_verified)
    refunded = refund.to(answered)
    no_refund = refund.on_failure(billing)
    unsure = verify.on_timeout(billing)

    limits = Limits(hops=6, tokens=10_000, deadline_s=60)


BILLING = {"handoff": "to_billing"}
REFUND = {"handoff": "to_verify", "invoice": "I7", "answer": None}


def runner(*script: Any, **options: Any) -> Runner[Ticket, None]:
    """Make a runner of the machine on a script of its models' replies."""
    return Runner(Support, model=ScriptedModel(script), **options)
