"""Machines whose journals are kept: together they can end in every way, and leave every kind of record.

What their functions do is chosen by words of the query. What changes in here changes digests, and stored journals are
recorded anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from fsm_orch import (
    Context,
    Final,
    Given,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    Preset,
    Price,
    Reply,
    State,
    Visit,
    at_most,
    guard,
    never,
)
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.limits import CallLimits


class Topic(Enum):
    MONEY = "money"
    OTHER = "other"


class Ticket(Context):
    """What a customer wants."""

    query: str
    locale: Given[str] = "en"
    notes: Preset[tuple[str, ...]] = ()
    tags: frozenset[str] = frozenset()
    topic: Topic = Topic.OTHER
    amount: Annotated[int, Field(ge=0, description="in cents")] = 0
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


@guard
def is_dear(ticket: Ticket) -> bool:
    return 100 // ticket.amount < 10  # raises without an amount


@guard
def goes_back(ticket: Ticket) -> bool:
    return "back" in ticket.query


@guard
def is_stuck(ticket: Ticket) -> bool:
    return "stuck" in ticket.query


async def check(visit: Visit[Ticket]) -> dict[Any, Any]:
    said = visit.context.query
    if "fails always" in said or ("fails once" in said and visit.attempt == 1):
        raise RuntimeError("what is told to nobody")
    if "slow" in said:
        await asyncio.sleep(100)
    return {Ticket.verified: "please" in said, Ticket.amount: said.count("!"), Ticket.topic: Topic.MONEY}


def pay(visit: Visit[Ticket]) -> dict[Any, Any]:
    return {
        Ticket.answer: "It is on its way.",
        Ticket.tags: frozenset({"paid"}),
        Ticket.notes: (*visit.context.notes, "paid"),
    }


async def work(visit: Visit[Ticket]) -> dict[Any, Any] | None:
    said = visit.context.query
    if "fails always" in said:
        raise ValueError("what is told to nobody")
    if "slow" in said:
        await asyncio.sleep(100)
    return {Ticket.amount: 3} if "more" in said else None


CAPS: dict[str, Any] = {"max_input_tokens": 1_000, "max_output_tokens": 100}


class Desk(Machine[Ticket]):
    """Route, check, pay and answer, with an edge for every failure."""

    triage = State(LLMAgent("Route it.", reads=Ticket.query, **CAPS), max_visits=2)
    billing = State(
        LLMAgent("Answer it.", must_not="promise money", reads=Ticket.query, writes=Ticket.answer, calls=3, **CAPS),
        max_visits=2,
        timeout_s=5,
    )
    verify = State(check, reads=Ticket.query, writes=(Ticket.verified, Ticket.amount, Ticket.topic), attempts=2)
    refund = State(pay, reads=(Ticket.query, Ticket.notes), writes=(Ticket.answer, Ticket.tags, Ticket.notes))
    remark = State(LLMAgent("Say thank you.", reads=(Ticket.query, Ticket.locale), calls=1, **CAPS))
    words = State(KeywordAgent(Ticket.query, {verify: ("refund", "money")}, otherwise=triage), initial=True)
    answered = Final()
    human = Final(fallback=True, sets={Ticket.answer: "A colleague will get back to you."})

    is_money = words.to(verify)
    unclear = words.to(triage)
    to_billing = triage.to(billing, "invoices")
    to_remark = triage.to(remark, "a remark")
    to_human = triage.to(human, "anything else")
    no_route = triage.on_failure(human)
    done = billing.to(answered, "the question is answered")
    back = billing.to(triage, "not a billing question")
    unread = billing.on_refusal(human)
    late = billing.on_timeout(remark)
    dear = verify.to(human, guard=is_dear)
    approved = verify.to(refund, guard=is_verified)
    refused = verify.to(remark)
    broken = verify.on_failure(remark)
    thanked = remark.to(answered, "thanks are said")
    paid = refund.to(answered)

    limits = Limits(hops=7, tokens=20_000, cost_usd="1", deadline_s=60)
    policies = (never(refund).before(verify), at_most(2, billing))


class Bare(Machine[Ticket]):
    """Ask and work in turn, with no edge for any failure, so that every failure lands."""

    ask = State(LLMAgent("Choose.", reads=Ticket.query, **CAPS), initial=True, max_visits=3)
    act = State(work, reads=Ticket.query)
    answered = Final()
    human = Final(fallback=True)

    to_act = ask.to(act, "work on it")
    over = ask.to(answered, "nothing to do")
    again = act.to(ask, guard=goes_back)
    stuck = act.to(answered, guard=~is_stuck)

    limits = Limits(hops=8, tokens=20_000)


class Patient(Machine[Ticket]):
    """Be asked until a reply fits."""

    ask = State(
        LLMAgent("Fill it in.", reads=Ticket.query, writes=(Ticket.answer, Ticket.amount), calls=20, **CAPS),
        initial=True,
        timeout_s=30,
    )
    answered = Final()
    human = Final(fallback=True)

    done = ask.to(answered, "it is filled in")
    far = ask.to(human, "never", guard=is_verified & is_stuck)

    limits = Limits(hops=2, tokens=50_000, deadline_s=60)


class Asker:
    """An agent that must ask before it decides: a human, a tool, or a machine."""

    spec = AgentSpec(
        kind="code",
        name="Asker",
        writes=(Ticket.answer,),
        calls=3,
        call_limits=CallLimits(max_input_tokens=2_000, max_output_tokens=500),
        attempts=2,
        parts=(Part(name="bare", definition=Bare.definition, most=2),),
        tools=(ToolSpec(name="look_up"), ToolSpec(name="pay", approval=True)),
        asks_human=True,
        asks=4,
        must_ask=True,
        canonical={},
    )

    async def act(self, visit: Visit[Ticket]) -> Reply:
        """Return nothing; journals say what it does."""
        return Reply()


class Waits(Machine[Ticket]):
    """Wait for a human, a tool, or a machine inside."""

    ask = State(Asker(), initial=True)
    answered = Final()
    human = Final(fallback=True)

    done = ask.to(answered)

    limits = Limits(hops=3, tokens=20_000, cost_usd="0.1")


PRICE = Price(Fraction(3), Fraction(15))
"""In dollars per million tokens."""

MACHINES: Mapping[str, type[Machine[Any]]] = {machine.__name__: machine for machine in (Desk, Bare, Patient, Waits)}


def compiled(name: str, limits: Limits | None = None) -> CompiledMachine:
    """Return a machine as its journals were recorded on it: with a price for every agent, in parts too."""
    definition = MACHINES[name].definition
    inner = {
        f"{state.name}.{part.name}.{deeper}": PRICE
        for state in definition.states.values()
        for part in state.spec.parts
        for deeper in part.definition.states
    }
    return CompiledMachine(definition, limits=limits, prices=dict.fromkeys(definition.states, PRICE) | inner)
