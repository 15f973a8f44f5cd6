"""Right uses of the public face: read by type checkers, executed by nobody. Each line must pass."""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_type

import fsm_orch
from fsm_orch import (
    Context,
    ExamplesAgent,
    Final,
    Given,
    Handoff,
    Hop,
    HumanAgent,
    KeywordAgent,
    Landing,
    Limits,
    LLMAgent,
    Machine,
    Map,
    MemoryStore,
    Message,
    Nested,
    Parallel,
    Preset,
    Reply,
    Runner,
    RunResult,
    RunStream,
    ScriptedModel,
    State,
    TextDelta,
    Tool,
    Usage,
    Visit,
    Window,
    after,
    all_of,
    any_of,
    at_most,
    eventually,
    guard,
    never,
    not_,
)
from fsm_orch.define import Guard, Policy
from fsm_orch.errors import Finding
from fsm_orch.models import Model
from fsm_orch.observe import Observer
from fsm_orch.store import Store


class Ticket(Context):
    """What the agents of the shop share."""

    query: str
    locale: Given[str] = "en"
    tries: Preset[int] = 0
    invoice: str | None = None
    verified: bool = False
    answer: str | None = None


@dataclass(frozen=True)
class Shop:
    """What the agents of the shop depend on."""

    name: str

    async def refund(self, invoice: str | None, *, key: str) -> str:
        return f"{self.name} gave {invoice} back ({key})."


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


@guard
def has_invoice(ticket: Ticket) -> bool:
    return ticket.invoice is not None


def check_identity(visit: Visit[Ticket]) -> dict[object, object]:
    assert_type(visit.deps, None)
    assert_type(visit.context, Ticket)
    assert_type(visit.context.query, str)
    assert_type(visit.context.locale, str)
    assert_type(visit.context.tries, int)
    assert_type(visit.messages, tuple[Message, ...])
    assert_type(visit.seconds_left(), float)
    return {Ticket.verified: True}


async def issue_refund(visit: Visit[Ticket]) -> Reply:
    return Reply(changes={"answer": f"Refunded {visit.context.invoice}."})


class Support(Machine[Ticket]):
    """Answer a shop's customers, or land with a human."""

    triage = State(LLMAgent("Decide who owns the query.", reads=Ticket.query, does="routing"), initial=True)
    billing = State(
        LLMAgent(
            "Answer billing questions.",
            does=("invoices", "payments"),
            must_not=("give technical advice",),
            reads=(Ticket.query,),
            writes=(Ticket.invoice, Ticket.answer),
            model="local:smollm2",
            window=Window(),
        ),
        max_visits=2,
    )
    search = State(LLMAgent("Find a product.", reads=(Ticket.query,), writes=(Ticket.answer,)), timeout_s=5)
    verify = State(check_identity, reads=Ticket.query, writes=Ticket.verified)
    refund = State(issue_refund, reads=(Ticket.invoice,), writes=(Ticket.answer,), attempts=2)
    answered = Final()
    human = Final(fallback=True, sets={Ticket.answer: "A colleague will get back to you.", Ticket.verified: False})

    to_billing = triage.to(billing, "invoices, payments, refunds")
    to_search = triage.to(search, "looking for a product")
    back = billing.to(triage, "not a billing question")
    to_verify = billing.to(verify, "the customer wants money back", guard=has_invoice & ~is_verified)
    approved = verify.to(refund, guard=is_verified)
    done = (search | billing | refund).to(answered, "the question is answered")
    no_refund = refund.on_failure(billing)
    late = (billing | search).on_timeout(human)
    refused = billing.on_refusal(human)

    limits = Limits(hops=6, tokens=10_000, cost_usd=Decimal("0.05"), deadline_s=60)
    model = "local:smollm2"
    policies = (
        never(refund).before(verify),
        never(refund | verify).after(answered | human),
        never(search | has_invoice).before(is_verified | triage),
        never(to_search, strict=True),
        at_most(2, search),
        eventually(answered | human),
        after(to_verify | to_billing).eventually(answered | done, strict=True),
    )


async def ask_shop(visit: Visit[Ticket, Shop]) -> Reply:
    assert_type(visit.deps, Shop)
    assert_type(visit.key, str)
    answer = await visit.deps.refund(visit.context.invoice, key=visit.key)
    return Reply(Refunds.done, {Ticket.answer: answer})


class Refunds(Machine[Ticket, Shop]):
    """A machine whose agents need a shop."""

    route = State(KeywordAgent(Ticket.query, {}, otherwise=Final()), initial=True)
    alike = State(
        ExamplesAgent(
            Ticket.query,
            {route: ("find a dress", "buy a dress"), Final(): {"late": "where is it?", "broken": ["it broke"]}},
            otherwise=route,
            threshold=0.4,
        )
    )
    ask = State(ask_shop, writes=(Ticket.answer,))
    answered = Final()
    human = Final(fallback=True)

    to_ask = route.to(ask)
    done = ask.to(answered)


def guards_compose_and_are_called(ticket: Ticket) -> None:
    assert_type(is_verified, Guard[Ticket])
    assert_type(is_verified & has_invoice, Guard[Ticket])
    assert_type(is_verified | ~has_invoice, Guard[Ticket])
    assert_type(not_(is_verified), Guard[Ticket])
    assert_type(all_of(is_verified, any_of(has_invoice, not_(is_verified))), Guard[Ticket])
    assert_type(is_verified(ticket), bool)


def parts_are_joined_for_policies() -> None:
    assert_type((Support.triage | Support.billing).to(Support.human, "give up"), Handoff)
    assert_type(never(Support.refund).before(Support.verify), Policy)
    assert_type(at_most(2, is_verified | has_invoice), Policy)


def parts_of_a_machine_are_plain_values() -> None:
    assert_type(Support.triage, State)
    assert_type(Support.answered, Final)
    assert_type(Support.done, Handoff)
    assert_type(Support.limits, Limits)
    assert_type(Support.definition.digest, str)


async def a_run_gives_the_context_it_was_given(ticket: Ticket, seen: list[object]) -> None:
    observer: Observer = seen.append
    store: Store = MemoryStore(runs=10)
    model: Model = ScriptedModel([{"handoff": "to_search"}, {"answer": "Here.", "handoff": "done"}])
    runner = Runner(Support, model=model, limits=Limits(hops=3), observers=(observer,), store=store)
    assert_type(runner, Runner[Ticket, None])

    result = await runner.run(ticket, thread_id="t-1", messages=(Message(role="user", content="hello"),))
    assert_type(result, RunResult[Ticket])
    assert_type(result.context, Ticket)
    assert_type(result.context.answer, str | None)
    assert_type(result.path, tuple[Hop, ...])
    assert_type(result.usage, Usage)
    assert_type(result.landing, Landing | None)
    assert_type(result.cost_usd, Decimal | None)
    assert_type(result.state, State | Final)
    assert_type(result.state is Support.answered, bool)


def a_sync_run_gives_the_same(ticket: Ticket) -> None:
    assert_type(Runner(Support).run_sync(ticket).context, Ticket)
    assert_type(Runner(Support).run_sync(ticket, deps=None).context, Ticket)
    assert_type(Runner(Refunds).run_sync(ticket, deps=Shop("corner shop")).context, Ticket)


async def dependencies_are_given_where_they_are_declared(ticket: Ticket) -> None:
    runner = Runner(Refunds)
    assert_type(runner, Runner[Ticket, Shop])
    assert_type(await runner.run(ticket, deps=Shop("corner shop"), run_id="r-1"), RunResult[Ticket])


async def a_stream_gives_records_and_the_result(ticket: Ticket) -> None:
    async with Runner(Support).stream(ticket, trace_id="t-1") as records:
        assert_type(records, RunStream[Ticket])
        async for event in records:
            if isinstance(event, TextDelta):
                assert_type(event.text, str)
            else:
                assert_type(event.stamp.run_id, str)
        result = await records.result()
    assert_type(result.context, Ticket)
    async with Runner(Refunds).stream(ticket, deps=Shop("corner shop")) as records:
        assert_type((await records.result()).context.verified, bool)


def errors_carry_values() -> None:
    try:
        Runner(Support)
    except fsm_orch.DefinitionError as error:
        assert_type(error.findings, tuple[Finding, ...])
    except fsm_orch.CallFailed as error:
        assert_type(error.reason, str)
        assert_type(error.unsent, bool)


def longest(values: tuple[str, ...]) -> str:
    return max(values, key=len)


class Trip(Context):
    """What travel desks share."""

    wish: str
    wishes: Given[tuple[str, ...]] = ()
    answers: tuple[str | None, ...] = ()
    flight: str | None = None
    hotel: str | None = None


class Flights(Machine[Ticket]):
    """A desk that runs inside another."""

    find = State(LLMAgent("Find a flight.", reads=Ticket.query, writes=Ticket.answer), initial=True)
    booked, sold_out, none = Final(), Final(), Final(fallback=True)
    found, late = find.to(booked, "there is one"), find.to(sold_out, "there is none")


class Travel(Machine[Trip]):
    """A desk of desks."""

    stay = State(
        Parallel(
            LLMAgent("Find a hotel.", reads=Trip.wish, writes=Trip.hotel),
            State(LLMAgent("Find an inn.", reads=Trip.wish, writes=Trip.hotel), timeout_s=5),
            Nested(Flights, give={Ticket.query: Trip.wish}, take={Trip.hotel: Ticket.answer}),
            join=2,
            tolerate=True,
            merge={Trip.hotel: longest},
            mine=LLMAgent("Find a tent.", reads=Trip.wish, writes=Trip.hotel),
        )
    )
    sorry = Final()
    fly = State(
        Nested(
            Flights,
            give={Ticket.query: Trip.wish},
            take={Trip.flight: Ticket.answer},
            ends={Flights.booked: stay, Flights.sold_out: sorry},
        ),
        initial=True,
    )
    race = State(
        Parallel(LLMAgent("Say it.", writes=Trip.hotel), LLMAgent("Say it in French.", writes=Trip.hotel), join="first")
    )
    each = State(Map(Flights, over=Trip.wishes, item=Ticket.query, into=Trip.answers, result=Ticket.answer, most=3))
    ask = State(HumanAgent("Book it?", reads=(Trip.flight, Trip.hotel), writes=Trip.hotel), expires_s=60)
    planned, human = Final(), Final(fallback=True)
    to_stay, to_sorry = fly.to(stay), fly.to(sorry)
    flow = stay >> race >> each >> ask
    yes, no = ask.to(planned, "book it"), ask.to(human, "do not")
    policies = (never(planned).before(yes), never(each).before(flow))


async def a_run_that_waits_is_answered(trip: Trip) -> None:
    runner = Runner(Travel, store=MemoryStore())
    result = await runner.run(trip)
    assert_type(result.status is result.status, bool)
    for question in result.waiting:
        assert_type(question.text, str)
    assert_type(await runner.resume(result.run_id, Travel.yes), RunResult[Trip])
    assert_type(await runner.resume(result.run_id, {"handoff": Travel.yes, Trip.hotel: "Inn"}), RunResult[Trip])
    assert_type((await runner.replay_run(result.run_id)).result, RunResult[Trip])


def order_status(order: int, *, deps: Shop) -> str:
    """Return where an order is."""
    return f"order {order}"


async def refund(cents: int, key: str) -> Message:
    """Pay money back."""
    return Message(role="user", content=key)


class Manager(Machine[Trip, Shop]):
    """A model with tools."""

    one = State(LLMAgent("Help.", tools=order_status, reads=Trip.wish, writes=Trip.hotel), initial=True)
    some = State(
        LLMAgent(
            "Help.",
            tools=(
                order_status,
                Flights,
                Tool(Support, most=2, most_chars=200),
                Tool(refund, approval=True, timeout_s=2.5, attempts=2, repeatable=True),
                Tool(order_status, choices={"order": Trip.wishes}, thread=True),
            ),
            tool_first=True,
            calls=6,
            asks=3,
        )
    )
    planned, human = Final(), Final(fallback=True)
    flow = one >> some >> planned
