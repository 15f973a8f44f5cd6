"""Certificates of machines that run others inside their visits."""

from fractions import Fraction

import pytest
from support.roads import Stop, road

from fsm_orch import Limits
from fsm_orch.amounts import Amount, Price
from fsm_orch.define.worst import shares_of
from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds.certificate import Certificate
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

ONE, TWO = (Price(Fraction(n), Fraction(n)) for n in (1, 2))
INNER = road({"x": Stop(100, calls=2)}, [])
OTHER = road({"y": Stop(30, calls=1), "z": 5}, [("y", "z")])
WHOLE = road({"a": Stop(1_000, calls=3, runs={"one": (INNER, 2), "two": (OTHER, 1)}), "b": Stop(10)}, [("a", "b")])
PRICED = {"a": TWO, "b": ONE, "a.one.x": ONE, "a.two.y": TWO, "a.two.z": ONE}


def test_a_visit_is_charged_its_calls_and_all_runs_of_its_parts():
    """The worst case of a visit is its calls at their most, and each part as often as it may run."""
    whole = certify(WHOLE, prices=PRICED)

    assert whole.bounds["tokens"].worst_case == {"a": 3_000 + 2 * 200 + 35, "b": 10}
    assert whole.bounds["calls"].worst_case == {"a": 3 + 2 * 2 + 2, "b": 1}
    assert whole.bounds["cost"].worst_case == {"a": 6_000 + 2 * 200 + 65, "b": 10}
    assert whole.bounds["hops"].bound == 2
    assert whole.bounds["tokens"].bound == 3_445
    verify(whole, WHOLE, prices=PRICED)


def test_a_visit_takes_as_long_as_the_longest_part_may():
    """Time is not that of one agent, where machines run; and never more than that of the run."""
    slow = road({"x": 1}, [])
    object.__setattr__(slow, "limits", Limits(deadline_s=44))
    runs = {"slow": (slow, 1), "one": (OTHER, 1)}
    waits, hurries = Stop(1, runs=runs), Stop(1, runs=runs, timeout_s=7)
    outer = road({"a": waits, "b": hurries}, [("a", "b")])
    short = Limits(hops=8, deadline_s=50)

    assert certify(outer).bounds["milliseconds"].worst_case == {"a": 60_000, "b": 7_000}
    assert certify(outer, limits=short).bounds["milliseconds"].worst_case == {"a": 50_000, "b": 7_000}
    verify(certify(outer, limits=short), outer, limits=short)


def test_a_run_of_a_part_stops_at_its_own_limit():
    """Where the worst case of a part is above its limit, it is charged the limit at most."""
    tight = road({"x": Stop(300, calls=2)}, [], tokens=500)
    outer = road({"a": Stop(9, calls=0, runs={"tight": (tight, 2)})}, [])

    whole = certify(outer)

    assert whole.parts["a.tight"].bounds["tokens"].bound == 600
    assert whole.bounds["tokens"].bound == 1_000
    verify(whole, outer)


def test_the_kernel_moves_what_is_certified():
    """The share of a part is what a run of it is charged at most, by its certificate and its limits."""
    whole, shares = certify(WHOLE, prices=PRICED), shares_of(WHOLE, PRICED)

    for place, part in whole.parts.items():
        assert shares[place] == Amount(part.bounds["tokens"].bound, part.bounds["cost"].bound)


def test_a_part_without_a_bound_on_cost_leaves_the_whole_without():
    """Cost is bounded if that of every part is; a state that makes no calls needs no price of its own."""
    outer = road({"a": Stop(100, calls=0, runs={"one": (INNER, 1)})}, [])

    assert "cost" not in certify(outer, prices={"a": ONE}).bounds
    assert certify(outer, prices={"a.one.x": TWO}).bounds["cost"].bound == 400


def test_a_whole_is_written_and_read_with_its_parts():
    """One document holds all, and says it again when it is read."""
    whole = certify(WHOLE, prices=PRICED)

    read = Certificate.load(whole.dump())

    assert read == whole
    assert read.digest == whole.digest
    assert read.parts["a.one"].definition == INNER.digest
    verify(read, WHOLE, prices=PRICED)


def test_what_runs_inside_is_an_assumption():
    """A certificate with parts says on what it relies for them; one without does not."""
    assert "machines that run inside others" in certify(WHOLE).assumptions[-1]
    assert "machines that run inside others" not in certify(INNER).assumptions[-1]


def test_a_part_that_cannot_run_has_no_certificate():
    """A part with no hops is refused as a machine with none is."""
    stuck = road({"x": 1}, [], hops=0)

    with pytest.raises(CertificateError, match="even landing takes a hop"):
        certify(road({"a": Stop(1, runs={"stuck": (stuck, 1)})}, []))
