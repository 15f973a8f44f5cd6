"""States, final states and the handoffs between them: what the attributes of a machine's class are.

Declaring only collects. Nothing here is checked beyond its type, and nothing runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, overload

from ..limits import CallLimits, Limits
from .agent_spec import AgentSpec, HasSpec, function_spec, spec_of
from .annotations import annotated_context, annotated_deps, why_no_visit
from .callables import is_async, why_no_agent
from .context import FieldRef, field_refs
from .guards import Guard
from .sealed import Sealed
from .source import qualified_name, where_called, where_defined
from .subject import Atom, Subject
from .used import Used, tool_name
from .wording import kind_of

EdgeKind = Literal["handoff", "failure", "timeout", "refusal"]
NONE_OF_THESE = "none_of_these"
"""What an agent proposes that takes none of the handoffs before it; no handoff can have this name."""


class _Declared(Sealed, Subject):
    """Something that learns its name and owner from the class it is an attribute of."""

    __slots__ = ("_machine", "_owners", "name", "where")

    def __init__(self) -> None:
        self.name = ""
        self.where = where_called()
        self._machine: type | None = None
        self._owners: list[str] = []

    def __bool__(self) -> bool:
        # only while its class is declared, where policies are: later it is asked of what may be a handoff or None
        return self.is_sealed or super().__bool__()

    def __set_name__(self, owner: type, name: str) -> None:
        if not self.name:  # a part of another machine keeps its name, and gets FSM118 here
            self.name, self._machine = name, owner
        self._owners.append(f"{owner.__name__}.{name}")

    @property
    def owners(self) -> tuple[str, ...]:
        """Every class and name under which it stands; one, unless a class is refused for it."""
        return tuple(self._owners)

    def __reduce__(self) -> tuple[Any, ...]:
        # by its name, not by what it holds: in another process it is the part of the machine there, for `is`
        if self._machine is None:
            raise TypeError(f"{self!r} belongs to no machine yet, so it has no name to be pickled by")
        return getattr, (self._machine, self.name)


class _Source(Subject):
    """What handoffs can leave from: a state, or several joined by `|`."""

    __slots__ = ()

    @property
    def _states(self) -> tuple[State, ...]:
        raise NotImplementedError

    @property
    def alternatives(self) -> tuple[Atom, ...]:
        return self._states

    @overload
    def __or__(self, other: _Source) -> _Source: ...

    @overload
    def __or__(self, other: Atom) -> Subject: ...

    def __or__(self, other: Atom) -> Subject:
        if isinstance(other, _Source):
            return _Sources(tuple(dict.fromkeys((*self._states, *other._states))))
        return super().__or__(other)

    def to(self, target: State | Final, description: str = "", *, guard: Guard[Any] | None = None) -> Handoff:
        """Declare a handoff.

        A model proposes one of its state's handoffs. An agent that proposes none takes the first, in declaration
        order, whose guard holds; if that one is not legal the visit has failed, and no other is tried.

        Args:
            description: when to take it, for the model that chooses; required on the exits of an LLM agent.
            guard: a predicate of the context that must hold; None holds always.
        """
        return Handoff(self._states, target, description, guard, "handoff")

    def __rshift__(self, target: State | Final) -> Chain:
        """Declare a chain of handoffs: `flow = extract >> write >> printed`; nothing describes or guards them."""
        return Chain((self.to(target),))

    def on_failure(self, target: State | Final, description: str = "") -> Handoff:
        """Declare where a failed visit goes: one that raised, was denied a call, took too long or was refused for good.

        Without it, or if it is not legal when it is needed, the run lands.
        """
        return Handoff(self._states, target, description, None, "failure")

    def on_timeout(self, target: State | Final, description: str = "") -> Handoff:
        """Declare where a visit that took too long goes, instead of `on_failure`."""
        return Handoff(self._states, target, description, None, "timeout")

    def on_refusal(self, target: State | Final, description: str = "") -> Handoff:
        """Declare where a visit goes whose reply was refused for good, instead of `on_failure`."""
        return Handoff(self._states, target, description, None, "refusal")


class _Sources(_Source):
    """Several states that one handoff leaves from."""

    __slots__ = ("_joined",)

    def __init__(self, joined: tuple[State, ...]) -> None:
        self._joined = joined

    @property
    def _states(self) -> tuple[State, ...]:
        return self._joined

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._joined))


class State(_Declared, _Source):
    """A state, and the agent that works in it.

    Args:
        agent: an agent, or a plain function of the visit (sync or async).
        initial: whether runs start here unless they say otherwise; exactly one state of a machine does.
        entry: whether a run may start here too: `run(context, start=Support.billing)`. What its agent reads is given.
        max_visits: visits at most in one run; None: the hop limit. A cycle needs it on one of its states.
        timeout_s: seconds of one visit; None: the machine's `visit_s`, or the longest deadline of its parts.
        expires_s: seconds after which what a human is asked in it expires, over `on_timeout`; None: never.
        reads, writes: one field or several, for a plain function only; an agent says its own.
        attempts: tries at most when a plain function raises.
        calls: requests that an async function makes at most in one visit, by `await visit.model.ask(messages)`; 0: it
            has no model. Each is reserved before it is sent, and the runner's model answers.
        max_input_tokens, max_output_tokens: the caps of one of these requests; None: 2,048 and 256.
        thread: call a plain function in a thread of its own. One that blocks holds the event loop otherwise, and every
            other run with it. A thread cannot be stopped: when the visit's time is over the run goes on without it.
        repeatable: whether code may be run again, under the same `visit.key`, after a crash of which nobody knows
            whether it was at work. Otherwise its visit has then failed as `outcome_unknown`: it goes over `on_failure`,
            or the run lands. Models, humans and routers are asked again anyhow.

    Raises TypeError: if `reads`, `writes`, `attempts`, `calls` or `thread` are given for an agent that says its own,
        `thread` for an async function, `repeatable` for what is no code, caps without calls, or an own agent is none:
        see `AgentSpec`.
    Raises pydantic.ValidationError: if a cap is negative, or no whole number.
    """

    __slots__ = (
        *("agent", "entry", "expires_s", "handoffs", "initial", "max_visits"),
        *("repeatable", "spec", "thread", "timeout_s"),
    )

    def __init__(
        self,
        agent: HasSpec | Callable[[Any], Any],
        *,
        initial: bool = False,
        entry: bool = False,
        max_visits: int | None = None,
        timeout_s: float | None = None,
        expires_s: float | None = None,
        reads: object = (),
        writes: object = (),
        attempts: int = 1,
        calls: int = 0,
        max_input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        thread: bool = False,
        repeatable: bool = False,
    ) -> None:
        super().__init__()
        self.agent = agent
        self.initial = initial
        self.entry = entry
        self.max_visits = max_visits
        self.timeout_s = timeout_s
        self.expires_s = expires_s
        self.thread = thread
        self.repeatable = repeatable
        self.handoffs: Sequence[Handoff] = []
        """What leaves here, in declaration order; a tuple once the machine is built."""
        asked = {"max_input_tokens": max_input_tokens, "max_output_tokens": max_output_tokens}
        caps = {name: cap for name, cap in asked.items() if cap is not None}
        if caps and not calls:
            raise TypeError(f"{' and '.join(caps)} are of calls, and the state declares none: say calls=1, or more")
        if isinstance(agent, type) or not isinstance(agent, HasSpec):
            localns = sys._getframe(1).f_locals
            if why := why_no_agent(agent) or why_no_visit(agent, localns):
                raise TypeError(why)
            annotated = annotated_context(agent, localns)
            self.spec: AgentSpec = function_spec(
                agent,
                name=qualified_name(agent),
                reads=field_refs(reads),
                writes=field_refs(writes),
                attempts=attempts,
                calls=calls,
                call_limits=CallLimits(**caps),
                contexts=(annotated,) if annotated else (),
                deps=annotated_deps(agent, localns),
                where=where_defined(agent),
            )
            if thread and is_async(agent):
                raise TypeError(f"{self.spec.name} is async, so it needs no thread: leave thread=True out")
        elif field_refs(reads) or field_refs(writes) or attempts != 1 or calls:
            raise TypeError(f"{type(agent).__name__} says its own reads, writes, attempts and calls: give them to it")
        elif thread:
            raise TypeError(f"a thread is for a plain function, not for {type(agent).__name__}: leave thread=True out")
        else:
            self.spec = spec_of(agent)
        if not isinstance(repeatable, bool):  # a text such as "no" would be a yes
            raise TypeError(f"repeatable= takes True or False, not {kind_of(repeatable)}, at {self.where}")
        if repeatable and self.spec.kind != "code":
            raise TypeError(
                f"repeatable= is for code, and the {type(agent).__name__} at {self.where} is asked again after a crash "
                "anyhow: leave it out"
            )

    @property
    def acts_once(self) -> bool:
        """Whether its agent must not act again if nobody knows whether it has: it is code, and not `repeatable`."""
        return self.spec.kind == "code" and not self.repeatable

    @property
    def _states(self) -> tuple[State, ...]:
        return (self,)

    def tool(self, tool: object) -> Used:
        """Return the use of a tool here, for policies: `never(billing.tool(refund)).before(yes)`.

        Args:
            tool: one that its agent declares, or its function.

        Raises TypeError: if it has no name.
        """
        return Used(self, tool_name(tool))

    def seconds(self, limits: Limits) -> float:
        """Return the seconds of one visit, in runs with these limits."""
        if self.timeout_s:
            return self.timeout_s
        parts = [part.definition.limits.deadline_s for part in self.spec.parts]
        # not cut short by a time that was meant for one agent; and never longer than the run itself
        return min(max(limits.visit_s, *parts), limits.deadline_s) if parts else limits.visit_s

    def may_time_out(self, limits: Limits) -> bool:
        """Return whether a visit can outlast its time before a run with these limits is over."""
        if self.expires_s is not None:
            return True
        # A visit in which only a human is due does not age. And not at the same time as the run: that is landed for
        # its deadline first, and the visits before this one may have taken no time at all.
        return self.spec.kind != "human" and self.seconds(limits) < limits.deadline_s

    @property
    def exits(self) -> tuple[Handoff, ...]:
        """The handoffs of the state in declaration order, without its failure edges."""
        return tuple(handoff for handoff in self.handoffs if handoff.kind == "handoff")

    @property
    def failure_edges(self) -> dict[EdgeKind, Handoff]:
        """The failure edges of the state by their kind."""
        return {handoff.kind: handoff for handoff in self.handoffs if handoff.kind != "handoff"}

    def __repr__(self) -> str:
        return f"<State {self.name}>"


class Final(_Declared):
    """A state that ends the run.

    Args:
        fallback: whether runs are landed here; exactly one final state of a machine is the fallback.
        sets: fields written whenever a run ends here, such as a default answer.
    """

    __slots__ = ("fallback", "sets")

    def __init__(self, *, fallback: bool = False, sets: Mapping[Any, object] | None = None) -> None:
        super().__init__()
        self.fallback = fallback
        refs = field_refs(sets or ())
        self.sets: Mapping[FieldRef, object] = MappingProxyType(dict(zip(refs, (sets or {}).values(), strict=True)))

    def __repr__(self) -> str:
        return f"<Final {self.name}>"


class Handoff(_Declared):
    """A guarded transition from one or several states; made by `State.to` and its kin."""

    __slots__ = ("description", "guard", "kind", "sources", "target")

    def __init__(
        self,
        sources: tuple[State, ...],
        target: State | Final,
        description: str,
        guard: Guard[Any] | None,
        kind: EdgeKind,
    ) -> None:
        super().__init__()
        self.sources = sources
        self.target = target
        self.description = description
        self.guard = guard
        self.kind: EdgeKind = kind
        if not isinstance(target, State | Final):
            raise TypeError(f"a handoff leads to one State or Final, not to {target!r}")
        _check_description(description, kind)
        if guard is not None and not isinstance(guard, Guard):
            raise TypeError(f"{guard!r} is not a guard: decorate the function with @guard")
        for source in sources:
            # once a machine is built its handoffs do not change; the other class gets FSM118
            if isinstance(source.handoffs, list):
                source.handoffs.append(self)

    def __repr__(self) -> str:
        sources = " | ".join(source.name for source in self.sources)
        return f"<Handoff {self.name}: {sources} -> {self.target.name}>"


class Chain(Subject):
    """Handoffs that lead from state to state: `flow = extract >> write >> shorten >> printed`.

    They are named by it, `flow_1`, `flow_2` and so on; a sole one bears its name, and is what the name means. A policy
    that speaks of it speaks of any of them.
    """

    __slots__ = ("handoffs", "name")

    def __init__(self, handoffs: tuple[Handoff, ...]) -> None:
        self.handoffs = handoffs
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name
        for number, handoff in enumerate(self.handoffs, 1):
            handoff.__set_name__(owner, name if len(self.handoffs) == 1 else f"{name}_{number}")

    def __rshift__(self, target: State | Final) -> Chain:
        """Return the chain with one more handoff."""
        last = self.handoffs[-1].target
        if isinstance(last, Final):
            raise TypeError(f"a run ends in a final state, so the one of {last.where} is the last of its chain")
        return Chain((*self.handoffs, last.to(target)))

    @property
    def alternatives(self) -> tuple[Atom, ...]:
        return self.handoffs

    def __repr__(self) -> str:
        return f"<Chain {self.name}: {len(self.handoffs)} handoffs>"


def _check_description(description: object, kind: EdgeKind) -> None:
    """Check that a description is text. A guard in its place would be lost, and the handoff always open."""
    if isinstance(description, Guard):
        how = f"give the guard as guard={description!r}" if kind == "handoff" else "a failure edge has no guard"
        raise TypeError(f"a description is text; {how}")
    if not isinstance(description, str):
        raise TypeError(f"a description is text, not {description!r}: say when to take the handoff, or leave it out")
