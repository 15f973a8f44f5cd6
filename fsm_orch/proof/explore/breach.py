"""The theorems in words, and what is said where one did not hold."""

from __future__ import annotations

from typing import Literal, NamedTuple

Theorem = Literal["T1", "T2", "T3", "T4", "T5"]
THEOREMS: dict[Theorem, str] = {
    "T1": "closure: every transition is a declared handoff whose guard held, or the landing edge",
    "T2": "termination: no more hops than the limit, no more visits than a state declares, no attempt that never ends",
    "T3": "budget: settled and reserved together are within the limits",
    "T4": "deadline: nothing is handed off once it has passed, and no agent called then, or after its visit's time",
    "T5": "landing: from everywhere the run can be landed in the fallback, within its hops",
}


class Breach(NamedTuple):
    """A theorem that did not hold after a step."""

    theorem: Theorem
    detail: str
    """What was seen instead."""

    def __str__(self) -> str:
        return f"{self.theorem}: {self.detail}"
