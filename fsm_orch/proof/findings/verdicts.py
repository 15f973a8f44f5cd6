"""Findings about policies that some run breaks or may break, or that say less than was meant (41x)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...define import codes
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import Handoff
from ...errors import Finding
from ..explore.domain import Domain, leaves_of
from ..explore.exploration import Exploration, PolicyVerdict
from ..explore.reads import may_read

_EXCUSED = "; a landing excuses what was still to come"


OF_VERDICTS = frozenset({"FSM411", "FSM412", "FSM413"})
"""The codes that say no more than the verdict on a policy does."""


def broken(exploration: Exploration) -> Iterator[Finding]:
    """Find policies that do not hold, each with the shortest path that breaks it."""
    for judged in exploration.policies:
        match judged.verdict:
            case "violated":
                yield codes.finding(
                    "FSM411",
                    where=judged.policy.where,
                    problem=f"{judged.policy} is violated: {judged.trace}{hanging_on(judged)}",
                    expected=_allowed(judged.policy),
                )
            case "possible":
                yield codes.finding(
                    "FSM412",
                    where=judged.policy.where,
                    problem=f"{judged.policy} may be violated: {judged.trace}{hanging_on(judged)}",
                    expected=_allowed(judged.policy),
                    fix=f"{_look_into(judged)}; or close that path",
                )
            case "unknown":
                yield codes.finding(
                    "FSM413",
                    where=judged.policy.where,
                    problem=f"{judged.policy} was not decided: the exploration ended at "
                    f"{exploration.configurations:,} configurations",
                )


def too_late(definition: Definition) -> Iterator[Finding]:
    """Find policies in which a guard comes too late for a handoff, whose own visit writes what the guard reads."""
    for policy in definition.policies:
        if policy.pattern != "absence_after":
            continue
        guards = [atom for atom in policy.other if isinstance(atom, Guard)]
        for handoff in (atom for atom in policy.subject if isinstance(atom, Handoff)):
            written = {name for source in handoff.sources for name in source.spec.written_names}
            for leaf in leaves_of(guards):
                both = sorted(written & _reads(definition, leaf))
                if both:
                    yield codes.finding(
                        "FSM414",
                        where=policy.where,
                        problem=f"{policy}: the visit that takes {handoff.name!r} writes {', '.join(both)}, "
                        f"which {leaf!r} reads",
                        fix=f"write never({handoff.name}).when({leaf!r}) if what the visit writes is meant",
                    )


def _reads(definition: Definition, leaf: Guard[Any]) -> frozenset[str]:
    """Return the fields that a leaf may read; where its code does not say, those that it was seen to read."""
    read = may_read(leaf, definition.context)
    is_clear = read < frozenset(definition.context.__pydantic_fields__)
    return read if is_clear else Domain(definition.context, (leaf,)).read_by((leaf,))


def _allowed(policy: Policy) -> str:
    return f"{codes.CODES['FSM411'].expected}{', landed ones too' if policy.strict else _EXCUSED}"


def _look_into(judged: PolicyVerdict) -> str:
    """Return how to learn whether a possible path is real."""
    assert judged.trace is not None
    proposed = [f"`{leg.handoff}`" for leg in judged.trace.legs if leg.proposer is not None]
    if proposed:
        # a guard that is looked into would not close it: what holds may be proposed, whatever stands before it
        return (
            f"give {' and '.join(dict.fromkeys(proposed))} a guard that is closed where an exit before it is open: "
            "code may propose any exit whose guard holds, and their order decides only where it proposes none"
        )
    if judged.trace.assumptions:
        return "have a guard read a bool, an Enum or a Literal, which can be looked into"
    return "run the test that --counterexample writes: it searches for values that the context's validators let pass"


def hanging_on(judged: PolicyVerdict) -> str:
    """Return on what a path hangs: the answers of guards, or validators, and what functions have to propose."""
    assert judged.trace is not None
    hangs_on = list(map(str, judged.trace.assumptions))
    if judged.verdict == "possible" and not hangs_on:
        hangs_on = ["the context's validators allow it"]
    hangs_on += judged.trace.proposals
    return f", if {' and '.join(hangs_on)}" if hangs_on else ""
