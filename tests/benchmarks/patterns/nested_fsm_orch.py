"""A desk inside a desk: one reads where to and finds a seat; where it ends decides whether a room is looked for."""

from typing import Any, Literal

from world import ROOMS, SEATS, SORRY

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Nested, Runner, State, Visit, guard

City = Literal["Lisbon", "Oslo", "Rome"]


class Trip(Context):
    wish: str
    city: City | None = None
    flight: str | None = None
    answer: str | None = None


@guard
def has_seat(trip: Trip) -> bool:
    return trip.flight is not None


def find_seat(visit: Visit[Trip]) -> dict[Any, Any]:
    return {Trip.flight: SEATS.get(str(visit.context.city))}


def find_room(visit: Visit[Trip]) -> dict[Any, Any]:
    trip = visit.context
    return {Trip.answer: f"{trip.flight}, {ROOMS[str(trip.city)]}"}


class Flights(Machine[Trip]):
    """Find a seat."""

    read = State(LLMAgent("Where to?", reads=Trip.wish, writes=Trip.city), initial=True)
    search = State(find_seat, reads=Trip.city, writes=Trip.flight)
    found, sold_out, unclear = Final(), Final(), Final(fallback=True)
    asked = read >> search
    seat, no_seat = search.to(found, guard=has_seat), search.to(sold_out)
    limits = Limits(hops=2, tokens=4_608)


class Travel(Machine[Trip]):
    """Plan a trip."""

    stay = State(find_room, reads=(Trip.city, Trip.flight), writes=Trip.answer)
    sorry = Final(sets={Trip.answer: SORRY})
    fly = State(
        Nested(Flights, writes=(Trip.city, Trip.flight), ends={Flights.found: stay, Flights.sold_out: sorry}),
        initial=True,
    )
    planned, desk = Final(), Final(fallback=True)
    seat, no_seat = fly.to(stay), fly.to(sorry)
    done = stay >> planned


async def run(model: Any, wish: str) -> str | None:
    """Return the answer."""
    result = await Runner(Travel, model=model).run(Trip(wish=wish))
    return result.context.answer
