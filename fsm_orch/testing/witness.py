"""Models, agents and tools under the eyes of a witness: what a run does to the world, as the world sees it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from msgspec.json import encode

from ..agents.base import Agent, Reply, Round, Visit
from ..agents.remote import RemoteTool
from ..amounts import believed
from ..define.agent_spec import AgentSpec
from ..define.definition import Definition
from ..define.states import State
from ..define.worst import machines_in
from ..errors import CallFailed
from ..kernel.requests import UseTool as Wanted
from ..models.base import Model, Request, Response, objection
from ..run.start import agents_of
from ..settings import ModelSettings

Point = Literal[
    "before a send",
    "after an answer",
    "before an effect",
    "after an effect",
    "after the await of an effect",
    "in a transaction",
    "before a commit",
    "after a commit",
]
"""A moment at which a process may end."""

_VISIT: ContextVar[str] = ContextVar("visit", default="")
"""The key of the visit that a call is made in."""


class Witness(Protocol):
    """Who sees what a run does to the world."""

    def reached(self, point: Point) -> None:
        """See that a run has come to a point; it may go no further."""
        ...

    def sent(self, visit: str, request: str) -> int:
        """See a request, by the key of its visit and its hash. Return its number."""
        ...

    def paid(self, number: int, tokens: int) -> None:
        """See what a request has cost."""
        ...

    def begun(self, key: str, *, is_once: bool) -> None:
        """See an effect begin, by its idempotency key.

        Args:
            is_once: whether it may be had only once.
        """
        ...


class WitnessedModel:
    """A model whose requests are seen, and what each has cost: what is not told, or is a lie, the most that it may.

    Args:
        model: answers.
        witness: sees.
    """

    def __init__(self, model: Model, witness: Witness) -> None:
        self._model, self._witness = model, witness
        self.name, self.price = model.name, model.price
        self._bounds: dict[str, int] = {}
        """Of the input of each request that was counted, by its hash."""

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what the model says of settings."""
        return objection(self._model, settings)

    async def count(self, request: Request) -> int:
        """Count as the model does."""
        bound = self._bounds[_hash(request)] = await self._model.count(request)
        return bound

    async def complete(self, request: Request) -> Response:
        """Answer as the model does."""
        self._witness.reached("before a send")
        hashed, cap = _hash(request), request.max_output_tokens
        number, bound = self._witness.sent(_VISIT.get(), hashed), self._bounds.get(hashed, 0)
        paid = bound + cap
        try:
            response = await self._model.complete(request)
            used = believed(response.usage)
            if used is not None:
                paid = min(used.input_tokens, bound) + min(used.output_tokens, cap)
        except CallFailed as error:
            paid = 0 if error.unsent else paid
            raise
        finally:
            self._witness.paid(number, paid)
        self._witness.reached("after an answer")
        return response


def _hash(request: Request) -> str:
    return hashlib.sha256(encode([request.messages, request.schema], enc_hook=dict)).hexdigest()[:16]


class WitnessedAgent:
    """An agent whose effects are seen, and those of its tools.

    Args:
        agent: acts.
        state: which it acts in.
        witness: sees.
    """

    def __init__(self, agent: Agent, state: State, witness: Witness) -> None:
        self._agent, self._state, self._witness = agent, state, witness
        self._tools = {tool.name: tool for tool in state.spec.tools}

    @property
    def spec(self) -> AgentSpec:
        """As of the agent."""
        return self._agent.spec

    @property
    def remote_tools(self) -> tuple[RemoteTool, ...]:
        """As of the agent."""
        return getattr(self._agent, "remote_tools", ())

    async def act(self, visit: Visit[Any, Any]) -> Reply | Round:
        """Act as the agent does."""
        _VISIT.set(visit.key)
        if not has_effects(self._state):
            return await self._agent.act(visit)
        again = f", attempt {visit.attempt}" if visit.attempt > 1 else ""  # further ones are declared
        said: Reply | Round = await self._seen(visit.key + again, self._state.acts_once, lambda: self._agent.act(visit))
        return said

    async def use(self, visit: Visit[Any, Any], request: Wanted, key: str) -> object:
        """Use a tool as the agent does."""
        tool = self._tools[request.name]
        agent: Any = self._agent
        return await self._seen(key, not tool.repeatable, lambda: agent.use(visit, request, key))

    async def _seen(self, key: str, is_once: bool, has_effect: Callable[[], Any]) -> Any:
        self._witness.reached("before an effect")
        self._witness.begun(key, is_once=is_once)
        came = has_effect()
        if isinstance(came, Awaitable):
            came = await came
        self._witness.reached("after an effect")
        await asyncio.sleep(0)
        self._witness.reached("after the await of an effect")
        return came


def has_effects(state: State) -> bool:
    """Return whether the agent of a state may have effects."""
    return state.spec.kind == "code"


def witnessed(
    definition: Definition, agents: Mapping[State, Agent | Callable[[Any], Any]], witness: Witness
) -> dict[State, WitnessedAgent]:
    """Return who acts under the eyes of a witness, in a whole tree: whoever has effects, tools or a model.

    Args:
        definition: of the machine.
        agents: instead of the machine's, by state.
        witness: sees.
    """
    seen = dict[State, WitnessedAgent]()
    for _, machine in [("", definition), *machines_in(definition)]:
        acting = agents_of(machine, agents)
        for name, state in machine.states.items():
            if has_effects(state) or state.spec.tools or state.spec.calls:
                seen[state] = WitnessedAgent(acting[name], state, witness)
    return seen
