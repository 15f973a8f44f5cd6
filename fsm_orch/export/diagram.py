"""A definition as a diagram: nodes and arrows with their lines of text, not yet in any language.

Every state can be landed in the fallback, though nobody declares that edge. It is an arrow here like any other.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..define.agent_spec import AgentSpec
from ..define.definition import Definition
from ..define.states import Final, Handoff, State
from ..define.wording import number_of
from ..limits import Limits

NodeKind = Literal["state", "final", "fallback"]
ArrowKind = Literal["handoff", "failure", "landing"]

_WIDTH = 48
"""The most characters of a description that are shown: descriptions are written for models, and may be long."""


@dataclass(frozen=True)
class Node:
    """A state or final state."""

    id: str
    """A generated name, since a user's name may be a keyword of the language."""
    kind: NodeKind
    lines: tuple[str, ...]
    """The text in it, its name first."""


@dataclass(frozen=True)
class Arrow:
    """An edge between two nodes, by their ids."""

    source: str
    target: str
    kind: ArrowKind
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Diagram:
    """The nodes and arrows of a machine."""

    title: tuple[str, ...]
    starts: tuple[str, ...]
    """The nodes that runs start in, the initial state first."""
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def diagram(definition: Definition) -> Diagram:
    """Make the diagram of a definition: its limits, states, handoffs and failure edges, and the landing edge of each
    state."""
    ids = {name: f"n{number}" for number, name in enumerate((*definition.states, *definition.finals))}
    return Diagram(
        title=_printable(definition.name, _limits(definition.limits)),
        starts=tuple([ids[name] for name in definition.starts]),
        nodes=(
            *(Node(ids[name], "state", _state_lines(state)) for name, state in definition.states.items()),
            *(Node(ids[name], *_final(final)) for name, final in definition.finals.items()),
        ),
        arrows=(
            *(arrow for handoff in definition.handoffs for arrow in _arrows(handoff, ids)),
            *(Arrow(ids[name], ids[definition.fallback.name], "landing", ()) for name in definition.states),
        ),
    )


def _limits(limits: Limits) -> str:
    cost = [] if limits.cost_usd is None else [f"${limits.cost_usd:f}"]
    return ", ".join([number_of(limits.hops, "hop"), f"{limits.tokens:,} tokens", *cost, f"{limits.deadline_s:g} s"])


def _state_lines(state: State) -> tuple[str, ...]:
    visits = [] if state.max_visits is None else [f"at most {number_of(state.max_visits, 'visit')}"]
    timeout = [] if state.timeout_s is None else [f"{state.timeout_s:g} s a visit"]
    return _printable(state.name, state.spec.name, *_caps(state.spec), *visits, *timeout)


def _caps(spec: AgentSpec) -> list[str]:
    caps = spec.call_limits
    calls = [f"{number_of(spec.calls, 'call')} of {caps.max_input_tokens:,} + {caps.max_output_tokens:,} tokens"]
    runs = [f"runs {_times(part.most)}{part.name}, {part.share.tokens:,} tokens" for part in spec.parts]
    used = [f"may use {', '.join(used_by(spec))}"] if spec.tools else []
    return [*(calls if spec.calls else []), *runs, *used, *(["asks a human"] if spec.asks_human else [])]


def used_by(spec: AgentSpec) -> list[str]:
    """Return the names of the tools that an agent may use, and of which a human must approve."""
    return [f"{tool.name} (once approved)" if tool.approval else tool.name for tool in spec.tools]


def _times(most: int) -> str:
    return f"up to {most:,} x " if most > 1 else ""


def _final(final: Final) -> tuple[NodeKind, tuple[str, ...]]:
    sets = [f"sets {', '.join(ref.name for ref in final.sets)}"] if final.sets else []
    if final.fallback:
        return "fallback", _printable(final.name, "fallback", *sets)
    return "final", _printable(final.name, *sets)


def _arrows(handoff: Handoff, ids: dict[str, str]) -> Iterator[Arrow]:
    guard = [] if handoff.guard is None else [f"[{handoff.guard!r}]"]
    kind: ArrowKind = "handoff" if handoff.kind == "handoff" else "failure"
    failure = [f"on {handoff.kind}"] if kind == "failure" else []
    meaning = textwrap.shorten(handoff.description, _WIDTH, placeholder=" …")
    lines = _printable(handoff.name, *failure, *guard, *([meaning] if meaning else []))
    for source in handoff.sources:
        yield Arrow(ids[source.name], ids[handoff.target.name], kind, lines)


def printable(line: str) -> str:
    """Return a line with control characters, line breaks, marks of direction and lone surrogates as spaces.

    So it stays one line in every language, and can be written in UTF-8.
    """
    return "".join(character if character.isprintable() else " " for character in line)


def _printable(*lines: str) -> tuple[str, ...]:
    return tuple(map(printable, lines))
