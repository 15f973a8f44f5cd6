"""What a definition needs to know of an agent, without the agent itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ..amounts import NOTHING, Amount, Price
from ..limits import CallLimits
from ..settings import AS_THEY_ARE, ModelSettings
from .callables import is_awaited, short_name, takes_one
from .context import Context, FieldRef
from .parts import Join, Part, ToolSpec
from .sealed import read_only
from .wording import kind_of

AgentKind = Literal["llm", "code", "keyword", "examples", "human", "nested", "parallel", "map"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """An agent as its definition sees it.

        class Translator:                          # an own agent: a spec, and an `act`
            spec = AgentSpec(
                kind="llm", name="Translator", reads=(Ticket.query,), writes=(Ticket.answer,), calls=2, proposes=True,
                canonical={"to": "German"},
            )
            async def act(self, visit: Visit[Ticket]) -> Reply: ...

    What it says is proved before a run and held to during one: an agent that reads or writes other fields, or asks its
    model more often, is refused.
    """

    kind: AgentKind
    """What it is taken for: `llm` if it asks a model and does nothing else in the world, else `code`; the rest is for
    ours. After a crash `code` does not act again unless its state is `repeatable`."""
    name: str
    """For logs: an LLM agent's kind, a function's name."""
    reads: tuple[FieldRef, ...] = ()
    """The fields it sees; all others are hidden from it."""
    writes: tuple[FieldRef, ...] = ()
    """The fields that each of its replies writes, no more and no fewer."""
    may_omit: tuple[FieldRef, ...] = ()
    """Those of them that a reply may leave as they were; nobody relies on their having been written."""
    calls: int = 0
    """Requests to a model that one visit makes at most; 0: it has no model."""
    call_limits: CallLimits = field(default_factory=CallLimits)
    """The most tokens that one request takes: each reserves both, its input and its output, before it is sent."""
    settings: ModelSettings = AS_THEY_ARE
    """How its model is to answer."""
    attempts: int = 1
    """Tries at most when it raises. Code has side effects, so one unless more is declared."""
    parts: tuple[Part, ...] = ()
    """The machines that a visit may run inside it; no two of parts and tools have one name."""
    join: Join | None = None
    """How its parts come together, if it runs several at once."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools that it may use."""
    asks_human: bool = False
    """Whether it may ask a human."""
    asks: int = 0
    """How often one visit asks at most, for tools, parts and humans together."""
    shown_chars: int = 0
    """The most characters of results that one request to its model shows; 0: it does not say."""
    must_ask: bool = False
    """Whether no handoff is taken before something that it asked for was answered: nobody passes a human by."""
    proposes: bool = False
    """A model: it must propose a handoff where several are declared, and may repair a refused reply."""
    model: str | None = None
    """`provider:model`, or None for the runner's; of no meaning without calls."""
    routes: tuple[object, ...] = ()
    """States to which it must have exactly one handoff each."""
    contexts: tuple[type[Context], ...] = ()
    """Context classes that its functions are annotated for."""
    deps: object = None
    """The type of dependencies that its function is annotated for; None if it does not say."""
    canonical: Mapping[str, Any] | None
    """What else a digest must cover, as JSON: all that makes this agent act otherwise than another of its class.

    Such as its instructions; `{}` if there is nothing. None if something in it has no name: a finding (FSM113).
    """
    where: str = "unknown"
    """`file:line` of where it was made, for findings."""

    read_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of `reads`."""
    written_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of `writes`."""
    sure_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of those that every reply writes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", read_only(self.canonical))
        object.__setattr__(self, "read_names", frozenset(ref.name for ref in self.reads))
        object.__setattr__(self, "written_names", frozenset(ref.name for ref in self.writes))
        omitted = frozenset(ref.name for ref in self.may_omit)
        object.__setattr__(self, "sure_names", self.written_names - omitted)
        names = [*(part.name for part in self.parts), *(tool.name for tool in self.tools)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{self.name} has two parts or tools named {', '.join(twice)}: give each its own name")

    def grant(self, price: Price, shares: Mapping[str, Amount] | None = None) -> Amount:
        """Price what entering reserves: the largest single call, max input and max output; without calls, all parts.

        Args:
            shares: of a run of each part, by name; None: their tokens, at no cost.
        """
        if self.calls == 0:
            return self._all_parts(shares) if self.parts else NOTHING
        return price.amount(self.call_limits.max_input_tokens, self.call_limits.max_output_tokens)

    def worst_case(self, price: Price, shares: Mapping[str, Amount] | None = None) -> Amount:
        """Price a whole visit: `calls` times the largest call, and `most` times the share of each part.

        Args:
            shares: as for `grant`.
        """
        calls = self.grant(price) * self.calls if self.calls else NOTHING
        # a sum, and not the largest: of a race the losers are charged too
        return calls + self._all_parts(shares) if self.parts else calls

    def _all_parts(self, shares: Mapping[str, Amount] | None) -> Amount:
        total = NOTHING
        for part in self.parts:
            total += (part.share if shares is None else shares[part.name]) * part.most
        return total


@runtime_checkable
class HasSpec(Protocol):
    """Anything that a state can hold besides a plain function."""

    @property
    def spec(self) -> AgentSpec: ...


def spec_of(agent: HasSpec) -> AgentSpec:
    """Return the spec of an agent.

    Raises TypeError: if it is something else, such as a method that returns one, or the agent cannot act.
    """
    spec: object = agent.spec
    name = type(agent).__name__
    act: Any = getattr(agent, "act", None)
    if not callable(act):
        raise TypeError(f"{name} has a spec and no act: write async def act(self, visit) -> Reply")
    if not is_awaited(act):
        raise TypeError(f"the act of {name} cannot be awaited: write async def act(self, visit) -> Reply")
    if not takes_one(act):
        raise TypeError(f"the act of {name} does not take a visit alone: write async def act(self, visit) -> Reply")
    if isinstance(spec, AgentSpec):
        return spec
    if callable(spec):
        raise TypeError(f"the spec of {name} is {kind_of(spec)}: write @property above it, or spec = AgentSpec(...)")
    raise TypeError(f"the spec of {name} is {kind_of(spec)}: write spec = AgentSpec(...)")


def function_spec(
    function: Callable[..., Any],
    *,
    name: str | None,
    reads: tuple[FieldRef, ...],
    writes: tuple[FieldRef, ...],
    attempts: int,
    calls: int,
    call_limits: CallLimits,
    contexts: tuple[type[Context], ...],
    deps: object,
    where: str,
) -> AgentSpec:
    """Describe a plain function as an agent; `name` is its qualified name, None for a lambda."""
    return AgentSpec(
        kind="code",
        name=short_name(function),
        reads=reads,
        writes=writes,
        attempts=attempts,
        calls=calls,
        call_limits=call_limits,
        contexts=contexts,
        deps=deps,
        canonical=None if name is None else {"function": name},
        where=where,
    )
