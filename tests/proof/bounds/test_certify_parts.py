"""A whole is certified with the machines that its visits run: what they add to each bound, and what is written."""

import random as chance
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lanes import in_both_lanes
from support.nests import nest, tape, world
from support.roads import Stop, crowd, nested, road

from fsm_orch import Limits
from fsm_orch.amounts import Amount, Price
from fsm_orch.define.worst import shares_of
from fsm_orch.errors import CertificateError, StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.records import CallReserved
from fsm_orch.kernel.requests import RunPart
from fsm_orch.kernel.step import step
from fsm_orch.proof.bounds.certificate import Certificate
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

CROWD = crowd(states=11, hops=6)
ONE, TWO = (Price(Fraction(n), Fraction(n)) for n in (1, 2))
INNER = road({"x": Stop(100, calls=2)}, [])
OTHER = road({"y": Stop(30, calls=1), "z": 5}, [("y", "z")])
WHOLE = road({"a": Stop(1_000, calls=3, runs={"one": (INNER, 2), "two": (OTHER, 1)}), "b": Stop(10)}, [("a", "b")])
PRICED = {"a": TWO, "b": ONE, "a.one.x": ONE, "a.two.y": TWO, "a.two.z": ONE}


def test_a_visit_is_charged_its_calls_and_all_runs_of_its_parts():
    """The worst case of a visit is its calls at their most, and each part as often as it may run, losers too."""
    whole = certify(WHOLE, prices=PRICED)

    assert whole.bounds["tokens"].worst_case == {"a": 3_000 + 2 * 200 + 35, "b": 10}
    assert whole.bounds["calls"].worst_case == {"a": 3 + 2 * 2 + 2, "b": 1}
    assert whole.bounds["cost"].worst_case == {"a": 6_000 + 2 * 200 + 65, "b": 10}
    assert whole.bounds["hops"].bound == 2
    assert whole.bounds["tokens"].bound == 3_445
    verify(whole, WHOLE, prices=PRICED)


def test_a_run_of_a_part_stops_at_its_own_limit():
    """Where the worst case of a part is above its limit, in tokens or in money, it is charged the limit at most."""
    tight = road({"x": Stop(300, calls=2)}, [], tokens=500, cost_usd="0.0004")
    outer = road({"a": Stop(9, calls=0, runs={"tight": (tight, 2)})}, [])

    whole = certify(outer, prices={"a.tight.x": ONE})

    assert (whole.parts["a.tight"].bounds["tokens"].bound, whole.parts["a.tight"].bounds["cost"].bound) == (600, 600)
    assert (whole.bounds["tokens"].bound, whole.bounds["cost"].bound) == (1_000, 800)
    verify(whole, outer, prices={"a.tight.x": ONE})


def test_a_visit_takes_as_long_as_the_longest_part_may():
    """Time is not that of one agent, where machines run; and never more than that of the run."""
    slow = road({"x": 1}, [], deadline_s=44)
    runs = {"slow": (slow, 1), "one": (OTHER, 1)}
    waits, hurries = Stop(1, runs=runs), Stop(1, runs=runs, timeout_s=7)
    outer = road({"a": waits, "b": hurries}, [("a", "b")])
    short = Limits(hops=8, deadline_s=50)

    assert certify(outer).bounds["milliseconds"].worst_case == {"a": 60_000, "b": 7_000}
    assert certify(outer, limits=short).bounds["milliseconds"].worst_case == {"a": 50_000, "b": 7_000}
    verify(certify(outer, limits=short), outer, limits=short)


def test_cost_is_bounded_if_that_of_every_part_is():
    """A price that is missing inside leaves the whole without a bound; a state without calls needs none itself."""
    outer = road({"a": Stop(100, calls=0, runs={"one": (INNER, 1)})}, [])
    priced, without = certify(outer, prices={"a.one.x": TWO}), certify(outer, prices={"a": ONE})

    assert priced.bounds["cost"].bound == 400
    assert "cost" not in without.bounds
    verify(priced, outer, prices={"a.one.x": TWO})
    verify(without, outer, prices={"a": ONE})


def test_the_kernel_moves_what_is_certified():
    """The share of a part is what a run of it is charged at most, by its certificate and its limits."""
    whole, shares = certify(WHOLE, prices=PRICED), shares_of(WHOLE, PRICED)

    for place, part in whole.parts.items():
        assert shares[place] == Amount(part.bounds["tokens"].bound, part.bounds["cost"].bound)


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


@given(seed=st.integers(0, 10**6), most=st.integers(1, 3), less=st.integers(0, 200), is_crowd=st.booleans())
@settings(max_examples=12, deadline=None)
def test_what_is_certified_is_enough_for_what_the_kernel_moves(seed, most, less, is_crowd):
    """Within its bound a machine can start, and run all its parts at once: however its shares are counted."""
    inner = CROWD if is_crowd else nested(chance.Random(seed), depth=1)
    machine = road({"a": Stop(0, 0, runs={"inner": (inner, most)}), "b": 7}, [("a", "b")], tokens=10**7)
    bound = certify(machine).bounds["tokens"].bound
    compiled = CompiledMachine(machine, limits=Limits(hops=8, tokens=max(1, bound - less)))
    certificate = certify(machine, limits=compiled.limits)
    verify(certificate, machine, limits=compiled.limits)

    assert most * compiled.terms.shares["a.inner"].tokens <= certificate.bounds["tokens"].worst_case["a"]
    if certificate.verdict("tokens") == "slack":
        now = step(compiled, None, started(compiled, {}, run_id="r")).configuration
        runs = tuple(RunPart(part="inner") for _ in range(most))
        now = step(compiled, now, inputs.Asked(requests=runs, at=0.0)).configuration
        assert (most, now.visit and 1) == (len(now.visit.asks), 1)


def test_a_share_counted_by_hops_is_certified_as_it_is_moved():
    """Of a machine of very many paths the share is more than the bound; the whole is bounded by what is moved."""
    whole = road({"a": Stop(0, 0, runs={"inner": (CROWD, 1)})}, [])
    found = certify(whole)
    share = CompiledMachine(whole).terms.shares["a.inner"].tokens

    verify(found, whole)
    assert found.parts["a.inner"].bounds["tokens"].bound < share == found.bounds["tokens"].bound


@in_both_lanes(few=15, many=120)
def test_no_run_passes_its_bound(examples):
    """Random nests are charged, and call, no more than certified; and the kernel moves no part more than its bound."""
    for seed in range(examples):
        choices = tape(seed)
        machine = nest(choices).definition
        found, compiled = certify(machine), CompiledMachine(machine)
        verify(found, machine)
        for place, own in found.parts.items():
            assert compiled.terms.shares[place].tokens <= own.bounds["tokens"].bound, seed
        for _ in range(4):
            now, calls, at = None, 0, 0.0
            stepped = step(compiled, None, started(compiled, {"count": choices.below(9)}, run_id="r"))
            for _ in range(150):
                now = stepped.configuration
                calls += sum(isinstance(record, CallReserved) for record in stepped.records)
                if now.status == "finished":
                    break
                try:
                    stepped = step(compiled, now, world(choices, compiled, now, at))
                except StepError:
                    continue
            beyond = now.ledger.overrun.tokens
            assert now.ledger.settled.tokens - beyond <= found.bounds["tokens"].bound, seed
            assert calls <= found.bounds["calls"].bound, seed
