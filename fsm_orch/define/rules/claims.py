"""Rules about policies: each speaks of this machine, and not of one thing twice."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Finding
from ..definition import Definition
from ..guards import Guard


def policies(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each policy that speaks of another machine, or of one thing twice."""
    own = {id(p) for p in (*definition.states.values(), *definition.finals.values(), *definition.handoffs)}
    for policy in definition.policies:
        for atom in policy.atoms:
            if id(atom) not in own and not isinstance(atom, Guard):
                yield Finding(
                    code="FSM401",
                    where=policy.where,
                    problem=f"{policy} speaks of {atom!r}, which is no attribute of {definition.name}",
                    expected="states, final states and handoffs of the same class, and guards of its context",
                    fix="name a part of this class",
                )
        for atom in policy.subject:
            if any(atom is other for other in policy.other):
                yield Finding(
                    code="FSM402",
                    where=policy.where,
                    problem=f"{policy} holds one thing against itself",
                    expected="a first and a second thing; how often one happens is bounded by at_most",
                    fix="name another, or write at_most(1, ...) if it may happen once",
                )
