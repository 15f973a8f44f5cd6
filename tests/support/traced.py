"""A machine and a model that note which span is current where they act."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fsm_orch import Context, Final, LLMAgent, Machine, Parallel, ScriptedModel, State, Visit
from fsm_orch.models import Request, Response


def header() -> str:
    """Return the header that an instrumented client would send now."""
    carrier = dict[str, str]()
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


class Seen(Context):
    """What was current."""

    text: str = ""
    code: str = ""
    threaded: str = ""


class Telling(ScriptedModel):
    """A model whose requests note what an instrumented HTTP client would send."""

    sent: list[str]

    async def complete(self, request: Request) -> Response:
        self.sent.append(header())
        await asyncio.sleep(0)
        self.sent.append(header())
        return await super().complete(request)


def telling(*replies: Any) -> Telling:
    model = Telling(list(replies))
    model.sent = []
    return model


async def look(visit: Visit[Seen]) -> Any:
    """Note what is current."""
    await asyncio.sleep(0)
    return {Seen.code: header()}


def look_in_a_thread(visit: Visit[Seen]) -> Any:
    """Note what is current."""
    return {Seen.threaded: header()}


class Looks(Machine[Seen]):
    """Looks at what is current in code, in code in a thread, and in a model's request."""

    first = State(look, writes=Seen.code, initial=True)
    second = State(look_in_a_thread, writes=Seen.threaded, thread=True)
    third = State(LLMAgent("Say it.", writes=Seen.text))
    done, human = Final(), Final(fallback=True)
    flow = first >> second >> third >> done


IN_TOOL = list[str]()
"""What was current in the tool."""


def look_up(order: int) -> str:
    """Return where an order is."""
    IN_TOOL.append(header())
    return "shipped"


class Asides(Context):
    """What was current in two branches."""

    one: str = ""
    two: str = ""


ASIDE = list[str]()
"""What was current in the branches."""


async def one(visit: Visit[Asides]) -> Any:
    """Note what is current."""
    await asyncio.sleep(0.002)
    ASIDE.append(header())
    return {Asides.one: "x"}


async def two(visit: Visit[Asides]) -> Any:
    """Note what is current."""
    ASIDE.append(header())
    await asyncio.sleep(0.004)
    ASIDE.append(header())
    return {Asides.two: "x"}


class LooksAsides(Machine[Asides]):
    """Looks at what is current in two branches at once."""

    work = State(Parallel(State(one, writes=Asides.one), State(two, writes=Asides.two)), initial=True)
    done, human = Final(), Final(fallback=True)
    on = work.to(done)
