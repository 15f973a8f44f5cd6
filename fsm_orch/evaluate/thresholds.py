"""Thresholds of examples agents: what each would do with labelled queries, and which is best by what errors cost.

Tune on queries that are no examples of the agent, and measure on others again. A low threshold lets in what nobody
should take (leak); a high one sends away what somebody should (false fallback). No threshold is right for both, so say
what each error costs you.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..agents.examples import ExamplesAgent
from .routes import Rates, verdict

GRID = tuple(step / 100 for step in range(101))
"""The thresholds that are tried: two digits, since more would be noise."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled query, and what an agent thinks of it."""

    expected: str
    """The state that it should reach; any other word: no label."""
    nearest: str
    """Where it goes if its score is at least the threshold."""
    score: float
    otherwise: str
    """Where it goes if not."""

    def reached(self, threshold: float) -> str:
        """Return where it goes with a threshold."""
        return self.nearest if self.score >= threshold else self.otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What each error costs, in any unit; by default all are alike, and the best threshold is the most accurate."""

    misroute: float = 1
    """A query that reached another's label."""
    false_fallback: float = 1
    """A query of somebody's that reached nobody."""
    leak: float = 1
    """A query of nobody's that reached somebody."""

    def of(self, rates: Rates) -> float:
        """Return what all errors of a routing cost."""
        return (
            self.misroute * rates.misroute.count
            + self.false_fallback * rates.false_fallback.count
            + self.leak * rates.leak.count
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, and what it would do."""

    threshold: float
    rates: Rates


@dataclass(frozen=True)
class Curve:
    """What each threshold would do, from the least to the greatest."""

    points: tuple[Point, ...]

    def best(self, costs: Costs | None = None) -> Point:
        """Return the threshold whose errors cost least; of several that are alike, the one in their middle.

        Args:
            costs: of each kind of error; None: all alike.
        """
        prices = costs or Costs()
        totals = [prices.of(point.rates) for point in self.points]
        least = [point for point, total in zip(self.points, totals, strict=True) if total == min(totals)]
        return least[len(least) // 2]


def scored(agent: ExamplesAgent, queries: Iterable[tuple[str, str]]) -> tuple[Scored, ...]:
    """Return what an agent thinks of labelled queries; blocks while it embeds them.

    Args:
        agent: of a machine that is built, whose states have their names.
        queries: each a text and the name of the state that it should reach; any other word: no label.
    """
    found = []
    for text, expected in queries:
        target, score = agent.nearest(text)
        found.append(Scored(expected, target.name, score, agent.otherwise.name))
    return tuple(found)


def curve(queries: Sequence[Scored], labels: Collection[str], thresholds: Iterable[float] = GRID) -> Curve:
    """Return what each threshold would do with queries.

    Args:
        queries: at least one.
        labels: names of states, as in `routes`.
        thresholds: from the least to the greatest.
    """
    in_scope = sum(query.expected in labels for query in queries)

    def rates(threshold: float) -> Rates:
        return Rates.of(
            Counter(verdict(query.expected, query.reached(threshold), labels) for query in queries), in_scope
        )

    return Curve(tuple(Point(threshold, rates(threshold)) for threshold in thresholds))


def tuned(agent: ExamplesAgent, queries: Iterable[tuple[str, str]], *, costs: Costs | None = None) -> Point:
    """Return the best threshold of an agent for labelled queries that are none of its examples, and what it would do.

        tuned(Desk.triage.agent, [("where is my parcel?", "shipping"), ("tell me a joke", "nobody")])

    Args:
        agent: of a machine that is built.
        queries: each a text and the name of the state that it should reach; any other word: none of the agent's.
        costs: what each kind of error costs; None: all alike.

    Raises ValueError: if there are no queries.
    """
    found = scored(agent, queries)
    if not found:
        raise ValueError("a threshold is tuned on labelled queries, and there are none")
    return curve(found, {target.name for target in agent.targets}).best(costs)
