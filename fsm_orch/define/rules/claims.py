"""Rules about policies: each speaks of this machine, and not of one thing twice."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..definition import Definition
from ..guards import Guard
from ..policies import Policy
from ..subject import Atom
from ..used import Used
from ..wording import did_you_mean


def policies(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each policy that speaks of another machine, or of one thing twice."""
    own = {id(p) for p in (*definition.states.values(), *definition.finals.values(), *definition.handoffs)}
    for policy in definition.policies:
        for atom in policy.atoms:
            if isinstance(atom, Used) and id(atom.state) in own:
                yield from _undeclared(policy, atom)
            elif not isinstance(atom, Guard) and id(atom) not in own:
                about = atom.title if isinstance(atom, Used) else repr(atom)
                yield codes.finding(
                    "FSM401",
                    where=policy.where,
                    problem=f"{policy} speaks of {about}, which is not an attribute of {definition.name}",
                )
        for atom in policy.subject:
            if any(_is_same(atom, other) for other in policy.other):
                yield codes.finding(
                    "FSM402",
                    where=policy.where,
                    problem=f"{policy} holds one thing against itself",
                )


def _undeclared(policy: Policy, use: Used) -> Iterator[Finding]:
    """Yield a finding for a tool that its state does not declare, or that is a machine."""
    if use.tool in {part.name for part in use.state.spec.parts}:
        yield codes.finding(
            "FSM401",
            where=policy.where,
            problem=f"{policy} speaks of {use.tool!r}, a machine among the tools of {use.state.name!r}: its runs are "
            "no moments of a policy",
            fix=f"run it in a state of its own, State(Nested({use.tool}, ...)), and speak of that state",
        )
        return
    declared = [tool.name for tool in use.state.spec.tools]
    if use.tool not in declared:
        yield codes.finding(
            "FSM401",
            where=policy.where,
            problem=f"{policy} speaks of a tool, and {use.state.name!r} declares no tool {use.tool!r}",
            fix=f"name one of its tools{did_you_mean(use.tool, declared)}",
        )


def _is_same(atom: Atom, other: Atom) -> bool:
    if isinstance(atom, Used) and isinstance(other, Used):  # made anew wherever it is spoken of
        return (atom.state, atom.tool) == (other.state, other.tool)
    return atom is other
