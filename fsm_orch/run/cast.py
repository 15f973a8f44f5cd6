"""The cast of a machine: who acts in its states, and in those of the machines that run inside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..agents.base import Agent
from ..agents.remote import RemoteTool
from ..define.agent_spec import AgentSpec
from ..define.definition import Definition
from ..define.states import State
from ..define.worst import machines_in
from ..errors import StartError
from ..kernel.tree import Level
from ..models import registry
from ..models.base import Model, objection
from ..models.fallback import Fallback
from .start import agents_of

Replaced = Mapping[State, Agent | Callable[[Any], Any]]
"""Agents instead of a machine's own, by state."""


@runtime_checkable
class HasRemoteTools(Protocol):
    """An agent that uses tools through servers."""

    @property
    def remote_tools(self) -> tuple[RemoteTool, ...]: ...


class Cast(NamedTuple):
    """Who acts in the states of one machine."""

    agents: Mapping[str, Agent]
    models: Mapping[str, Model]
    """By state, for those whose agents make calls."""
    parts: Mapping[str, Mapping[str, Cast]]
    """By state, the cast of each of its parts."""

    def at(self, levels: tuple[Level, ...]) -> Cast:
        """Return the cast of a machine in the tree: the last on a path from the run down."""
        cast = self
        for above, below in pairwise(levels):
            cast = cast.parts[above.now.state][below.part]
        return cast

    def all_models(self) -> dict[str, Model]:
        """Return every model in the tree, by place: `state`, or `state.part.state` inside a part."""
        inside = {
            f"{state}.{part}.{place}": model
            for state, parts in self.parts.items()
            for part, cast in parts.items()
            for place, model in cast.all_models().items()
        }
        return {**self.models, **inside}

    def remote_tools(self) -> Iterator[RemoteTool]:
        """Yield every tool in the tree that is used through a server."""
        for agent in self.agents.values():
            if isinstance(agent, HasRemoteTools):
                yield from agent.remote_tools
        for parts in self.parts.values():
            for cast in parts.values():
                yield from cast.remote_tools()


def cast_of(definition: Definition, default: str | Model | None, replaced: Replaced) -> Cast:
    """Find who acts in each state of the tree of a machine.

    Args:
        default: the model of agents that name none, and of all that are replaced. None: that of their machine, or else
            of the machine around it.
        replaced: agents for tests, of any machine in the tree.

    Raises StartError: if an agent has no model, or settings that its model does not take, or a replaced agent's state
        belongs to another machine.
    Raises ModelUnavailable: if a named model cannot be used.
    Raises TypeError: if a model is not one, such as the class of one, or what replaces an agent is none.
    """
    _check_ours(definition, replaced)
    # one model of a name for all states: where it is a fallback, whoever saw the first fail has it rest for all
    return _cast(definition, default, None, replaced, "", {})


def _cast(
    definition: Definition,
    default: str | Model | None,
    around: str | None,
    replaced: Replaced,
    place: str,
    opened: dict[str, Model],
) -> Cast:
    own = definition.model or around
    return Cast(
        agents_of(definition, replaced),
        _models(definition, default or own, replaced, place, opened),
        {
            name: {
                part.name: _cast(part.definition, default, own, replaced, f"{place}{name}.{part.name}.", opened)
                for part in state.spec.parts
            }
            for name, state in definition.states.items()
            if state.spec.parts
        },
    )


def _models(
    definition: Definition,
    default: str | Model | None,
    replaced: Collection[State],
    place: str,
    opened: dict[str, Model],
) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for name, named in definition.models(default).items():
        # Agents are replaced in tests: their calls must go to the model that the test gave, and not to the provider
        # that the state names, where they cost money.
        wanted = (default or named) if definition.states[name] in replaced else named
        if wanted is None:
            where = f" in {definition.name}" if place else ""
            how = f"Runner({definition.name}, model='provider:model')" if not place else "model='provider:model'"
            raise StartError(f"State {place + name!r}{where} needs a model: {how}")
        found[name] = _opened(wanted, opened)
        _check_fit(place + name, found[name], definition.states[name].spec)
    return found


def _opened(wanted: str | Model, opened: dict[str, Model]) -> Model:
    if not isinstance(wanted, str):
        return registry.opened(wanted)
    if wanted not in opened:
        opened[wanted] = registry.opened(wanted)
    return opened[wanted]


def _check_fit(place: str, model: Model, spec: AgentSpec) -> None:
    """Check that the agent of a state can use a model as it declares.

    Raises StartError: if it cannot.
    """
    if isinstance(model, Fallback) and spec.calls < 2:
        raise StartError(
            f"State {place!r} makes 1 call a visit, so {model.name!r} never falls back: "
            "give its agent calls=2 or more, or name one model"
        )
    if why := objection(model, spec.settings):
        raise StartError(
            f"State {place!r} has settings that {model.name!r} does not take ({why}): leave them out of its "
            "ModelSettings, or name another model"
        )


def _check_ours(definition: Definition, replaced: Collection[State]) -> None:
    tree = [definition, *(inner for _, inner in machines_in(definition))]
    ours = {id(state) for machine in tree for state in machine.states.values()}
    foreign = [state for state in replaced if id(state) not in ours]
    if foreign:
        states = ", ".join(f"{machine.name}.{name}" for machine in tree for name in machine.states)
        is_twin = getattr(foreign[0], "name", None) in definition.states
        again = " now: it is another machine's, or this one was defined again" if is_twin else ""
        raise StartError(f"{foreign[0]!r} is not a state of {definition.name}{again}: give one of {states}")
