"""Agents that misbehave and can stand in for any other: what they do, late, wrong or not at all, a tape decides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ..agents.base import Reply, Round, Visit
from ..agents.llm import LLMAgent
from ..define.agent_spec import AgentSpec
from ..define.context import Context
from ..kernel.requests import Request
from .adversaries import SECRET
from .tape import Tape
from .values import written


class AdversarialAgent:
    """An agent that acts as a tape decides: `Runner(..., agents={Support.verify: AdversarialAgent(tape)})`.

    It runs none of the machine's own code, so it has no effect on the world.

    Args:
        tape: decides.
        values: by field, what it may write; a field that is not named gets values made up from its type.
    """

    def __init__(self, tape: Tape, *, values: Mapping[str, Sequence[Any]] | None = None) -> None:
        self._tape = tape
        self._values = values or {}

    async def __call__(self, visit: Visit[Context, Any]) -> object:
        """Act once."""
        await self._delay()
        await self._call(visit)
        changes = written(visit.context.__class__, visit.state.spec.written_names, self._tape, self._values)
        match self._tape.below(40):
            case 1 | 2 | 3:
                return Reply(handoff=self._tape.pick(visit.state.handoffs).name, changes=changes)
            case 4:
                return Reply(handoff=self._tape.pick(["nowhere", "*land*", visit.state.name, ""]), changes=changes)
            case 5:
                return Reply(changes=dict(list(changes.items())[1:]))
            case 6:
                return Reply(changes={**changes, self._tape.pick([*visit.context.__class__.model_fields]): None})
            case 7:
                return Reply(changes=dict.fromkeys(changes, object()))
            case 8:
                return self._tape.pick([17, "to_refund", [changes], visit])
            case 9:
                # Two that are not an `Exception`, so that `except Exception` does not see them.
                raise self._tape.pick([ValueError(SECRET), KeyError("x"), asyncio.CancelledError(), SystemExit(1)])
        return Reply(changes=changes)

    async def _delay(self) -> None:
        for _ in range(self._tape.below(3)):
            await asyncio.sleep(0)
        if self._tape.chance(12):
            await asyncio.sleep(self._tape.pick([1.0, 9.0, 1e6]))

    async def _call(self, visit: Visit[Context, Any]) -> None:
        """Make some of the calls that the state declares: perhaps one too many, perhaps left open."""
        if visit.state.spec.calls == 0:
            return
        asked = [
            asyncio.create_task(visit.model.ask(()))
            for _ in range(self._tape.below(visit.state.spec.calls + 1) + self._tape.chance(9))
        ]
        if not asked:
            return
        await asyncio.wait(asked, return_when=self._tape.pick([asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED]))
        for call in asked:
            call.cancel()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        if self._tape.chance(3):
            raise next((error for error in outcomes if isinstance(error, Exception)), ValueError("as it happens"))


class AdversarialTools:
    """An LLM agent whose tools act as a tape decides: none of the machine's own is used, so nothing has an effect.

    Args:
        agent: acts as always.
        tape: decides.
    """

    def __init__(self, agent: LLMAgent, tape: Tape) -> None:
        self._agent = agent
        self._tape = tape

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._agent.spec

    async def act(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Act as the agent does."""
        return await self._agent.act(visit)

    async def use(self, visit: Visit[Any, Any], request: Request, key: str) -> object:  # noqa: ARG002 - as tools are used
        """Return a result, or fail: any value, and any error, after any time."""
        if self._tape.chance(6):
            await asyncio.sleep(self._tape.pick([0.0, 1.0, 9.0, 1e6]))
        match self._tape.below(8):
            case 0:
                raise self._tape.pick([ValueError(SECRET), asyncio.CancelledError(), SystemExit(1)])
            case 1:
                return object()
        return self._tape.pick([None, "some text", 5, {"found": [1, 2]}, "long " * 5_000])
