"""Assertions about all runs: they hold or show the path; coverage counts edges."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from support.desk import Support, Ticket

from fsm_orch import Context, DefinitionError, Price, State, after, at_most, eventually, guard, never
from fsm_orch.testing import Turn, assert_bounded, assert_policy, play
from fsm_orch.testing.coverage import Coverage, lines
from machines.shop import ShopFloor

PRICES = dict.fromkeys(("triage", "billing"), Price(Fraction(3), Fraction(15)))


def test_what_is_bounded_passes() -> None:
    """The bound itself is enough, in every measure."""
    certificate = assert_bounded(Support, tokens=8_200, hops=6, calls=10, cost_usd="1", seconds=61, prices=PRICES)

    assert 8_200 == certificate.bounds["tokens"].bound


@pytest.mark.parametrize(
    ("asserted", "shown"),
    [
        ({"tokens": 8_199}, "at most 8,199 tokens; proved: at most 8,200 tokens, visiting triage -> billing -> triage"),
        ({"hops": 5}, "at most 5 hops; proved: at most 6 hops"),
        ({"calls": 1}, "at most 1 call; proved"),
        ({"seconds": 0.5}, "at most 0.5 s; proved"),
        ({"cost_usd": "0.000001"}, r"at most \$0.000001; proved"),
    ],
)
def test_what_is_not_bounded_shows_the_path(asserted: dict[str, object], shown: str) -> None:
    """One less than the bound fails, with the path that takes it."""
    with pytest.raises(AssertionError, match=shown):
        assert_bounded(Support, prices=PRICES, **asserted)  # type: ignore[arg-type]


def test_a_cost_needs_prices() -> None:
    """Without prices nothing is claimed of money."""
    with pytest.raises(AssertionError, match="some price is not known"):
        assert_bounded(Support, cost_usd="1")


@pytest.mark.parametrize("measure", ["tokens", "hops", "calls"])
@pytest.mark.parametrize("asserted", ["26_208", 1.5, 3.0, True, -1, float("inf"), Decimal(3)])
def test_what_is_counted_is_bounded_by_a_whole_number(measure: str, asserted: Any) -> None:
    """Anything else is no bound, and would be compared as none."""
    with pytest.raises(ValueError, match=f"^{measure} is asserted as a whole number from 0, not "):
        assert_bounded(Support, **{measure: asserted})


@pytest.mark.parametrize("asserted", ["3", True, -0.1, float("nan"), float("inf"), Decimal("NaN"), [3]])
def test_seconds_are_bounded_by_a_number(asserted: Any) -> None:
    """A text is no number of seconds, however long it is."""
    with pytest.raises(ValueError, match=r"^seconds is asserted as a number, such as 0\.25, from 0 and finite, not "):
        assert_bounded(Support, seconds=asserted)


@pytest.mark.parametrize("asserted", [0.29, True, "-1", "nan", "much", Decimal("Infinity")])
def test_a_cost_is_bounded_by_an_exact_number(asserted: Any) -> None:
    """A float is refused: $0.29 as a float is a little less."""
    with pytest.raises(ValueError, match=r"^cost_usd is asserted as exact dollars, such as '0\.05', from 0 and finite"):
        assert_bounded(Support, prices=PRICES, cost_usd=asserted)


def test_seconds_are_compared_as_they_are_written() -> None:
    """1.001 has no exact float, and is no less than its digits say."""
    for seconds in (1.001, Decimal("1.001")):
        with pytest.raises(AssertionError, match=r"at most 1\.001 s; proved"):
            assert_bounded(Support, seconds=seconds)


def test_a_policy_that_holds_passes() -> None:
    """It holds on every path."""
    assert assert_policy(Support, never(Support.refund).before(Support.verify)).is_complete


def test_a_policy_that_is_broken_shows_the_path() -> None:
    """A shortest path is printed, hop by hop."""
    with pytest.raises(
        AssertionError, match=r"(?s)at_most\(1, billing\): violated.*1  triage   to_billing.*2  billing  back"
    ):
        assert_policy(Support, at_most(1, Support.billing))


class Parcel(Context):
    """What another machine would run on."""

    weight: int


@guard
def is_heavy(parcel: Parcel) -> bool:
    return parcel.weight > 10


@pytest.mark.parametrize(
    ("policy", "code", "said"),
    [
        (never(ShopFloor.human), "FSM401", "speaks of <Final human>, which is not an attribute of Support"),
        (
            never(Support.refund).before(ShopFloor.human),
            "FSM401",
            "speaks of <Final human>, which is not an attribute of Support",
        ),
        (never(State(print)), "FSM401", "which is not an attribute of Support"),
        (eventually(Support.answered | is_heavy), "FSM112", "is annotated for Parcel"),
        (never(Support.refund).before(Support.refund), "FSM402", "holds one thing against itself"),
    ],
)
def test_a_policy_of_another_machine_is_not_asserted(policy: Any, code: str, said: str) -> None:
    """It would hold of anything: what the machine's class would refuse is refused here, in its words."""
    with pytest.raises(DefinitionError, match=f"^A policy asserted of Support does not build.*\n{code} ") as refused:
        assert_policy(Support, policy)

    assert [code] == [finding.code for finding in refused.value.findings]
    assert said in refused.value.findings[0].problem


def test_a_guard_without_a_name_can_be_asserted() -> None:
    """Only a class needs guards with names, since its digest has them."""
    assert assert_policy(Support, at_most(6, guard(lambda ticket: ticket.verified))).is_complete


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([never(Support.refund)], "a list: pass policies one by one"),
        ((never(Support.refund),), "a tuple: pass policies one by one"),
        (after(Support.refund), r"a Cause: after\(\.\.\.\) is half a policy, finish it with \.eventually"),
        ("never", "a str: pass what never, at_most, eventually or after"),
    ],
)
def test_what_is_no_policy_is_not_asserted(wrong: Any, said: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(TypeError, match=f"^a policy of Support cannot be {said}"):
        assert_policy(Support, wrong)


def test_edges_refusals_and_landings_are_counted() -> None:
    """What runs took is counted, from each source on its own; what they did not is listed with where it leads."""
    coverage = Coverage()
    with coverage.watching():
        answered = Turn(Support.billing, Support.done, {Ticket.invoice: None, Ticket.answer: "x"})
        play(Support, Ticket(query="?"), [Turn(Support.triage, Support.to_billing), answered])
        play(Support, Ticket(query="?"), [Turn(Support.triage, fails="refusal")])
        with coverage.paused():
            play(Support, Ticket(query="?"), [Turn(Support.triage, Support.resolved)])
    play(Support, Ticket(query="?"), [Turn(Support.triage, Support.resolved)])

    report = "\n".join(lines(coverage))

    assert "2 of 9 edges (22 %) in 2 runs" in report
    assert "never taken  verify -unsure-> billing" in report
    assert "never taken  triage -resolved" in report
    assert "never taken  billing -done" not in report
    assert "refused      model_refusal" in report
    assert "landed       refusal 1" in report


def test_coverage_adds_up_across_processes() -> None:
    """What a worker dumped is added to what others saw."""
    here, there = Coverage(), Coverage()
    for coverage, turn in (
        (here, Turn(Support.triage, Support.resolved)),
        (there, Turn(Support.triage, fails="error")),
    ):
        with coverage.watching():
            play(Support, Ticket(query="?"), [turn])

    here.add(there.dump())
    here.add(there.dump())

    (taken,) = here.machines.values()
    assert (3, 1, 2) == (taken.runs, sum(taken.edges.values()), taken.landings["failure"])
    assert 1 == len(taken.declared) - len(taken.missed)
    assert pytest.approx(100 / 9) == here.percent


def test_nothing_declared_is_not_covered() -> None:
    """A session that saw no machine has covered none of what is required."""
    assert 0 == Coverage().percent
