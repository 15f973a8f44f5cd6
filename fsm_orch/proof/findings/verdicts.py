"""Findings about policies that some run breaks, or may break (41x)."""

from __future__ import annotations

from collections.abc import Iterator

from ...define import codes
from ...define.policies import Policy
from ...errors import Finding
from ..explore.exploration import Exploration, PolicyVerdict

_EXCUSED = "; a landing excuses what was still to come"


def broken(exploration: Exploration) -> Iterator[Finding]:
    """Find policies that do not hold, each with the shortest path that breaks it."""
    for judged in exploration.policies:
        match judged.verdict:
            case "violated":
                yield codes.finding(
                    "FSM411",
                    where=judged.policy.where,
                    problem=f"{judged.policy} is violated: {judged.trace}",
                    expected=_allowed(judged.policy),
                )
            case "possible":
                yield codes.finding(
                    "FSM412",
                    where=judged.policy.where,
                    problem=f"{judged.policy} may be violated: {judged.trace}{_hanging_on(judged)}",
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


def _allowed(policy: Policy) -> str:
    return f"{codes.CODES['FSM411'].expected}{', landed ones too' if policy.strict else _EXCUSED}"


def _look_into(judged: PolicyVerdict) -> str:
    """Return how to learn whether a possible path is real."""
    assert judged.trace is not None
    if judged.trace.assumptions:
        return "have a guard read a bool, an Enum or a Literal, which can be looked into"
    return "run the test that --counterexample writes: it searches for values that the context's validators let pass"


def _hanging_on(judged: PolicyVerdict) -> str:
    assert judged.trace is not None
    assumed = map(str, judged.trace.assumptions)
    return f", if {' and '.join(assumed)}" if judged.trace.assumptions else ", if the context's validators allow it"
