"""Machines that are explored, and what tests read of an exploration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.brute import Flags
from support.desk import Ticket, is_verified

from fsm_orch import Final, Limits, LLMAgent, Machine, State, eventually, never
from fsm_orch.proof.explore.exploration import Exploration
from fsm_orch.proof.explore.trace import Trace


def traces(found: Exploration) -> Iterator[Trace]:
    """Yield every trace that an exploration shows."""
    yield from found.reached.values()
    yield from (
        most.trace for most in (found.measures.hops, found.measures.tokens, found.measures.cost, found.measures.calls)
    )
    yield from (judged.trace for judged in found.policies if judged.trace)


def act(visit: Any) -> None:
    """Do nothing: no agent is called here."""


def verdicts(found: Exploration) -> list[str]:
    return [judged.verdict for judged in found.policies]


class Careless(Machine[Ticket]):
    """Refund whoever asks twice."""

    triage = State(LLMAgent("Route.", reads=(Ticket.query,), max_input_tokens=80, max_output_tokens=20), initial=True)
    verify = State(act, writes=(Ticket.verified,), max_visits=2)
    refund = State(act, writes=(Ticket.answer,))
    answered, human = Final(), Final(fallback=True)
    to_verify = triage.to(verify, "the customer wants money back")
    hurry = triage.to(refund, "the customer is angry")
    approved = verify.to(refund, guard=is_verified)
    again = verify.to(triage)
    done = refund.to(answered)
    limits = Limits(hops=6, tokens=10_000)
    policies = (never(refund).before(verify), never(refund).before(is_verified), eventually(answered))


class Dear(Machine[Flags]):
    """The dear state fits only where a call used nothing."""

    cheap = State(LLMAgent("a", calls=1, max_input_tokens=30, max_output_tokens=10), initial=True)
    dear = State(LLMAgent("b", calls=1, max_input_tokens=60, max_output_tokens=10))
    done, human = Final(), Final(fallback=True)
    on = cheap.to(dear, "on")
    off = cheap.to(done, "off")
    end = dear.to(done, "end")
    limits = Limits(hops=3, tokens=110)
