"""What runs inside one state: branches that write a field, and a machine that finds flights."""

from __future__ import annotations

from typing import Any

from fsm_orch import (
    Context,
    Final,
    Given,
    Limits,
    Machine,
    Reply,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
    guard,
)
from fsm_orch.agents import AgentSpec, Changes, PlainAgent
from fsm_orch.define.context import field_refs
from fsm_orch.kernel.records import Answered


class Report(Context):
    """What branches write."""

    topic: str
    urls: Given[tuple[str, ...]] = ()
    news: str | None = None
    papers: str | None = None
    words: int = 0
    notes: tuple[str, ...] = ()


class Page(Context):
    """What is read of one address."""

    url: str
    topic: str = "none"
    note: str | None = None


def joined(values: tuple[str, ...]) -> str:
    """Join texts."""
    return " ".join(values)


class Broken(Exception):
    """What a branch raises."""


def rest(visit: Visit[Any]) -> None:
    """Do nothing."""


def note(visit: Visit[Page]) -> Changes:
    """Write the address in capitals."""
    if visit.context.url == "bad":
        raise Broken
    return {Page.note: visit.context.url.upper()}


class Writes(PlainAgent):
    """A branch that writes a field, or raises."""

    def __init__(self, field: Any, value: Any, *, wrong: bool) -> None:
        self.value, self.wrong, (self.field,) = value, wrong, field_refs(field)
        self.spec = AgentSpec(
            kind="code",
            name="Writes",
            reads=field_refs(Report.topic),
            writes=(self.field,),
            canonical={"value": value, "wrong": wrong},
        )

    def begin(self, visit: Visit[Any]) -> Reply:
        if self.wrong:
            raise Broken
        topic = visit.context.topic
        return Reply(changes={self.field: self.value if self.value == 3 else f"{self.value} of {topic}"})


def writer(field: Any, value: object, *, wrong: bool = False) -> Writes:
    """Make a branch that writes a field, or raises."""
    return Writes(field, value, wrong=wrong)


def of(agent: Any, *, more: Limits | None = None) -> type[Machine[Report]]:
    """Make a machine of one state that an agent works in; what it fails leads to `lost`."""

    class Desk(Machine[Report]):
        """One state."""

        work = State(agent, initial=True)
        done, lost, human = Final(), Final(), Final(fallback=True)
        to_done = work.to(done)
        failed = work.on_failure(lost)
        limits = more or Limits(tokens=40_000)

    return Desk


async def run(agent: Any, *script: object, urls: tuple[str, ...] = (), more: Limits | None = None) -> RunResult[Report]:
    """Run a machine of one state."""
    model = ScriptedModel(list(script))  # type: ignore[arg-type]
    return await Runner(of(agent, more=more), model=model).run(Report(topic="tea", urls=urls))


def ends(result: RunResult[Any]) -> dict[int, str | None]:
    """Return how each ask of the run itself ended."""
    return {r.ask: r.end for r in result.records if isinstance(r, Answered) and not r.stamp.path}


class Trip(Context):
    """A trip."""

    wish: str
    flight: str | None = None
    price: int = 0


@guard
def is_dear(trip: Trip) -> bool:
    return trip.price > 100


def find(visit: Visit[Trip]) -> Changes:
    """Find a flight that costs as much as its wish has letters, times ten."""
    if not visit.context.wish:
        raise Broken
    return {Trip.flight: f"to {visit.context.wish}", Trip.price: 10 * len(visit.context.wish)}


class Flights(Machine[Trip]):
    """A desk."""

    search = State(find, reads=Trip.wish, writes=(Trip.flight, Trip.price), initial=True)
    booked, dear, none = Final(), Final(), Final(fallback=True)
    too_dear = search.to(dear, guard=is_dear)
    found = search.to(booked)
