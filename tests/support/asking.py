"""Machines that ask humans, and use tools that need approval."""

from __future__ import annotations

import asyncio
from typing import Any

from fsm_orch import Context, Final, HumanAgent, Machine, Parallel, Reply, State, Visit
from fsm_orch.agents.base import PlainAgent, Round
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.parts import ToolSpec
from fsm_orch.kernel.requests import UseTool

DONE = list[str]()
"""What was done in the world, in order: the keys."""


class Claim(Context):
    """What somebody wants back."""

    query: str
    cents: int = 0
    note: str | None = None
    receipt: str | None = None


def pay(visit: Visit[Claim]) -> Any:
    """Pay it."""
    DONE.append(visit.key)
    return {Claim.receipt: visit.key}


class Refunds(Machine[Claim]):
    """Money goes back once a human has said so."""

    approve = State(HumanAgent("Pay this back?", reads=Claim.query, writes=Claim.note), initial=True, expires_s=3_600)
    refund = State(pay, writes=Claim.receipt)
    paid, declined, human = Final(), Final(), Final(fallback=True)
    yes, no = approve.to(refund, "pay"), approve.to(declined, "decline")
    late = approve.on_timeout(declined)
    done = refund.to(paid)


class Pair(Context):
    """What two people say."""

    query: str
    one: str | None = None
    two: str | None = None


class Both(Machine[Pair]):
    """Two humans are asked at once."""

    ask = State(
        Parallel(
            one=HumanAgent("What says the first?", reads=Pair.query, writes=Pair.one),
            two=HumanAgent("What says the second?", reads=Pair.query, writes=Pair.two),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


async def takes_its_time(visit: Visit[Pair]) -> Any:
    """Take five seconds."""
    await asyncio.sleep(5)
    return {Pair.two: "slowly"}


class OneOfEach(Machine[Pair]):
    """A human is asked while something else is done, which takes five seconds."""

    ask = State(
        Parallel(
            one=State(HumanAgent("What says the first?", reads=Pair.query, writes=Pair.one), expires_s=3_600),
            two=State(takes_its_time, writes=Pair.two),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


class Clerk(PlainAgent):
    """An agent that uses one tool, and writes what came of it."""

    def __init__(self, tool: ToolSpec) -> None:
        self._tool = tool
        self.spec = AgentSpec(
            kind="code", name="Clerk", writes=(Claim.note,), tools=(tool,), asks=1, canonical={"tool": tool.name}
        )

    def begin(self, visit: Visit[Claim]) -> Reply | Round:
        for ask in visit.asks.values():
            return Reply(changes={Claim.note: f"{ask.end} {ask.ok} {ask.value}"})
        return Round((UseTool(name=self._tool.name, arguments={"cents": 5}),))

    async def use(self, visit: Visit[Claim], request: UseTool, key: str) -> Any:
        DONE.append(key)
        if request.name == "breaks":
            raise ValueError("secret")
        return {"told": {1, 2}} if request.name == "no_json" else request.arguments


def clerk(name: str, **options: Any) -> type[Machine[Claim]]:
    """Make a machine of a clerk with a tool."""

    class Desk(Machine[Claim]):
        """A clerk."""

        work = State(Clerk(ToolSpec(name=name, **options)), initial=True)
        done, human = Final(), Final(fallback=True)
        on = work.to(done)

    return Desk
