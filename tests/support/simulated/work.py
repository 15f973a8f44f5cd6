"""What the fleet of a simulation works on, and the world that it works in: a provider of models, and a bank."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextvars import Context as Variables
from typing import Any, Protocol

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    Parallel,
    Response,
    State,
    Usage,
    Visit,
)
from fsm_orch.amounts import FREE
from fsm_orch.models.base import Request

from .processes import Process, here


class Order(Context):
    """What somebody wants."""

    name: str
    found: str | None = None
    one: str | None = None
    two: str | None = None
    receipt: str | None = None
    told: str | None = None


async def pay(visit: Visit[Order, Bank]) -> Any:
    """Pay, which must not be done twice."""
    await visit.deps.pay(visit.key)
    return {Order.receipt: visit.key}


LIMITS = Limits(hops=8, tokens=200_000, deadline_s=3_000, visit_s=300)


def _asks(what: str, writes: Any) -> Any:
    return LLMAgent(what, reads=Order.name, writes=writes, calls=12)


class Orders(Machine[Order, Any]):
    """A model, two at once, a human, and code that must not run twice."""

    find = State(_asks("Find it.", Order.found), initial=True)
    weigh = State(Parallel(one=_asks("Weigh it.", Order.one), two=_asks("Measure it.", Order.two)))
    approve = State(HumanAgent("Pay?", reads=Order.name), expires_s=400)
    pay = State(pay, writes=Order.receipt)
    paid, declined, unclear, human = Final(), Final(), Final(), Final(fallback=True)
    found = find.to(weigh)
    weighed = weigh.to(approve)
    yes, no = approve.to(pay, "pay"), approve.to(declined, "decline")
    late = approve.on_timeout(declined)
    done, nobody_knows = pay.to(paid), pay.on_failure(unclear)
    limits = LIMITS


class Errands(Machine[Order, Any]):
    """Another machine, which some hosts alone can drive: two models, one after the other."""

    find = State(_asks("Seek it.", Order.found), initial=True)
    tell = State(_asks("Tell of it.", Order.told))
    done, human = Final(), Final(fallback=True)
    on = find.to(tell)
    end = tell.to(done)
    limits = LIMITS


NUMBERS = {"Find it.": 11, "Weigh it.": 12, "Measure it.": 13, "Seek it.": 14, "Tell of it.": 15}
"""How many tokens each model writes: so a settled call shows what was asked."""
READS = 50
"""How many tokens each reads."""


class Watched(Protocol):
    """Looks at what leaves the fleet."""

    def sent(self, process: Process, run_id: str, number: int) -> None:
        """Note that somebody sends a request to a model."""
        ...

    def billed(self, run_id: str, number: int) -> None:
        """Note that it has arrived, and is billed."""
        ...

    def paid(self, key: str) -> None:
        """Note that the bank has paid."""
        ...


class Provider:
    """A provider of models: what arrives is billed, whoever waits for it.

    Args:
        takes_s: how long a call takes.
    """

    name, price = "simulated:one", FREE

    def __init__(self, watched: Watched, *, takes_s: float) -> None:
        self._watched, self._takes_s = watched, takes_s

    async def count(self, request: Request) -> int:
        return READS

    async def complete(self, request: Request) -> Response:
        text = " ".join(message.content for message in request.messages)
        run_id, number = text.partition("<")[2].partition(">")[0], next(n for w, n in NUMBERS.items() if w in text)
        process, loop = here(), asyncio.get_running_loop()
        assert process is not None
        self._watched.sent(process, run_id, number)
        # what has left its process goes on without it
        loop.call_later(0.01, self._watched.billed, run_id, number, context=Variables())
        await asyncio.sleep(self._takes_s)
        fields = request.schema["properties"] if request.schema else {}
        reply = {name: part["enum"][0] if "enum" in part else "fine" for name, part in fields.items()}
        return Response(text=json.dumps(reply), usage=Usage(requests=1, input_tokens=READS, output_tokens=number))


class Bank:
    """Pays, as often as it is asked."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self.paid = Counter[str]()

    async def pay(self, key: str) -> None:
        """Pay under a key."""
        self._watched.paid(key)
        await asyncio.sleep(0.5)
