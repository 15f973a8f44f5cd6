"""Foreign agents: those of other frameworks, each run by its own framework in a state of ours.

What holds of any agent holds of them: the visit makes at most `calls` requests, each is reserved before it is sent and
charged whatever happens, its input is measured first, and a handoff is taken only if the machine has it. What the
framework does besides, such as its tools, it does by itself, inside one attempt: the journal knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypedDict

from pydantic_core import from_json, to_json

from ...define.agent_spec import AgentKind, AgentSpec
from ...define.context import field_refs
from ...define.defaults import said
from ...define.states import State
from ...errors import VisitError
from ...limits import CallLimits
from ...models.fallback import Fallback
from ...settings import AS_THEY_ARE, ModelSettings
from ..base import Reply, Visit
from ..lent import lent
from ..llm_arguments import check_kinds, name_of, settings_of
from ..shortened import as_text
from ..tool import Tool
from ..window import Window
from .exchange import Exchange

Shown = tuple[str, str | None, Mapping[str, Any]]
"""A tool as a framework shows it: its name, its description, and the schema of its arguments."""

_MOST_TOOLS = 256
"""How many tools are kept with their forms; an agent has no more."""


class Options(TypedDict, total=False):
    """What every foreign agent may be given, as an `LLMAgent` may."""

    reads: object
    """The fields it is told: one text as it is, else all of them as JSON; none by default."""
    writes: object
    """The fields that its decision writes; none by default."""
    calls: int
    """Requests that one visit makes at most; 4 by default. The last one is offered no tools."""
    max_input_tokens: int
    """Of one request; 2,048 by default."""
    max_output_tokens: int
    """Of one request; 256 by default."""
    model: str | Fallback | None
    """`provider:model`, or a `Fallback`; None, the default: the runner's. Never the agent's own."""
    settings: ModelSettings
    """How the model is to answer; the model's own by default."""
    window: Window | None
    """How much of the conversation it sees; all by default."""


class ForeignAgent:
    """An agent of another framework, as the agent of a state; each framework has its own class.

    Args:
        kind: the name of its class.
        known_as: what its framework calls it.
        acts: whether it does more than to ask its model, such as to use tools: after a crash it then does not act
            again, unless its state is `repeatable`.
        canonical: all that makes it act otherwise than another, as JSON; None if something in it has no name.
        where: `file:line` of where it was made.
        reads, writes, calls, max_input_tokens, max_output_tokens, model, settings, window: see `Options`.

    Raises TypeError, ValueError: as an `LLMAgent` does.
    """

    def __init__(
        self,
        kind: str,
        *,
        known_as: str,
        acts: bool,
        canonical: Mapping[str, Any] | None,
        where: str,
        reads: object = (),
        writes: object = (),
        calls: int = 4,
        max_input_tokens: int = 2_048,
        max_output_tokens: int = 256,
        model: str | Fallback | None = None,
        settings: ModelSettings = AS_THEY_ARE,
        window: Window | None = None,
    ) -> None:
        check_kinds(known_as, window, calls=calls, max_output_tokens=max_output_tokens)
        if calls < 1 or max_output_tokens < 1:
            raise ValueError(
                f"{kind} needs 1 call or more and 1 token of output or more, not {calls} and {max_output_tokens}"
            )
        self._window = window or Window()
        if self._window.summary:
            raise ValueError(f"{kind} makes no summaries: give Window(messages=..., chars=...)")
        self.known_as = known_as
        works: AgentKind = "code" if acts else "llm"
        shown = [self._window.messages, self._window.chars]
        self._spec = AgentSpec(
            kind=works,
            name=kind,
            reads=field_refs(reads),
            writes=field_refs(writes),
            calls=calls,
            call_limits=CallLimits(max_input_tokens=max_input_tokens, max_output_tokens=max_output_tokens),
            settings=settings_of(settings),
            proposes=True,
            model=name_of(model),
            canonical=None if canonical is None else said(**canonical, known_as=known_as, window=shown),
            where=where,
        )
        self._tool = lru_cache(maxsize=_MOST_TOOLS)(_shown)

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return self._spec

    async def act(self, visit: Visit[Any, Any]) -> Reply:
        """Run the framework once, its requests asked of the visit's model.

        What is decided last is the reply. A reply that is refused is mended by further calls of the visit.

        Raises VisitError: if the framework ended, and its model was not asked to decide.
        Raises Exception: what the framework raises, or the failure of a call.
        """
        exchange = Exchange(visit, self._spec, self._window, _known_as(visit))
        raised: Exception | None = None
        try:
            await self._run(visit, exchange)
        except Exception as error:
            raised = error
        reply = exchange.reply()  # first: a framework wraps what its model raises, or goes on as if nothing had
        if raised is not None and (reply is None or reply.refusal is None):
            raise raised  # of a guardrail, or a node behind the model too: what was decided does not stand
        if reply is None:
            raise VisitError(self._undecided(exchange))
        return reply

    async def _run(self, visit: Visit[Any, Any], exchange: Exchange) -> None:
        """Run the framework's agent to its end."""
        raise NotImplementedError

    def _undecided(self, exchange: Exchange) -> str:
        """Return why nothing was decided, and what to do."""
        if not exchange.has_asked:
            return f"{self.known_as!r} ended, and asked no model that is metered"
        return f"{self.known_as!r} ended with a tool, and not with a decision of its model"

    def tool(self, name: str, description: str | None, schema: Mapping[str, Any]) -> Tool:
        """Return a tool of the framework as a form shows it; the framework uses it itself.

        Raises TypeError: if a model cannot be asked for its arguments.
        """
        return self._tool(name, description or "", as_text(schema))

    def asked(self, visit: Visit[Any, Any]) -> str:
        """Return what the agent is asked: the one text that it reads, or all that it reads as JSON."""
        fields = {ref.name: getattr(visit.context, ref.name) for ref in self._spec.reads}
        values = [*fields.values()]
        return values[0] if len(values) == 1 and isinstance(values[0], str) else to_json(fields).decode()


def unsayable(shown: Iterable[Shown]) -> Iterator[str]:
    """Yield which tools of an agent no model can be asked for, as far as they are known before a run."""
    for name, description, schema in shown:
        try:
            lent(name, description, schema, origin="its framework", call=_not_here)
        except TypeError as error:
            yield f"its tool {error}"


def _known_as(visit: Visit[Any, Any]) -> dict[str, tuple[str, ...]]:
    """Return by the names of foreign agents the handoffs that lead to the states that hold them."""
    found = dict[str, tuple[str, ...]]()
    for handoff in visit.exits:
        agent = handoff.target.agent if isinstance(handoff.target, State) else None
        if isinstance(agent, ForeignAgent):
            found[agent.known_as] = (*found.get(agent.known_as, ()), handoff.name)
    return found


def _shown(name: str, description: str, schema: str) -> Tool:
    return Tool(lent(name, description, from_json(schema), origin="its framework", call=_not_here))


async def _not_here(arguments: Mapping[str, Any], key: str, deps: Any) -> Any:  # noqa: ARG001
    raise VisitError("a tool of a framework is used by the framework")
