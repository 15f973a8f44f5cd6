"""What a definition needs to know of an agent, without the agent itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ..amounts import NOTHING, Amount, Price
from ..limits import CallLimits
from .context import Context, FieldRef
from .sealed import read_only

AgentKind = Literal["llm", "code", "keyword"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """An agent as its definition sees it."""

    kind: AgentKind
    name: str
    """For logs: an LLM agent's kind, a function's name."""
    reads: tuple[FieldRef, ...] = ()
    """The fields it sees; all others are hidden from it."""
    writes: tuple[FieldRef, ...] = ()
    """The fields that each of its replies writes, no more and no fewer."""
    calls: int = 0
    """Requests to a model that one visit makes at most."""
    call_limits: CallLimits = field(default_factory=CallLimits)
    attempts: int = 1
    """Tries at most when it raises. Code has side effects, so one unless more is declared."""
    pauses: int = 0
    """How often one visit may wait for a human."""
    proposes: bool = False
    """A model: it must propose a handoff where several are declared, and may repair a refused reply."""
    model: str | None = None
    """`provider:model`, or None for the runner's."""
    routes: tuple[object, ...] = ()
    """States to which it must have exactly one handoff each."""
    contexts: tuple[type[Context], ...] = ()
    """Context classes that its functions are annotated for."""
    deps: object = None
    """The type of dependencies that its function is annotated for; None if it does not say."""
    canonical: Mapping[str, Any] | None
    """What else a digest must cover, as JSON: all that makes this agent act otherwise than another of its class.

    None if something in it has no name.
    """
    where: str = "unknown"

    read_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of `reads`."""
    written_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of `writes`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", read_only(self.canonical))
        object.__setattr__(self, "read_names", frozenset(ref.name for ref in self.reads))
        object.__setattr__(self, "written_names", frozenset(ref.name for ref in self.writes))

    def grant(self, price: Price) -> Amount:
        """Price the largest single call: max input and max output; nothing for an agent without calls."""
        if self.calls == 0:
            return NOTHING
        return price.amount(self.call_limits.max_input_tokens, self.call_limits.max_output_tokens)

    def worst_case(self, price: Price) -> Amount:
        """Price a whole visit: `calls` times the grant."""
        return self.grant(price) * self.calls


@runtime_checkable
class HasSpec(Protocol):
    """Anything that a state can hold besides a plain function."""

    @property
    def spec(self) -> AgentSpec: ...


def function_spec(
    function: Callable[..., Any],
    *,
    name: str | None,
    reads: tuple[FieldRef, ...],
    writes: tuple[FieldRef, ...],
    attempts: int,
    contexts: tuple[type[Context], ...],
    deps: object,
    where: str,
) -> AgentSpec:
    """Describe a plain function as an agent; `name` is its qualified name, None for a lambda."""
    return AgentSpec(
        kind="code",
        name=getattr(function, "__name__", type(function).__name__),
        reads=reads,
        writes=writes,
        attempts=attempts,
        contexts=contexts,
        deps=deps,
        canonical=None if name is None else {"function": name},
        where=where,
    )
