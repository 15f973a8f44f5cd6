"""Travel: desks inside a desk. One finds a flight, one a hotel, and nothing is booked before the traveller confirms.

    fly        runs Flights inside: a model reads where to, code finds a seat
    stay       runs Hotels inside, on a context of its own
    ask        the traveller confirms, or does not
    book       code books both, under one key

Each desk is a machine with limits and a proof of its own. It runs on a share of the tokens of the trip, so the worst
case of the whole is known, and it cannot take more than its share. Do not use it where a part needs no limits of its
own: put its states here. The local model finds the city that a wish names, and takes Lisbon where it names none.

Proved of every run: nothing is booked before the traveller confirms.

    fsm-orch check machines.travel
    fsm-orch run machines.travel:Travel "I would love to see Lisbon in May"
"""

from __future__ import annotations

from typing import Literal

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, Nested, State, Visit, guard, never
from fsm_orch.agents import Changes

City = Literal["Lisbon", "Oslo", "Rome", "Vienna"]
SEATS = {"Lisbon": "TP 571, 07:10", "Oslo": "SK 2652, 10:20", "Vienna": "OS 226, 18:05"}  # no seat to Rome is left
ROOMS = {"Lisbon": "Pensao Luz", "Oslo": "Hotel Nord", "Rome": "Albergo Sole", "Vienna": "Pension Donau"}


class Trip(Context):
    """A wish, and what comes of it."""

    wish: str
    city: City | None = None
    flight: str | None = None
    hotel: str | None = None
    answer: str | None = None


class Room(Context):
    """What the desk for hotels knows: the place, and not the traveller's words."""

    place: City
    hotel: str | None = None


def find_seat(visit: Visit[Trip]) -> Changes:
    return {Trip.flight: SEATS.get(str(visit.context.city))}


def find_room(visit: Visit[Room]) -> Changes:
    return {Room.hotel: ROOMS[visit.context.place]}


def book_both(visit: Visit[Trip]) -> Changes:
    trip = visit.context
    return {Trip.answer: f"Booked under {visit.key}: {trip.flight} to {trip.city}, and {trip.hotel}."}


@guard
def has_seat(trip: Trip) -> bool:
    return trip.flight is not None


class Flights(Machine[Trip]):
    """Find out where to, and a seat."""

    read = State(
        LLMAgent("Which city does the traveller want to see?", does="read wishes", reads=Trip.wish, writes=Trip.city),
        initial=True,
        timeout_s=30,
    )
    search = State(find_seat, reads=Trip.city, writes=Trip.flight, repeatable=True)
    found, sold_out, unclear = Final(), Final(), Final(fallback=True)

    asked = read >> search
    seat = search.to(found, guard=has_seat)
    no_seat = search.to(sold_out)
    limits = Limits(hops=2, tokens=4_608, deadline_s=40)


class Hotels(Machine[Room]):
    """Find a room."""

    search = State(find_room, reads=Room.place, writes=Room.hotel, repeatable=True, initial=True)
    found, full = Final(), Final(fallback=True)
    room = search >> found
    limits = Limits(hops=1, tokens=0)


class Travel(Machine[Trip]):
    """Plan a trip, and book it once the traveller confirms."""

    stay = State(Nested(Hotels, give={Room.place: Trip.city}, take={Trip.hotel: Room.hotel}))
    sorry = Final(sets={Trip.answer: "No seat to that city is left."})
    fly = State(
        Nested(Flights, writes=(Trip.city, Trip.flight), ends={Flights.found: stay, Flights.sold_out: sorry}),
        initial=True,
    )
    ask = State(HumanAgent("Book this?", reads=(Trip.city, Trip.flight, Trip.hotel)))
    book = State(book_both, reads=(Trip.city, Trip.flight, Trip.hotel), writes=Trip.answer)
    booked = Final()
    desk = Final(fallback=True, sets={Trip.answer: "Please call us, and we will plan it together."})

    seat = fly.to(stay)
    no_seat = fly.to(sorry)
    planned = stay >> ask
    confirm, cancel = ask.to(book, "book it"), ask.to(desk, "do not book")
    done = book >> booked

    limits = Limits(hops=4, tokens=4_608)
    policies = (never(book).before(confirm),)
