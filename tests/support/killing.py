"""Machines whose runs are killed: one that pays, and one with branches, tools and a human."""

from __future__ import annotations

import json
from pathlib import Path

from fsm_orch import Context, Final, Given, HumanAgent, Limits, LLMAgent, Machine, Parallel, State, Tool, Visit, guard


class Bank:
    """What was paid, in a file, which survives its process.

    Args:
        file: of what was paid.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def pay(self, key: str, cents: int) -> None:
        """Pay, without asking whether it was paid already."""
        with self._file.open("ab", buffering=0) as file:
            file.write((json.dumps([key, cents]) + "\n").encode())

    def payments(self) -> list[str]:
        """Return the keys of all payments."""
        return [json.loads(line)[0] for line in self._file.read_text().splitlines()] if self._file.exists() else []


class Order(Context):
    """What somebody orders."""

    text: str
    pieces: int = 0
    receipt: str | None = None
    was_paid: bool = False
    answer: str | None = None


def pay(visit: Visit[Order, Bank]) -> dict[object, object]:
    """Pay for it."""
    visit.deps.pay(visit.key, visit.context.pieces)
    return {Order.receipt: visit.key}


def ask_the_bank(visit: Visit[Order, Bank]) -> dict[object, object]:
    """Find out whether the visit before has paid."""
    run_id, _, hops = visit.key.rpartition(":")
    return {Order.was_paid: f"{run_id}:{int(hops) - 1}" in visit.deps.payments()}


@guard
def was_paid(order: Order) -> bool:
    """Whether the bank knows of the payment."""
    return order.was_paid


class Shop(Machine[Order, Bank]):
    """Take an order, pay for it, and ask the bank if nobody knows whether that was done."""

    triage = State(LLMAgent("Decide what this is.", reads=Order.text), initial=True)
    quote = State(LLMAgent("Say how many pieces.", reads=Order.text, writes=Order.pieces))
    pay = State(pay, reads=Order.pieces, writes=Order.receipt, max_visits=2)
    reconcile = State(ask_the_bank, writes=Order.was_paid, max_visits=2, repeatable=True)
    thank = State(LLMAgent("Thank them.", reads=Order.text, writes=Order.answer))
    done = Final()
    human = Final(fallback=True)
    to_quote = triage.to(quote, "an order")
    to_human = triage.to(human, "anything else")
    to_pay = quote.to(pay)
    paid = pay.to(thank)
    unsure = pay.on_failure(reconcile)
    it_was = reconcile.to(thank, guard=was_paid)
    again = reconcile.to(pay)
    said = thank.to(done)
    limits = Limits(hops=9, tokens=30_000)


class Trip(Context):
    """What a traveller wants."""

    wish: Given[str] = "fjords"
    flight: str | None = None
    hotel: str | None = None
    seat: str | None = None
    note: str | None = None


def hold_a_seat(visit: Visit[Trip, Bank]) -> dict[object, object]:
    """Hold a seat, which costs."""
    visit.deps.pay(visit.key, 1)
    return {Trip.seat: "12A"}


def look_up(city: str) -> str:
    """Look up a city."""
    return f"{city} is by the sea"


def book(name: str, key: str, deps: Bank) -> str:
    """Book what was found, in this name."""
    deps.pay(key, 100)
    return f"booked for {name}"


def _booking(*, tool_first: bool = False) -> LLMAgent:
    """Return a model that looks up and books, the latter once a human lets it."""
    return LLMAgent(
        "Book the trip.",
        reads=Trip.wish,
        writes=Trip.note,
        tools=(Tool(look_up, repeatable=True), Tool(book, approval=True)),
        tool_first=tool_first,
        calls=6,
        asks=3,
    )


class Office(Machine[Trip, Bank]):
    """Two models and code at once, then a model with tools, one of which a human approves, then a human."""

    find = State(
        Parallel(
            flight=LLMAgent("Find a flight.", reads=Trip.wish, writes=Trip.flight),
            hotel=LLMAgent("Find a hotel.", reads=Trip.wish, writes=Trip.hotel),
            seat=State(hold_a_seat, writes=Trip.seat),
            join=2,
        ),
        initial=True,
    )
    agree = State(HumanAgent("Is this your trip?", reads=Trip.wish))
    buy = State(_booking())
    done, declined = Final(), Final()
    human = Final(fallback=True)
    found = find.to(agree)
    yes, no = agree.to(buy, "yes"), agree.to(declined, "no")
    booked = buy.to(done)
    limits = Limits(hops=6, tokens=80_000)


class Counter(Machine[Trip, Bank]):
    """A model that books, as often as a human lets it."""

    buy = State(_booking(tool_first=True), initial=True)
    done = Final()
    human = Final(fallback=True)
    booked = buy.to(done)
    limits = Limits(hops=3, tokens=80_000)
