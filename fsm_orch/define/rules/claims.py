"""Rules about policies: each speaks of this machine, and not of one thing twice."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..definition import Definition
from ..guards import Guard


def policies(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each policy that speaks of another machine, or of one thing twice."""
    own = {id(p) for p in (*definition.states.values(), *definition.finals.values(), *definition.handoffs)}
    for policy in definition.policies:
        for atom in policy.atoms:
            if id(atom) not in own and not isinstance(atom, Guard):
                yield codes.finding(
                    "FSM401",
                    where=policy.where,
                    problem=f"{policy} speaks of {atom!r}, which is not an attribute of {definition.name}",
                )
        for atom in policy.subject:
            if any(atom is other for other in policy.other):
                yield codes.finding(
                    "FSM402",
                    where=policy.where,
                    problem=f"{policy} holds one thing against itself",
                )
