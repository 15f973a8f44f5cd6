"""The tree of an exploration: how every configuration was reached first, surely, and at the highest price.

A node is an integer, and so is all that is known of it: configurations themselves are not kept. Each *way* to a node is
its last edge, which names the node before it; a node's ways may be bettered until it is expanded.
"""

from __future__ import annotations

from array import array
from typing import Literal, NamedTuple

from ...kernel.inputs import Input
from .domain import Outcome

Way = Literal["first", "sure", "tokens", "cost", "calls"]
"""The shortest way to a node, the shortest that hangs on no unknown guard, or the dearest in a measure."""

MEASURES: tuple[Way, Way, Way] = ("tokens", "cost", "calls")
ROOT = 0
"""The node before every start."""
_NONE = -1
_LABEL_BITS = 24


class Label(NamedTuple):
    """What happened on an edge."""

    event: Input
    script: tuple[Outcome, ...]
    """What unknown leaves answered, in the order in which they were asked."""
    is_sure: bool
    """Whether it leads there whatever they answer."""


class Worth(NamedTuple):
    """What a path has been charged."""

    tokens: int = 0
    cost: int = 0
    """Micro-dollars."""
    calls: int = 0


class SearchTree:
    """Nodes with their ways; begins with the root alone."""

    def __init__(self) -> None:
        self._labels: list[Label] = []
        self._numbers: dict[tuple[int, tuple[Outcome, ...], bool], int] = {}
        self._ways: dict[Way, array[int]] = {way: array("q", [0]) for way in ("first", "sure", *MEASURES)}
        self._charged = array("q", [0]), array("q", [0]), array("q", [0])

    def __len__(self) -> int:
        """Count the nodes below the root."""
        return len(self._ways["first"]) - 1

    def worth(self, node: int) -> Worth:
        """Tell the most that any path to a node has been charged, measure by measure."""
        tokens, cost, calls = self._charged
        return Worth(tokens[node], cost[node], calls[node])

    def is_sure(self, node: int) -> bool:
        """Tell whether some path to a node hangs on no unknown guard."""
        return self._ways["sure"][node] != _NONE

    def add(self, parent: int, label: Label, worth: Worth) -> int:
        """Add a node, reached from another; returns it."""
        edge = self._edge(parent, label)
        self._ways["first"].append(edge)
        self._ways["sure"].append(edge if label.is_sure and self.is_sure(parent) else _NONE)
        for way, charged, amount in zip(MEASURES, self._charged, worth, strict=True):
            self._ways[way].append(edge)
            charged.append(amount)
        return len(self)

    def reach(self, node: int, parent: int, label: Label, worth: Worth) -> None:
        """Reach a node once more; keeps what is better."""
        sure = self._ways["sure"]
        if label.is_sure and sure[node] == _NONE and sure[parent] != _NONE:
            sure[node] = self._edge(parent, label)
        for way, charged, amount in zip(MEASURES, self._charged, worth, strict=True):
            if amount > charged[node]:
                self._ways[way][node] = self._edge(parent, label)
                charged[node] = amount

    def dearest(self, way: Way) -> tuple[int, int]:
        """Tell the most that any path has been charged in a measure, and a first node of such a path."""
        charged = self._charged[MEASURES.index(way)]
        most = max(charged)
        return most, max(1, charged.index(most))

    def path(self, node: int, way: Way) -> tuple[Label, ...]:
        """Tell what happened on the way to a node, the start first."""
        found = []
        while node != ROOT:
            parent, number = divmod(self._ways[way][node], 1 << _LABEL_BITS)
            found.append(self._labels[number])
            node = parent
        return tuple(reversed(found))

    def _edge(self, parent: int, label: Label) -> int:
        key = id(label.event), label.script, label.is_sure  # events live as long as the labels that hold them
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._labels)
            self._labels.append(label)
        return parent << _LABEL_BITS | number
