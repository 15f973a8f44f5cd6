"""Versions of a trip that runs a machine inside, asks a human and uses tools."""

from __future__ import annotations

from typing import Any

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, Nested, State, Tool, guard

TRIP = """
class Fare(Context):
    city: str
    cents: int | None = None
class Trip(Context):
    city: str
    cents: int | None = None
    amount: int | None = None
    ok: bool = False
def look(visit): return {Fare.cents: 1}
def book(visit): return None
def price_of(city: str) -> str:
    "Return a price."
    return "1"
def rate_of(city: str) -> str:
    "Return a rate."
    return "2"
LIMIT = 200 if "threshold" in V else 100
@guard
def is_dear(t: Trip) -> bool: return t.amount is not None and t.amount > LIMIT
RATES = () if "tool" in V else (Tool(rate_of, repeatable="again" in V),)
class Fares(Machine[Fare]):
    "Find a fare."
    ask = State(LLMAgent("Find it well." if "inner_prompt" in V else "Find it.", reads=Fare.city, writes=Fare.cents),
                initial=True)
    if "inner_gone" not in V: check = State(look, writes=Fare.cents)
    found = Final()
    lost = Final(fallback=True)
    limits = Limits(tokens=3_000 if "inner_less" in V else 10_000)
    if "inner_gone" in V: done = ask.to(found, "found")
    else:
        to_check = ask.to(check, "found")
        done = check.to(found)
class Book(Machine[Trip]):
    "Book a trip."
    fly = State(Nested(Fares, writes=Trip.cents), initial=True)
    advise = State(LLMAgent("Advise.", reads=Trip.city, writes=Trip.amount,
                            tools=(Tool(price_of, approval="approval" in V), *RATES)))
    agree = State(HumanAgent("Book that?" if "question" in V else "Book it?", reads=Trip.city,
                             writes=Trip.ok if "form" in V else ()), expires_s=60)
    final = State(book)
    booked = Final()
    no = Final(fallback=True)
    flown = fly.to(advise)
    advised = advise.to(agree, "it is cheap", guard=~is_dear)
    dear = advise.to(no, "it is dear", guard=is_dear)
    yes, decline = agree.to(final, "book"), agree.to(no, "leave it")
    late = agree.on_timeout(no)
    done = final.to(booked)
    limits = Limits(hops=8, tokens=60_000)
"""


def trip(*changes: str) -> Any:
    """Return the trip with some changes; each time another class, as in another process."""
    kinds = (Context, Final, HumanAgent, Limits, LLMAgent, Machine, Nested, State, Tool)
    names: dict[str, Any] = {
        **{each.__name__: each for each in kinds},
        "guard": guard,
        "V": changes,
        "__name__": "elsewhere" if "moved" in changes else "trip",
    }
    exec(TRIP, names)
    return names["Book"]
