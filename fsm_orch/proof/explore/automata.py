"""Policies as automata: each reads the moments of a run one by one and notices when its policy is broken.

The states of an automaton are numbers, and it begins at 0. A *moment* is that a state is entered, a handoff is taken,
or a tool is used. At each moment it moves by whether the two sides of the policy happen: its subject, and what the
subject is set against, called the other. Once broken, an automaton stays broken: what has happened is not taken back. A
policy that is *due* still waits for something. It is broken if the run ends then, unless the run was landed and the
policy is not strict.
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
"""The state in which an automaton stays once its policy is broken."""

Verdict = Literal["holds", "violated", "possible", "unknown"]
"""Holds: no run breaks it. Violated: a real run breaks it. Possible: a path breaks it, but it depends on an opaque
guard, or validators may refuse it. Unknown: no path that breaks it was found, but not all were explored."""


class Side(NamedTuple):
    """One side of a policy, its subject or its other; it happens where any of its names or guards does."""

    names: frozenset[str]
    """Names of states, final states, handoffs and uses of tools."""
    guards: tuple[Guard[Any], ...]

    def happens(self, name: str, holds: Holds | None) -> bool:
        """Return whether this side happens at a moment.

        Args:
            name: the state that is entered, the handoff that is taken, or the use of a tool.
            holds: returns whether a guard holds at this moment; None where guards are not asked: at a handoff, and at
                the use of a tool, which changes nothing that they read.
        """
        return name in self.names or (holds is not None and any(map(holds, self.guards)))


class Automaton(NamedTuple):
    """The automaton of one policy."""

    policy: Policy
    moves: Mapping[tuple[int, bool, bool], int]
    """The next state, by the present one, whether the subject happens, and whether the other does."""
    due: frozenset[int]
    """The states in which the policy still waits for something."""
    subject: Side
    other: Side

    def start(self, place: str, holds: Holds) -> int:
        """Return the state of the automaton once a run has entered its initial state."""
        return self._moment(0, place, holds)

    def hop(self, at: int, handoff: str, place: str, holds: Holds) -> int:
        """Return the state of the automaton after a hop: a handoff is taken, then a state is entered.

        Args:
            at: the state of the automaton before.
            place: the state or final state that was entered.
            holds: returns whether a guard holds on the context that the hop left.
        """
        if self.policy.pattern == "absence_when":  # one moment: the handoff is taken, and this is what it left
            happens = handoff in self.subject.names or self.subject.happens(place, holds)
            return self.moves[at, happens, happens and self.other.happens(place, holds)]
        return self._moment(self._moment(at, handoff, None), place, holds)

    def use(self, at: int, name: str, holds: Holds) -> int:
        """Return the state of the automaton after the use of a tool.

        Args:
            name: of the use, as policies have it.
            holds: returns whether a guard holds on the context of the visit.
        """
        happens = name in self.subject.names
        if self.policy.pattern == "absence_when":
            return self.moves[at, happens, happens and self.other.happens(name, holds)]
        return self._moment(at, name, None)

    def landed(self, at: int, fallback: str, holds: Holds) -> int:
        """Return the state of the automaton after a landing, which is a moment only for strict policies."""
        return self._moment(at, fallback, holds) if self.policy.strict else at

    def is_broken(self, at: int, *, ended: bool, landed: bool) -> bool:
        """Return whether the policy is broken: for good, or because the run ended while it was due."""
        return at == BROKEN or (ended and at in self.due and (self.policy.strict or not landed))

    def _moment(self, at: int, name: str, holds: Holds | None) -> int:
        return self.moves[at, self.subject.happens(name, holds), self.other.happens(name, holds)]


def automaton(policy: Policy) -> Automaton:
    """Make the automaton of a policy."""
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
        frozenset(atom.title for atom in atoms if not isinstance(atom, Guard)),
        tuple(atom for atom in atoms if isinstance(atom, Guard)),
    )


_DUE: Mapping[Pattern, frozenset[int]] = {"existence": frozenset({0}), "response": frozenset({1})}


def _move(policy: Policy, at: int, x: bool, y: bool) -> int:
    """Return the next state of an automaton, by whether its subject (x) and its other (y) happen at this moment.

    0 is the beginning. 1 means: y has happened (absence after, precedence), x has happened (existence), or x is due
    (response). A bounded existence counts how often x has happened. The patterns are those of Dwyer, Avrunin and
    Corbett, "Patterns in property specifications for finite-state verification", ICSE 1999.
    """
    if at == BROKEN:
        return BROKEN
    match policy.pattern:
        case "absence":
            return BROKEN if x else at
        case "absence_when":
            return BROKEN if x and y else at
        case "absence_after":
            # y first: if both happen at one moment, x counts as after it. In a response, below, x then answers y.
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
    """Return every guard that handoffs or these policies ask, each once."""
    asked = [handoff.guard for handoff in definition.handoffs if handoff.guard is not None]
    asked += [guard for policy in policies for guard in policy.guards]
    return tuple(dict.fromkeys(asked))
