"""Code agents, called one by one on generated contexts: a bug in the body of a function, which no proof looks into."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import ResolutionFailed, Unsatisfiable

from ..agents.base import Agent, Reply, Visit
from ..define.changes import journaled, validated
from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..define.guards import Guard
from ..define.machine import AnyMachine, definition_of
from ..define.states import Handoff, State
from ..define.watched import declared, watched
from ..errors import ContextError, WrongType
from ..proof.explore.domain import leaves_of
from ..proof.explore.reads import may_read
from ..proof.explore.values import spoken_of
from ..run.outcome import TooLate, replied
from ..run.start import agents_of
from .strategies import given_values, values

_OURS = Path(__file__).parents[1]


def code_states(definition: Definition) -> tuple[State, ...]:
    """Return the states whose agents are code that calls no model, in declaration order."""
    return tuple(state for state in definition.states.values() if state.spec.kind == "code" and not state.spec.calls)


def assert_agents_act(
    machine: AnyMachine,
    states: State | Sequence[State] | None = None,
    *,
    deps: Callable[[], Any] | None = None,
    may_raise: type[Exception] | tuple[type[Exception], ...] = (),
) -> None:
    """Assert that code agents act: each is called by itself, and must return a reply that its state declares.

    It is called on contexts that are made up by the types of their fields: those that a caller gives, those that its
    state reads, and those that guards on the ways into it may read, such that one of these guards holds. Whatever the
    agent does is really done, as often as Hypothesis likes. So what it could pay with, send with or delete with must
    come from `deps`.

    Args:
        machine: the machine.
        states: whose agents are called, one or several; None: of every state whose agent is code.
        deps: makes the dependencies of one call, the test's own; or a context manager that opens and closes them.
        may_raise: what agents raise by design, such as an error that an edge `on_failure` is for.

    Raises AssertionError: if an agent raises, takes longer than its visit may, or returns what its state does not
        declare; names the agent, its line, and the context.
    Raises hypothesis.errors.ResolutionFailed: if no context is found on which a run enters a state; says why.
    Raises TypeError: if the machine has dependencies, and none are given.
    Raises ValueError: if a state is not the machine's, or its agent is not code.
    """
    definition = definition_of(machine, "assert_agents_act")
    if definition.deps is not None and deps is None:
        raise TypeError(f"{definition.name} has dependencies: give the test's own, as deps=lambda: ...")
    known = code_states(definition)
    asked = known if states is None else (states,) if isinstance(states, State) else tuple(states)
    for state in asked:
        if state not in known:
            names = ", ".join(one.name for one in known) or "none"
            raise ValueError(f"{state!r} is no state of {definition.name} whose agent is code. There are: {names}")
    for state in asked:
        _call_often(definition, state, deps or (lambda: None), may_raise)


def _call_often(
    definition: Definition,
    state: State,
    deps: Callable[[], Any],
    may_raise: type[Exception] | tuple[type[Exception], ...],
) -> None:
    agent, refused = agents_of(definition, {})[state.name], list[str]()

    @settings(deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much))
    @given(_contexts(definition, state, refused))
    def acts(context: Context) -> None:
        wrong = _wrong(definition, state, agent, context, deps, may_raise)
        assert wrong is None, f"{definition.name}.{state.name}: {state.spec.name} {wrong}\n  on {context!r}"

    try:
        acts()
    except Unsatisfiable as error:
        raise _never_entered(definition, state, refused) from error


def _never_entered(definition: Definition, state: State, refused: list[str]) -> ResolutionFailed:
    """Return the error that says why no context was found on which a run enters a state, and what to do."""
    why = Counter(refused).most_common(1)[0][0] if refused else "none was drawn"
    return ResolutionFailed(
        f"Hypothesis found no context on which a run of {definition.name} enters {state.name!r}: {why}. "
        "If no run does, `fsm-orch check` says so. If some do, make their values likely: give a field that decides it "
        "a type of its own, and register that in a conftest.py: hypothesis.strategies.register_type_strategy(TheType, "
        "...). Or name the states to call, without this one"
    )


def _contexts(definition: Definition, state: State, refused: list[str]) -> st.SearchStrategy[Context | None]:
    """Draw contexts on which a run may enter a state; note in `refused` why others were not taken."""
    context_type, ways = definition.context, [way for _, way in definition.edges if way.target is state]
    leaves = leaves_of(way.guard for way in ways)
    written = frozenset[str]().union(*(one.spec.written_names for one in definition.states.values()))
    # a field that nobody gives or writes keeps its default in every run
    asked = frozenset[str]().union(*(may_read(leaf, context_type) for leaf in leaves)) & (
        written | given_fields(context_type)
    )
    fields = {name: values(context_type, name) for name in sorted(state.spec.read_names)}
    fields |= {name: _values_for(context_type, name, leaves) for name in sorted(asked)}
    drawn = st.builds(lambda given, more: {**given, **more}, given_values(context_type), st.fixed_dictionaries(fields))

    def is_way_in(context: Context | None) -> bool:
        if context is None or state.name in definition.starts or any(_is_open(way, context) for way in ways):
            return context is not None
        refused.append(f"no guard on a way into it held ({', '.join(f'{way.name}: {way.guard!r}' for way in ways)})")
        return False

    return drawn.map(partial(_made, context_type, refused)).filter(is_way_in)


def _values_for(context_type: type[Context], name: str, leaves: Iterable[Guard[Any]]) -> st.SearchStrategy[Any]:
    """Draw values of a field that guards may read: some of any kind, and some that these guards speak of."""
    spoken = spoken_of(context_type, name, leaves)
    return st.sampled_from(spoken) | values(context_type, name) if spoken else values(context_type, name)


def _made(context_type: type[Context], refused: list[str], drawn: Mapping[str, Any]) -> Context | None:
    """Return a context as a run holds it, read back from JSON; None if it is not one."""
    try:
        return validated(context_type, journaled(validated(context_type, drawn), drawn))
    except ContextError as error:
        refused.append(str(error).rstrip("."))
        return None


def _is_open(way: Handoff, context: Context) -> bool:
    try:
        return way.guard is None or way.guard(context) is True
    except Exception:  # one that raises counts as false, here as in a run
        return False


def _wrong(
    definition: Definition,
    state: State,
    agent: Agent,
    context: Context,
    deps: Callable[[], Any],
    may_raise: type[Exception] | tuple[type[Exception], ...],
) -> str | None:
    """Call an agent once, and return what is wrong; None if nothing is."""
    seconds = state.seconds(definition.limits)
    with ExitStack() as stack:
        made = deps()
        visit = Visit[Any, Any](
            state=state,
            context=watched(context, declared(state)),
            messages=(),
            deps=stack.enter_context(made) if isinstance(made, AbstractContextManager) else made,
            key="called:0",
            attempt=1,
            refusals=(),
            seconds_left=lambda: seconds,
            exits=state.exits,
            legal=lambda: tuple(way for way in state.exits if _is_open(way, context)),
            metered=None,
        )
        try:
            reply = asyncio.run(_in_time(agent, visit, seconds))
        except may_raise:
            return None
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            return _raised(error)
    if isinstance(reply, TooLate):
        return f"took longer than the {seconds:g} s of its visit"
    return _misfit(state, context, reply)


async def _in_time(agent: Agent, visit: Visit[Any, Any], seconds: float) -> object:
    time = asyncio.timeout(seconds)
    try:
        async with time:
            return await agent.act(visit)
    except TimeoutError:
        if time.expired():
            return TooLate()
        raise  # the agent's own


def _raised(error: BaseException) -> str:
    """Return what was raised, with the lines of the user's that led there."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame)]
    shown = "".join(traceback.format_list(lines)).rstrip()
    return f"raised {''.join(traceback.format_exception_only(error)).strip()}" + (f"\n{shown}" if shown else "")


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(_OURS) or "asyncio" in Path(frame.filename).parts


def _misfit(state: State, context: Context, reply: object) -> str | None:
    """Return why a state takes no such reply; None if it does."""
    if not isinstance(reply, Reply):
        return f"returned {type(reply).__name__}: an agent returns a Reply"
    try:
        said = replied(context, state, reply, at=0.0)
    except WrongType as error:
        return f"gave a reply that makes no sense: {error}"
    if said.refusal is not None and reply.refusal is None:
        return f"wrote what does not fit: {said.refusal.detail}"
    wrote, writes = sorted(said.changes), sorted(state.spec.written_names)
    if wrote != writes:
        return f"wrote {', '.join(wrote) or 'nothing'}, and declares to write {', '.join(writes) or 'nothing'}"
    if said.handoff not in {None, *(way.name for way in state.exits)}:
        return f"proposed {said.handoff!r}, which does not leave its state"
    return None
