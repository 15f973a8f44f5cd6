"""The tree of an exploration: for every configuration, the best paths that lead to it.

A node is an integer, and stands for a configuration, which is not kept itself. A *way* to a node is the last edge of a
path to it, and names the node before it. Each node has one way of each kind: the first path that reached it, the first
that depends on no opaque guard, and the most expensive one in tokens, cost and calls. A way may be replaced by a better
one until its node is expanded.
"""

from __future__ import annotations

from array import array
from typing import Literal, NamedTuple

from ...kernel.inputs import Input
from .domain import Outcome

Way = Literal["first", "sure", "tokens", "cost", "calls"]
"""The shortest way to a node, the shortest that depends on no opaque guard, or the most expensive in a measure."""

MEASURES: tuple[Way, Way, Way] = ("tokens", "cost", "calls")
ROOT = 0
"""The node before the start of every run."""
_NONE = -1
"""Stands for a way that a node does not have."""
_LABEL_BITS = 24
"""The low bits of an edge, which number its label; the node before it is in the bits above."""


class Label(NamedTuple):
    """What happened on an edge: an input, and the answers of opaque leaves."""

    event: Input
    script: tuple[Outcome, ...]
    """The answers of opaque leaves, in the order in which they were asked."""
    is_sure: bool
    """Whether the edge leads to the same node whatever they answer."""


class Charges(NamedTuple):
    """What a path has been charged, or the most that any path to a node has been."""

    tokens: int = 0
    cost: int = 0
    """In micro-dollars."""
    calls: int = 0
    """Requests to models."""


class SearchTree:
    """The nodes of an exploration with their ways; it begins with the root alone."""

    def __init__(self) -> None:
        # Arrays of 64-bit integers: eight bytes for each way of a node, where objects would take several times that.
        self._labels: list[Label] = []
        self._numbers: dict[tuple[int, tuple[Outcome, ...], bool], int] = {}
        self._ways: dict[Way, array[int]] = {way: array("q", [0]) for way in ("first", "sure", *MEASURES)}
        self._charged = array("q", [0]), array("q", [0]), array("q", [0])

    def __len__(self) -> int:
        """Return the number of nodes, the root left out."""
        return len(self._ways["first"]) - 1

    def charges(self, node: int) -> Charges:
        """Return the most that any path to a node has been charged, measure by measure."""
        tokens, cost, calls = self._charged
        return Charges(tokens[node], cost[node], calls[node])

    def is_sure(self, node: int) -> bool:
        """Return whether some path to a node depends on no opaque guard."""
        return self._ways["sure"][node] != _NONE

    def add(self, parent: int, label: Label, charges: Charges) -> int:
        """Add a node that was reached from another, and return it.

        Args:
            charges: what the most expensive path to it has been charged, in each measure.
        """
        edge = self._edge(parent, label)
        self._ways["first"].append(edge)
        self._ways["sure"].append(edge if label.is_sure and self.is_sure(parent) else _NONE)
        for way, charged, amount in zip(MEASURES, self._charged, charges, strict=True):
            self._ways[way].append(edge)
            charged.append(amount)
        return len(self)

    def reach(self, node: int, parent: int, label: Label, charges: Charges) -> None:
        """Replace those ways to a node that are worse than one more edge to it."""
        # The first way stays: in a breadth-first walk no later one has fewer hops.
        sure = self._ways["sure"]
        if label.is_sure and sure[node] == _NONE and sure[parent] != _NONE:
            sure[node] = self._edge(parent, label)
        for way, charged, amount in zip(MEASURES, self._charged, charges, strict=True):
            if amount > charged[node]:
                self._ways[way][node] = self._edge(parent, label)
                charged[node] = amount

    def dearest(self, way: Way) -> tuple[int, int]:
        """Return the most that any path has been charged in a measure, and the first node at which one has been."""
        charged = self._charged[MEASURES.index(way)]
        most = max(charged)
        return most, max(1, charged.index(most))

    def path(self, node: int, way: Way) -> tuple[Label, ...]:
        """Return the labels of the edges on the way to a node, the start of the run first."""
        found = []
        while node != ROOT:
            parent, number = divmod(self._ways[way][node], 1 << _LABEL_BITS)
            found.append(self._labels[number])
            node = parent
        return tuple(reversed(found))

    def _edge(self, parent: int, label: Label) -> int:
        # By identity, since comparing inputs would be slow and the adversary gives the same ones out again. An identity
        # is not reused here: `_labels` keeps every input that has one.
        key = id(label.event), label.script, label.is_sure
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._labels)
            self._labels.append(label)
        return parent << _LABEL_BITS | number
