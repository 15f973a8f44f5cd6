"""Machines that run others inside them, whose time and outcome the caller says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fsm_orch import Context, Final, Machine, Nested, Parallel, Reply, State, Visit

STOPPED = list[str]()
"""The branches that were stopped, in order."""


class Trip(Context):
    """What crosses."""

    plan: str
    """By branch, seconds to take, and whether it ends well: `{"a": [1, true]}`; else 1 s, and it does."""
    a: str | None = None
    b: str | None = None
    c: str | None = None


async def planned(visit: Visit[Any]) -> Reply:
    """Do as planned, and write the field of the branch."""
    name = visit.state.name
    seconds, is_well = json.loads(visit.context.plan).get(name, [1, True])
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        STOPPED.append(name)
        raise
    if not is_well:
        raise ValueError(name)
    return Reply(changes={visit.state.spec.writes[0]: name})


async def a(visit: Visit[Any]) -> Reply:
    """Do as planned."""
    return await planned(visit)


async def b(visit: Visit[Any]) -> Reply:
    """Do as planned."""
    return await planned(visit)


async def c(visit: Visit[Any]) -> Reply:
    """Do as planned."""
    return await planned(visit)


def branches(*fields: Any) -> list[State]:
    """Make branches that write these fields."""
    return [
        State(act, reads=Trip.plan, writes=field, timeout_s=20) for act, field in zip((a, b, c), fields, strict=False)
    ]


def joined(values: tuple[str | None, ...]) -> str:
    """Make one value of all."""
    return " ".join(value for value in values if value)


def body(fan: Parallel | Nested, timeout_s: float | None = None) -> dict[str, Any]:
    """Make the states and handoffs of a machine that runs branches."""
    state = State(fan, initial=True, timeout_s=timeout_s)
    done, late, failed, human = Final(), Final(), Final(), Final(fallback=True)
    return {
        **{"fan": state, "done": done, "late": late, "failed": failed, "human": human},
        **{"on": state.to(done), "over": state.on_timeout(late), "broken": state.on_failure(failed)},
    }


class All(Machine[Trip]):
    """Three branches at once, all of which are needed; the parent has less time than they."""

    locals().update(body(Parallel(*branches(Trip.a, Trip.b, Trip.c)), timeout_s=10))


class First(Machine[Trip]):
    """Three branches at once, of which the first is taken."""

    locals().update(body(Parallel(*branches(Trip.a, Trip.a, Trip.a), join="first"), 3))


class Two(Machine[Trip]):
    """Three branches at once, of which two are taken."""

    locals().update(body(Parallel(*branches(Trip.a, Trip.a, Trip.a), join=2, merge={Trip.a: joined}), 10))


class Tolerant(Machine[Trip]):
    """Three branches at once, of which one must end well; all are waited for."""

    locals().update(
        body(
            Parallel(*branches(Trip.a, Trip.a, Trip.a), join="first", tolerate=True, merge={Trip.a: joined}),
            10,
        )
    )


class Inner(Machine[Trip]):
    """A machine inside another, with time of its own."""

    locals().update(body(Parallel(*branches(Trip.a, Trip.b)), timeout_s=5))


class Outer(Machine[Trip]):
    """A machine around it, with as much time as it."""

    locals().update(body(Nested(Inner), timeout_s=5))
