"""Policies as small automata over the moments of a run, on finite traces.

An automaton takes, at each moment, whether the policy's subject and its other happen, and moves from a number to a
number. Once broken it stays so: what has happened is never taken back. A policy that is *due* still waits for
something, and is broken if the run ends then, unless it was landed and the policy is not strict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Pattern, Policy
from ...define.subject import Atom

Holds = Callable[[Guard[Any]], bool]
BROKEN = -1
"""Where an automaton stays once its policy is broken."""

Verdict = Literal["holds", "violated", "possible", "unknown"]
"""Possible: a path breaks it that hangs on a guard which was not looked into, or that validators may refuse. Unknown:
not all paths were seen."""


class Side(NamedTuple):
    """One side of a policy, its subject or its other: it happens where any of these does."""

    names: frozenset[str]
    """Of states, final states and handoffs."""
    guards: tuple[Guard[Any], ...]

    def happens(self, name: str, holds: Holds | None) -> bool:
        """Tell whether it happens at a moment; `holds` is None where no guard is looked at."""
        return name in self.names or (holds is not None and any(map(holds, self.guards)))


class Automaton(NamedTuple):
    """A policy over the moments of a run; it begins at 0."""

    policy: Policy
    moves: Mapping[tuple[int, bool, bool], int]
    """Where it moves, by where it is, whether the subject happens and whether the other does."""
    due: frozenset[int]
    """Where the policy still waits for something."""
    subject: Side
    other: Side

    def start(self, place: str, holds: Holds) -> int:
        """Begin in the initial state."""
        return self._moment(0, place, holds)

    def hop(self, at: int, handoff: str, place: str, holds: Holds) -> int:
        """Take a hop, which has two moments: the handoff is taken, then a state is entered.

        Args:
            place: the state or final state that was entered.
            holds: tells whether a guard holds on the context that the hop left.
        """
        return self._moment(self._moment(at, handoff, None), place, holds)

    def landed(self, at: int, fallback: str, holds: Holds) -> int:
        """Take the landing edge, which is no moment unless the policy is strict."""
        return self._moment(at, fallback, holds) if self.policy.strict else at

    def is_broken(self, at: int, *, ended: bool, landed: bool) -> bool:
        """Tell whether the policy is broken: for good, or because the run ended while it was due."""
        return at == BROKEN or (ended and at in self.due and (self.policy.strict or not landed))

    def _moment(self, at: int, name: str, holds: Holds | None) -> int:
        return self.moves[at, self.subject.happens(name, holds), self.other.happens(name, holds)]


def automaton(policy: Policy) -> Automaton:
    """Compile a policy."""
    moves = {
        (at, x, y): _move(policy, at, x, y)
        for at in (BROKEN, *range(max(2, policy.times + 1)))
        for x in (False, True)
        for y in (False, True)
    }
    due = _DUE.get(policy.pattern, frozenset())
    return Automaton(policy, moves, due, _side(policy.subject), _side(policy.other))


def _side(atoms: tuple[Atom, ...]) -> Side:
    return Side(
        frozenset(atom.name for atom in atoms if not isinstance(atom, Guard)),
        tuple(atom for atom in atoms if isinstance(atom, Guard)),
    )


_DUE: Mapping[Pattern, frozenset[int]] = {"existence": frozenset({0}), "response": frozenset({1})}


def _move(policy: Policy, at: int, x: bool, y: bool) -> int:
    """Say where a policy is after a moment in which its subject (x) and its other (y) happen or not.

    0 is the beginning. 1 is: y has happened (after, before), x has happened (eventually), or x is due (response).
    """
    if at == BROKEN:
        return BROKEN
    match policy.pattern:
        case "absence":
            return BROKEN if x else at
        case "absence_after":
            at = 1 if y else at
            return BROKEN if x and at == 1 else at
        case "precedence":
            at = 1 if y else at
            return BROKEN if x and at == 0 else at
        case "existence":
            return 1 if x else at
        case "response":
            at = 1 if y else at
            return 0 if x else at
        case "bounded_existence":
            at = at + 1 if x else at
            return BROKEN if at > policy.times else at


def guards(definition: Definition, policies: tuple[Policy, ...]) -> tuple[Guard[Any], ...]:
    """Tell every guard that a run or one of its policies asks, each once."""
    asked = [handoff.guard for handoff in definition.handoffs if handoff.guard is not None]
    asked += [guard for policy in policies for guard in policy.guards]
    return tuple(dict.fromkeys(asked))
