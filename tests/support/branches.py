"""Machines that run others inside them, over functions whose time and outcome the query says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fsm_orch import Context, Final, Machine, Parallel, Reply, State, Visit

STOPPED = list[str]()
"""The branches that were stopped, in order."""


class Trip(Context):
    """What crosses."""

    plan: str
    """By branch, seconds to take, and whether it ends well: `{"a": [1, true]}`."""
    a: str | None = None
    b: str | None = None
    c: str | None = None


async def as_planned(visit: Visit[Any]) -> str:
    """Take as long as planned, and raise if that is planned."""
    name = visit.state.name
    seconds, is_well = json.loads(visit.context.plan).get(name, [1, True])
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        STOPPED.append(name)
        raise
    if not is_well:
        raise ValueError(name)
    return f"{name} after {seconds:g} s"


async def a(visit: Visit[Trip]) -> Reply:
    """Write the first field."""
    return Reply(changes={Trip.a: await as_planned(visit)})


async def b(visit: Visit[Trip]) -> Reply:
    """Write the second field."""
    return Reply(changes={Trip.b: await as_planned(visit)})


async def c(visit: Visit[Trip]) -> Reply:
    """Write the third field."""
    return Reply(changes={Trip.c: await as_planned(visit)})


A, B, C = (
    State(a, reads=Trip.plan, writes=Trip.a, timeout_s=20),
    State(b, reads=Trip.plan, writes=Trip.b, timeout_s=20),
    State(c, reads=Trip.plan, writes=Trip.c, timeout_s=20),
)


class All(Machine[Trip]):
    """Three branches at once, all of which are needed."""

    fan = State(Parallel(A, B, C), initial=True)
    done, late, failed, human = Final(), Final(), Final(), Final(fallback=True)
    on = fan.to(done)
    over = fan.on_timeout(late)
    broken = fan.on_failure(failed)
