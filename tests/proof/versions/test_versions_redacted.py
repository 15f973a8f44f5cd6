"""Runs whose texts a store does not keep, in a new version of their machine."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from fsm_orch import Context, Final, Machine, State, Visit, guard, never
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input, Replied
from fsm_orch.messages import REDACTED
from fsm_orch.proof.versions.judge import judge


def work(visit: Visit[Any]) -> None:
    """Stand for any code."""


def version(change: str = "") -> CompiledMachine:
    """Return a machine that keeps a customer's name, as it was or with a change."""
    Name = Annotated[str, Field(max_length=20 if change == "shorter" else None)]

    class Person(Context):
        """Who it is."""

        kind: str
        name: Name  # pyright: ignore[reportInvalidTypeForm]
        answer: str | None = None

    @guard
    def is_known(person: Person) -> bool:
        return person.name.startswith("A")

    @guard
    def is_good(person: Person) -> bool:
        return person.kind == "good"

    class Serves(Machine[Person]):
        """Serve."""

        first = State(work, initial=True)
        second = State(work)
        done, human = Final(), Final(fallback=True)
        on = first.to(second)
        if change == "guard":
            known = second.to(human, guard=is_known)
        if change == "other":
            good = second.to(human, guard=is_good)
        end = second.to(done)
        if change == "policy":
            policies = (never(second).when(is_known),)

    return CompiledMachine(Serves.definition)


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ("", "continues", ""),
        ("other", "continues", ""),
        ("guard", "possible", "name was redacted, and guard is_known of the new version may read it"),
        ("policy", "possible", "name was redacted, and guard is_known of the new version may read it"),
        ("shorter", "possible", "name was redacted, and the new version may not take what it held"),
    ],
)
def test_nobody_knows_what_is_decided_by_a_redacted_text(change: str, verdict: str, why: str) -> None:
    """A version that may look at it is given another word than was written, so the run is not said to continue."""
    old, new = version(), version(change)
    journal: list[Input] = [
        started(old, {"kind": "x", "name": REDACTED}, run_id="r"),
        Replied(at=0.0),
    ]

    found = judge(old, new, journal)
    assert (verdict, why) == (found.verdict, found.why)


def test_a_text_that_is_kept_is_looked_at() -> None:
    """Of a run that is stored as it is, a new guard answers as it would have."""
    old, new = version(), version("guard")
    journal: list[Input] = [started(old, {"kind": "x", "name": "Anna"}, run_id="r"), Replied(at=0.0)]

    assert "continues" == judge(old, new, journal).verdict
