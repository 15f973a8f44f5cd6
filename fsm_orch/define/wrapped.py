"""Agents as machines of one state: how a function or a model runs as a part, beside others or once for each item.

    news: State -> done | failed      on a context of the fields that its agent's own context has

So a branch has what every state has: its time, its attempts, its key, its repairs and its records.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

from ..amounts import FREE
from ..errors import DefinitionError
from ..limits import Limits
from .agent_spec import AgentSpec, HasSpec
from .context import Context, FieldRef
from .definition import Definition
from .marks import GIVEN, Mark
from .rules.check import check
from .rules.functions import needed
from .sealed import remade
from .states import Final, State

Work = HasSpec | Callable[[Any], Any] | State
"""What can be wrapped: an agent, a plain function, or a state, which may say its time and what a function reads."""


def in_state(work: Work) -> State:
    """Return the state in which an agent or a function works; of a state itself, an open copy."""
    if isinstance(work, State):
        return remade(work, initial=True, handoffs=[], _machine=None, _owners=[])
    return State(work, initial=True)


def name_of_work(state: State) -> str:
    """Return what a branch is called if nobody says: like its function, or the fields that its agent writes."""
    spec = state.spec
    written = "_".join(ref.name for ref in spec.writes)
    return spec.name if spec.kind == "code" and spec.name.isidentifier() else written or spec.kind


def wrapped(state: State, name: str) -> Definition:
    """Return a machine of one state, which is named like it.

    It is given what its agent reads, and what else its context requires; it ends well when its agent has replied.

    Raises DefinitionError: if the state breaks a rule, such as by a field that no context has.
    """
    spec = state.spec
    state.name, state.initial = name, True
    done, failed = Final(), Final(fallback=True)
    done.name, failed.name = "done", "failed"
    to_done = state.to(done)
    to_done.name = "to_done"
    definition = Definition(
        name=name,
        doc="",
        where=state.where,
        context=_context(spec, name),
        states={name: state},
        finals={"done": done, "failed": failed},
        handoffs=(to_done,),
        limits=_limits(state),
        deps=needed(state),
    )
    if findings := check(definition):
        raise DefinitionError(name, findings)
    definition.seal()
    return definition


def working(definition: Definition) -> Iterator[State]:
    """Yield the states of a definition, and in place of one that runs branches, also the states of those.

    Machines of users' own that run in it are not looked into.
    """
    for state in definition.states.values():
        yield state
        for part in state.spec.parts:
            if part.definition.name in part.definition.states:  # as `wrapped` names them
                yield from working(part.definition)


def _limits(state: State) -> Limits:
    """Return limits that are no more than one visit takes."""
    seconds = state.seconds(Limits())
    if not 0 < seconds < math.inf:  # a rule finds it, at its line
        seconds = Limits().visit_s
    return Limits(hops=1, tokens=state.spec.worst_case(FREE).tokens, cost_usd=None, deadline_s=seconds, visit_s=seconds)


def _context(spec: AgentSpec, name: str) -> type[Context]:
    """Return the context of a branch: its agent's own, in which what it reads is given.

    A subclass, so that functions and fields that name the context of the machine around it mean this one too.
    """
    base = owner_of((*spec.reads, *spec.writes), spec.contexts)
    # by the context around it and by its own name: a digest holds it, so it must be the same in every process
    told = {"__module__": base.__module__, "__qualname__": f"{base.__qualname__}.{name}"}
    made: type[Context] = types.new_class(name, (base,), {}, lambda body: body.update(told))
    for field in sorted(spec.read_names & made.__pydantic_fields__.keys()):
        info = made.__pydantic_fields__[field] = copy(made.__pydantic_fields__[field])
        if not info.is_required():
            info.metadata = [*(mark for mark in info.metadata if not isinstance(mark, Mark)), GIVEN]
    made._starting_fields = None  # what is known of its marks may be known from before
    return made


def owner_of(refs: Iterable[FieldRef], annotated: Iterable[type[Context]] = ()) -> type[Context]:
    """Return the context that has all these fields; `Context` itself if there are none.

    Raises TypeError: if they are of contexts of which none is a subclass of all others.
    """
    owners = list(dict.fromkeys([*(ref.owner for ref in refs), *annotated]))
    for owner in owners:
        if all(issubclass(owner, other) for other in owners):
            return owner
    if not owners:
        return Context
    names = ", ".join(owner.__name__ for owner in owners)
    raise TypeError(f"one agent reads and writes fields of one context, not of {names}")
