"""What becomes of runs that run machines inside, wait for humans and use tools."""

from __future__ import annotations

from typing import Any

import pytest
from support.versions_inside import trip

from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.rebinding import rebound
from fsm_orch.kernel.requests import AskHuman, RunPart, UseTool
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.judge import judge

OLD = trip()
HUMAN = AskHuman(question="Book it?", form={})


def run(old: CompiledMachine) -> dict[str, list[Input]]:
    """Return the journals of runs that stand in a machine inside, use a tool, and wait for a human."""
    inside: list[Input] = [
        started(old, {"city": "Oslo"}, run_id="r"),
        inputs.Asked(requests=(RunPart(part="Fares", context={"city": "Oslo"}),), at=0.1),
        inputs.Replied(handoff="to_check", changes={"cents": 5}, at=0.2, path=(1,)),
    ]
    after: list[Input] = [
        *inside,
        inputs.Replied(changes={"cents": 6}, at=0.3, path=(1,)),
        inputs.Replied(changes={"cents": 6}, at=0.4),
    ]
    use = inputs.Asked(requests=(UseTool(name="rate_of", arguments={"city": "Oslo"}),), at=0.5)
    price = inputs.Asked(requests=(UseTool(name="price_of", arguments={"city": "Oslo"}),), at=0.5)
    asked = inputs.Asked(requests=(HUMAN,), at=0.7)

    def advised(amount: int) -> list[Input]:
        return [*after, inputs.Replied(handoff="advised", changes={"amount": amount}, at=0.6), asked]

    return {"inside": inside, "use": [*after, use], "price": [*after, price], "human": advised(7), "dear": advised(150)}


@pytest.mark.parametrize(
    ("change", "where", "verdict", "why"),
    [
        ("inner_prompt", "inside", "continues", ""),
        ("inner_gone", "inside", "stranded", "state 'check' is gone in part 'fly.Fares'"),
        ("inner_gone", "human", "snapshot", "now, and was"),
        ("tool", "use", "stranded", "waits for tool 'rate_of', which is gone"),
        ("tool", "price", "continues", ""),
        ("approval", "price", "snapshot", "whether a human has yet to approve of ask 1 is another now"),
        ("approval", "use", "continues", ""),
        ("question", "human", "continues", ""),
        ("form", "human", "snapshot", "is no longer read as an answer"),
        ("form", "use", "continues", ""),
        ("threshold", "human", "continues", ""),
    ],
)
def test_a_run_is_judged_at_every_level(change: str, where: str, verdict: str, why: str) -> None:
    """A machine inside, a human who waits and a tool that is due are looked at, wherever they stand in the tree."""
    old, new = CompiledMachine(OLD.definition), CompiledMachine(trip(change).definition)
    found = judge(old, new, run(old)[where])

    assert verdict == found.verdict
    assert why in found.why


@pytest.mark.parametrize(("old", "new", "why"), [("", "again", "could not"), ("again", "", "could")])
def test_a_tool_that_may_be_in_use_is_not_repeated_where_it_may_not_be(old: str, new: str, why: str) -> None:
    """Neither by the version that may repeat it, nor by the one that may no longer, wherever it stands in a round."""
    was, now = (CompiledMachine(trip(each).definition) for each in (old, new))
    found = judge(was, now, run(was)["use"])

    assert "snapshot" == found.verdict
    assert f"tool 'rate_of' may have been used, and {why} be repeated then: it would be used again" in found.why


def test_a_guard_that_answers_otherwise_is_found_by_folding() -> None:
    """Its digest is the same, and of two runs that it let pass only the one is where the new one has it."""
    kinder, old = CompiledMachine(trip("threshold").definition), CompiledMachine(OLD.definition)
    assert kinder.definition.digest == old.definition.digest

    journals = run(kinder)
    assert "continues" == judge(kinder, old, journals["human"]).verdict
    found = judge(kinder, old, journals["dear"][:-1])
    assert ("snapshot", 6) == (found.verdict, found.at)


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ("none", {"continues"}),
        ("moved", {"continues"}),  # to another module, which its guards and functions are named by
        ("inner_prompt", {"continues"}),
        ("question", {"continues"}),
        ("inner_gone", {"continues", "possible", "stranded"}),
        ("tool", {"continues", "snapshot", "stranded"}),
        ("approval", {"continues", "snapshot"}),
        ("form", {"continues", "snapshot"}),
        ("threshold", {"continues", "possible"}),
    ],
)
def test_every_place_is_judged(change: str, places: set[Any]) -> None:
    """What becomes of single runs is what becomes of places; a guard of another body makes them only possible."""
    found = judge_all(CompiledMachine(OLD.definition), CompiledMachine(trip(change).definition))

    assert places == set(found.places)


def test_a_part_is_moved_no_more_than_it_may_have_now() -> None:
    """A run keeps the share of a part, unless the limits of that have become less; T3 holds of the part then too."""
    old, new = CompiledMachine(OLD.definition), trip("inner_less").definition
    journal = run(old)["inside"]
    assert old.terms.shares["fly.Fares"].tokens > 3_000

    first = rebound(new, journal[0])
    assert isinstance(first, inputs.Started)
    assert 3_000 == first.shares["fly.Fares"].tokens
    assert "continues" == judge(old, CompiledMachine(new), journal[:1]).verdict
    # what runs in it has more than it could have now
    assert (
        "what calls and parts hold is 3,000 tokens now, and was 4,608" in judge(old, CompiledMachine(new), journal).why
    )
