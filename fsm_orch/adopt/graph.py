"""What an object of another framework is read as: nodes, edges, and what that framework itself stops at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

Trust = Literal["declared", "read", "assumed"]
"""How sure an edge is: written down as data, read from source code, or written nowhere and so taken as possible."""

Chooser = Literal["model", "code", "always"]
"""Who takes an edge: a model by its reply, a function by its result, or nobody, since it is the only way."""

END = "__end__"
"""The target of an edge that ends the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One agent, or one function, of the framework."""

    key: str
    """Its name there."""

    kind: Literal["llm", "code", "human"] = "code"

    instructions: str | None = None
    """What its model is told; None if that is computed, or if no model is asked."""

    does: str = ""
    """What the others are told that it is for."""

    model: str | None = None
    """By the framework's name."""

    calls: int | None = 1
    """Requests to a model in one visit, at most; None if nothing bounds them."""

    max_output_tokens: int | None = None
    """Of one reply; None if nothing bounds them."""

    tools: tuple[str, ...] = ()

    source: str | None = None
    """How its object is reached from the module, such as `triage.handoffs[1]`; None if it cannot be."""

    blind: bool = False
    """True if no request to a model was seen in its code, so that it is taken to make none."""

    is_counted: bool = False
    """True if its requests were counted in its code, where more may be hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One way from a node to another, or to `END`."""

    source: str
    target: str

    via: str
    """What leads along it there: a handoff's tool, a router's function, the name of a condition."""

    chooses: Chooser
    trust: Trust = "declared"
    description: str = ""

    condition: str | None = None
    """What else must hold, by the framework's own name for it; it is not read, and so taken both ways."""

    choice: int | None = None
    """Edges of one node with the same number shut each other out; None: taken whatever the others are."""

    is_waited: bool = False
    """True if its target runs when another edge, which is not, has come too: that one stands for both."""

    @property
    def shown(self) -> str:
        """The target as messages name it."""
        return "(end)" if self.target == END else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What the framework itself stops at."""

    name: str
    value: int | None
    """None if it is not set, so that nothing stops a cycle."""

    unit: str
    """What is counted, such as `requests`."""

    counts: Literal["requests", "steps", "each", "messages"] = "steps"
    """What the value bounds: requests to models, steps of one node each, the visits of each node, or steps in which
    each message is a visit of its own."""

    then: str
    """What the caller gets when it is reached."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Everything that was read of one object."""

    framework: str
    name: str
    entry: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    cap: Cap

    is_entry_added: bool = False
    """Whether the entry was put before the starts by the reader, and so takes no step there."""

    joins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each node that waits for several others: those."""

    forks: frozenset[str] = frozenset()
    """Nodes whose edges are taken all at once."""

    often: Mapping[str, int] = field(default_factory=dict)
    """How often nodes may run for each one that the cap counts, where that is more than once."""

    may_fork: frozenset[str] = frozenset()
    """Nodes of which nothing says that one way alone is taken; they are taken as forks."""

    sends: frozenset[str] = frozenset()
    """Nodes that start as many others as they please, such as by `Send`."""

    lost: tuple[str, ...]
    """What a machine made from this does not keep, one clause each."""

    outside: tuple[str, ...] = ()
    """What asks models by itself, so that no bound counts it, such as an agent that is a tool; one clause each."""

    uncounted: tuple[str, ...] = ()
    """What asks models beside the nodes, such as a guardrail, so that a run costs more there; one clause each."""

    assumed: tuple[str, ...] = ()
    """What numbers of this hold under, such as that a guardrail asks no model; one clause each."""

    unused: tuple[str, ...] = ()
    """What is declared there and never taken, one clause each."""

    on_unknown: str
    """What the framework does with a target that does not exist."""

    @property
    def is_beside(self) -> bool:
        """Return whether nodes run side by side, or may."""
        return bool(self.joins or self.forks or self.may_fork or self.sends)

    def with_steps_of_each(self, unit: str) -> Graph:
        """Return the graph of a framework in which a step is one of each node that is due, if several may be.

        Args:
            unit: What its cap counts then.
        """
        return replace(self, cap=replace(self.cap, unit=unit, counts="each")) if self.is_beside else self

    def not_kept(self) -> Mapping[str, tuple[str, ...]]:
        """Return what is lost, each once, with the nodes that lose it; with none if it is lost of the whole graph."""
        found: dict[str, tuple[str, ...]] = {}
        for said in self.lost:
            key, colon, what = said.partition(": ")
            found[what if colon else said] = (*found.get(what, ()), key) if colon else ()
        return found

    def leaving(self, key: str) -> tuple[Edge, ...]:
        """Return the edges that leave the node `key`, in order."""
        return self._leaving.get(key, ())

    @cached_property
    def _leaving(self) -> Mapping[str, tuple[Edge, ...]]:
        return by_source(self.edges)


def by_source(edges: Iterable[Edge]) -> dict[str, tuple[Edge, ...]]:
    """Return edges by the nodes that they leave, in order."""
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.source, []).append(edge)
    return {source: tuple(leaving) for source, leaving in found.items()}
