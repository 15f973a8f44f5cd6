"""A desk inside a desk: one reads where to and finds a seat; where it ends decides whether a room is looked for."""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel
from world import ROOMS, SEATS, SORRY


class Trip(TypedDict, total=False):
    wish: str
    city: str
    flight: str | None
    answer: str


class Goal(BaseModel):
    city: Literal["Lisbon", "Oslo", "Rome"]


def flights(model: Any) -> Any:
    """Return the inner graph."""

    async def read(state: Trip) -> Trip:
        said = await model.with_structured_output(Goal).ainvoke(f"Where to?\n{state['wish']}")
        return {"city": said.city}

    async def search(state: Trip) -> Trip:
        return {"flight": SEATS.get(state["city"])}

    building = StateGraph(Trip)
    building.add_node(read)
    building.add_node(search)
    building.add_edge(START, "read")
    building.add_edge("read", "search")
    building.add_edge("search", END)
    return building.compile()


def has_seat(state: Trip) -> Literal["stay", "sorry"]:
    return "stay" if state["flight"] else "sorry"


async def stay(state: Trip) -> Trip:
    return {"answer": f"{state['flight']}, {ROOMS[state['city']]}"}


async def sorry(state: Trip) -> Trip:
    return {"answer": SORRY}


def graph(model: Any) -> Any:
    """Return the outer graph."""
    building = StateGraph(Trip)
    building.add_node("fly", flights(model))
    building.add_node(stay)
    building.add_node(sorry)
    building.add_edge(START, "fly")
    building.add_conditional_edges("fly", has_seat)
    building.add_edge("stay", END)
    building.add_edge("sorry", END)
    return building.compile()


async def run(model: Any, wish: str) -> str | None:
    """Return the answer."""
    state = await graph(model).ainvoke({"wish": wish})
    return state.get("answer")
