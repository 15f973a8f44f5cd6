"""Travel: desks inside a desk, two of them at once, and nothing is booked before the traveller confirms.

    read       a model reads where to
    fly        runs Flights and Hotels at once: a model reads on which day, code finds a seat and a room
    stay       runs Hotels alone, for who wants no flight
    ask        the traveller confirms, or does not; code books what was found, under one key

Each desk is a machine with limits and a proof of its own. It runs on a share of the tokens of the trip, so the worst
case of the whole is known. Do not use it where a part needs no limits of its own: put its states here. The local model
finds the city and the day that a wish names, and makes up what it does not.

Proved of every run: nothing is booked before the traveller confirms; who wants a hotel only is found no flight.

    fsm-orch check machines.travel
    fsm-orch run machines.travel:Travel "I would love to fly to Lisbon on Friday"
"""

from __future__ import annotations

import re
from typing import Literal

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, Preset, State, Visit, guard, never
from fsm_orch.agents import Changes, Nested, Parallel

City = Literal["Lisbon", "Oslo", "Rome", "Vienna"]
Day = Literal["Monday", "Wednesday", "Friday", "Sunday"]
SEATS = {"Lisbon": "TP 571", "Oslo": "SK 2652", "Vienna": "OS 226"}  # no seat to Rome is left
ROOMS = {"Lisbon": "Pensao Luz", "Oslo": "Hotel Nord", "Rome": "Albergo Sole", "Vienna": "Pension Donau"}


class Trip(Context):
    """A wish, and what comes of it."""

    wish: str
    city: City | None = None
    flight: Preset[str | None] = None  # who wants a hotel only has none
    hotel: str | None = None
    answer: str | None = None


class Search(Context):
    """What a desk knows: fields of these names cross from the trip, and back."""

    wish: str
    city: City
    day: Day | None = None
    flight: str | None = None
    hotel: str | None = None


def find_seat(visit: Visit[Search]) -> Changes:
    city, day = visit.context.city, visit.context.day
    return {Search.flight: f"{SEATS[city]} on {day}" if city in SEATS else None}


def find_room(visit: Visit[Search]) -> Changes:
    return {Search.hotel: ROOMS[visit.context.city]}


def book_all(visit: Visit[Trip]) -> Changes:
    trip = visit.context
    flight = f"{trip.flight} to {trip.city}, and " if trip.flight else ""
    return {Trip.answer: f"Booked under {visit.key}: {flight}{trip.hotel}."}


@guard
def wants_hotel_only(trip: Trip) -> bool:
    return re.search("hotel only|only a hotel|no flight", trip.wish.lower()) is not None


@guard
def has_seat(trip: Trip) -> bool:
    return trip.flight is not None


class Flights(Machine[Search]):
    """Find a seat on the day that suits the traveller."""

    when = State(
        LLMAgent("Which day?", does="read days", reads=Search.wish, writes=Search.day), initial=True, timeout_s=30
    )
    search = State(find_seat, reads=(Search.city, Search.day), writes=Search.flight, repeatable=True)
    looked, failed = Final(), Final(fallback=True)
    flow = when >> search >> looked
    limits = Limits(hops=2, tokens=4_608, deadline_s=40)


class Hotels(Machine[Search]):
    """Find a room."""

    search = State(find_room, reads=Search.city, writes=Search.hotel, repeatable=True, initial=True)
    looked, failed = Final(), Final(fallback=True)
    flow = search >> looked
    limits = Limits(hops=1, tokens=0)


class Travel(Machine[Trip]):
    """Plan a trip, and book it once the traveller confirms."""

    read = State(
        LLMAgent("Where to?", does="read wishes", reads=Trip.wish, writes=Trip.city), initial=True, timeout_s=30
    )
    fly = State(Parallel(Nested(Flights, writes=Trip.flight), Nested(Hotels, writes=Trip.hotel)))
    stay = State(Nested(Hotels, writes=Trip.hotel))
    ask = State(HumanAgent("Book this?", reads=(Trip.city, Trip.flight, Trip.hotel)))
    book = State(book_all, reads=(Trip.city, Trip.flight, Trip.hotel), writes=Trip.answer)
    booked, sorry = Final(), Final(sets={Trip.answer: "No seat to that city is left."})
    desk = Final(fallback=True, sets={Trip.answer: "Please call us, and we will plan it together."})

    by_air = read.to(fly, "a trip", guard=~wants_hotel_only)
    only_hotel = read.to(stay, "a hotel", guard=wants_hotel_only)
    seat, no_seat = fly.to(ask, guard=has_seat), fly.to(sorry)
    room = stay >> ask
    confirm, cancel = ask.to(book, "book it"), ask.to(desk, "do not book")
    done = book >> booked

    limits = Limits(hops=4, tokens=9_216)
    policies = (never(book).before(confirm), never(fly).after(only_hotel))
