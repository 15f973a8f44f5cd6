"""A desk inside a desk: one reads where to and finds a seat; where it ends decides whether a room is looked for."""

from typing import Any, Literal

from agents import Agent, Runner
from pydantic import BaseModel
from world import ROOMS, SEATS, SORRY


class Goal(BaseModel):
    city: Literal["Lisbon", "Oslo", "Rome"]


async def flights(model: Any, wish: str) -> tuple[str, str | None]:
    """Return where to, and the seat."""
    reader = Agent(name="reader", instructions="Where to?", model=model, output_type=Goal)
    result = await Runner.run(reader, wish, max_turns=1)
    city = result.final_output.city
    return city, SEATS.get(city)


async def run(model: Any, wish: str) -> str | None:
    """Return the answer."""
    city, flight = await flights(model, wish)
    return SORRY if flight is None else f"{flight}, {ROOMS[city]}"
