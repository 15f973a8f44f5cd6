"""The definition: a machine as frozen data, with the canonical form that its digest is taken of.

A digest names the machine in journals and certificates for as long as they are kept. So the canonical form holds
nothing that may change while the meaning stays: no path of a module of our own, no other library's rendering (see
`dialect`), and no option that holds its default. So a default that was shipped never changes (see `defaults`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from ..limits import CallLimits, Limits
from .agent_spec import HasSpec
from .context import Context
from .defaults import said
from .dialect import dialect_of
from .parts import ToolSpec
from .plain import plain
from .policies import Policy
from .source import qualified_name
from .states import Final, Handoff, State

M = TypeVar("M")


@dataclass(frozen=True)
class Definition:
    """A machine as data: what is checked, compiled, digested and drawn."""

    name: str
    doc: str
    where: str
    context: type[Context]
    states: Mapping[str, State]
    finals: Mapping[str, Final]
    handoffs: tuple[Handoff, ...]
    limits: Limits = field(default_factory=Limits)
    policies: tuple[Policy, ...] = ()
    """What must be true of every run."""
    deps: Any = None
    """The type of the dependencies; None if the machine has none."""
    model: str | None = None
    """`provider:model` for agents that name none, unless the runner does."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", MappingProxyType(dict(self.states)))
        object.__setattr__(self, "finals", MappingProxyType(dict(self.finals)))

    def seal(self) -> None:
        """Freeze states, final states and handoffs for good; called when the definition has passed its checks."""
        for state in self.states.values():
            # in the order of the class, as in the digest, even if they were made in another
            state.handoffs = tuple(handoff for handoff in self.handoffs if state in handoff.sources)
        for part in (*self.states.values(), *self.finals.values(), *self.handoffs):
            part.seal()

    @cached_property
    def initial(self) -> State:
        return next(state for state in self.states.values() if state.initial)

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """Every state that a run can start in: the initial one, then those declared as entries."""
        entries = (name for name, state in self.states.items() if state.entry)
        return tuple(dict.fromkeys((self.initial.name, *entries)))

    @cached_property
    def fallback(self) -> Final:
        return next(final for final in self.finals.values() if final.fallback)

    @cached_property
    def edges(self) -> tuple[tuple[str, Handoff], ...]:
        """Every declared edge, as the name of its source and its handoff; landing is not among them."""
        return tuple((source.name, handoff) for handoff in self.handoffs for source in handoff.sources)

    @cached_property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """Every state and final state with the targets of its declared edges; landing is not among them."""
        found: dict[str, list[str]] = {name: [] for name in (*self.states, *self.finals)}
        for source, handoff in self.edges:
            found[source].append(handoff.target.name)
        return MappingProxyType({name: tuple(dict.fromkeys(targets)) for name, targets in found.items()})

    @cached_property
    def places(self) -> Mapping[str, State]:
        """Every state in the tree of machines, by its place: `billing`, or `fly.fares.find` in a part."""
        found: dict[str, State] = {}
        for name, state in self.states.items():
            found[name] = state
            for part in state.spec.parts:
                found |= {f"{name}.{part.name}.{deeper}": each for deeper, each in part.definition.places.items()}
        return MappingProxyType(found)

    @cached_property
    def depth(self) -> int:
        """How many machines stand inside each other, itself included."""
        parts = [part.definition.depth for state in self.states.values() for part in state.spec.parts]
        return 1 + max(parts, default=0)

    def models(self, default: M | str | None = None) -> dict[str, M | str | None]:
        """Return the model of each state whose agent makes calls: the one that it names, else the default.

        Args:
            default: for agents that name none. None: the machine's, and None for their states if it names none either.
        """
        otherwise = default or self.model
        return {name: state.spec.model or otherwise for name, state in self.states.items() if state.spec.calls}

    @property
    def canonical(self) -> dict[str, Any]:
        """Everything that decides how a run moves, and what is claimed of all runs; callables by qualified names.

        What holds its default is left out, but for limits. Each is a copy: what is done to one is done to no other.
        """
        made: dict[str, Any] = json.loads(self._text)
        return made

    @cached_property
    def _text(self) -> str:
        # a lone surrogate in a description is no reason to have no digest
        return json.dumps(self._canonical(), default=dict, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def _canonical(self) -> dict[str, Any]:
        return said(
            machine=self.name,
            context=dialect_of(self.context),
            states={name: _state(state) for name, state in self.states.items()},
            finals={name: _final(final) for name, final in self.finals.items()},
            handoffs=[_handoff(handoff) for handoff in self.handoffs],
            limits=_limits(self.limits),
            policies=[policy.canonical for policy in self.policies],
            model=self.model,
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON, in hex: the same in every process, another one for every other machine."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()

    def __copy__(self) -> Definition:
        return self  # it is frozen, and its parts are compared with `is`

    def __deepcopy__(self, memo: dict[int, Any]) -> Definition:
        return self

    def __repr__(self) -> str:
        initial_first = sorted(self.states, key=lambda name: not self.states[name].initial)
        return "\n".join([f"{self.name}({self.context.__name__}): {self.doc}", *map(self._line, initial_first)])

    def _line(self, state: str) -> str:
        exits = (f"{h.name} -> {h.target.name}" for h in self.states[state].handoffs)
        own = self.states[state]
        mark = "* " if own.initial else "+ " if own.entry else "  "
        return f"{mark}{state} [{self.states[state].spec.name}]: {', '.join(exits)}"


def _state(state: State) -> dict[str, Any]:
    return said(
        agent=_agent(state),
        initial=state.initial,
        entry=state.entry,
        max_visits=state.max_visits,
        timeout_s=_seconds(state.timeout_s),
        expires_s=_seconds(state.expires_s),
        repeatable=state.repeatable,
    )


def _seconds(seconds: float | None) -> float | None:
    # 3.0 is the same as 3
    return int(seconds) if isinstance(seconds, float) and seconds.is_integer() else seconds


def _agent(state: State) -> dict[str, Any]:
    spec = state.spec
    return said(
        kind=spec.kind,
        **{"class": qualified_name(type(state.agent)) if isinstance(state.agent, HasSpec) else None},
        routes=[getattr(target, "name", None) for target in spec.routes],
        reads=[ref.name for ref in spec.reads],
        writes=[ref.name for ref in spec.writes],
        may_omit=[ref.name for ref in spec.may_omit],
        calls=spec.calls,
        call_limits=_limits(spec.call_limits),
        settings=spec.settings.chosen,
        attempts=spec.attempts,
        parts=[said(name=part.name, machine=part.definition.digest, most=part.most) for part in spec.parts],
        tools=[_tool(tool) for tool in spec.tools],
        asks_human=spec.asks_human,
        asks=spec.asks,
        must_ask=spec.must_ask,
        proposes=spec.proposes,
        model=spec.model,
        agent=spec.canonical,
    )


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return said(name=tool.name, approval=tool.approval, repeatable=tool.repeatable, timeout_s=_seconds(tool.timeout_s))


def _final(final: Final) -> dict[str, Any]:
    return said(fallback=final.fallback, sets={ref.name: plain(value) for ref, value in final.sets.items()})


def _handoff(handoff: Handoff) -> dict[str, Any]:
    return said(
        name=handoff.name,
        kind=handoff.kind,
        sources=[source.name for source in handoff.sources],
        target=handoff.target.name,
        description=handoff.description,
        guard=None if handoff.guard is None else handoff.guard.canonical,
    )


def _limits(limits: Limits | CallLimits) -> dict[str, Any]:
    """Return limits whole, since a default is a promise too; $0.05 is the same as $0.050."""
    # but for those of threads, which came later: where they are None they are left out
    held = limits.model_dump()
    return {name: f"{value.normalize():f}" if isinstance(value, Decimal) else value for name, value in held.items()}
