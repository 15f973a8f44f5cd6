"""Certificates: what they say is true, and they say it again after a round trip."""

import json
from fractions import Fraction
from itertools import pairwise
from math import floor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Support
from support.roads import Stop, charged, paths, road, small

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State
from fsm_orch.amounts import Price
from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds.certificate import Certificate
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

PRICES = {name: Price(Fraction(1, 4), Fraction(2)) for name in ("triage", "billing")}


@pytest.mark.slow
def test_300_machines():
    """On 300 random machines of up to 7 states: witness <= exact <= bound <= what the prices prove, and all checks."""
    random = Random(4)
    for _ in range(300):
        definition = small(random)
        certificate = certify(definition)
        tokens = certificate.bounds["tokens"]
        exact = max(charged(definition, path) for path in paths(definition))

        verify(certificate, definition)
        assert tokens.witness.amount <= exact <= tokens.bound <= floor(tokens.total)
        assert tokens.is_exact
        assert exact == tokens.bound


@given(st.randoms(use_true_random=False))
def test_every_measure_is_bounded(random):
    """Hops, calls and time are bounded as tightly as tokens are."""
    definition = small(random)
    states, limits = definition.states, definition.limits

    bounds = certify(definition).bounds
    told = list(paths(definition))

    assert bounds["hops"].bound == max(map(len, told))
    assert bounds["calls"].bound == max(sum(states[name].spec.calls for name in path) for path in told)
    seconds = max(sum(Fraction(str(states[name].timeout_s or limits.visit_s)) for name in path) for path in told)
    assert bounds["milliseconds"].bound == seconds * 1_000


@given(st.randoms(use_true_random=False))
def test_what_is_ahead_never_rises(random):
    """Along every path, what was charged at most and what may still come never add up to more than before."""
    definition = small(random)
    certificate = certify(definition)
    potential = certificate.potential(definition)

    first = []
    for path in paths(definition):
        ceilings = [
            charged(definition, path[:hops])
            + potential.ahead(path[hops], hops, {name: path[: hops + 1].count(name) for name in path})
            for hops in range(len(path))
        ]
        assert all(after <= before for before, after in pairwise(ceilings))
        assert charged(definition, path) <= ceilings[-1]
        first.append(ceilings[0])
    assert max(first) - 1 < certificate.bounds["tokens"].total <= max(first)


def test_cost_is_bounded_where_every_price_is_known():
    """A visit costs its calls at its model's price, rounded up call by call; unless a price is not known."""
    bounds = certify(Support.definition, prices=PRICES).bounds

    assert bounds["cost"].worst_case == {"triage": 2 * 350, "billing": 2 * 600, "verify": 0, "refund": 0}
    assert bounds["cost"].bound == 3 * 700 + 2 * 1_200
    assert "cost" not in certify(Support.definition, prices={"triage": PRICES["triage"]}).bounds
    assert "cost" not in certify(Support.definition).bounds


def test_time_is_rounded_up():
    """A visit's time counts in whole milliseconds, as its float is written."""
    bounds = [
        certify(road({"a": Stop(1, timeout_s=s)}, [])).bounds["milliseconds"].bound for s in (0.1, 0.0001, 2.0015)
    ]

    assert bounds == [100, 1, 2_002]


def test_models_are_those_declared():
    """Unless models are named, a state's own is meant, else the machine's; a state without calls has none."""

    class Named(Machine[Question]):
        """Two models."""

        first = State(LLMAgent("a"), initial=True)
        second = State(LLMAgent("b", model="openai:own"))
        third = State(idle)
        done, human = Final(), Final(fallback=True)
        on = first.to(second, "go on")
        further = second.to(third, "go on")
        end = third.to(done)
        model = "openai:all"

    certificate = certify(Named.definition)

    assert certificate.models == {"first": "openai:all", "second": "openai:own"}
    verify(certificate, Named.definition)


class Question(Context):
    text: str = ""


def idle(visit):
    return None


def test_the_verdict_compares_with_the_limit():
    """A bound at the limit is slack, one above it guarded; what has no limit or no bound has no verdict."""
    at = Limits(hops=6, tokens=8_200, cost_usd="0.0045")
    below = Limits(hops=6, tokens=8_199, cost_usd="0.004499")

    assert certify(Support.definition, limits=at, prices=PRICES).verdict("tokens") == "slack"
    assert certify(Support.definition, limits=at, prices=PRICES).verdict("cost") == "slack"
    assert certify(Support.definition, limits=below, prices=PRICES).verdict("tokens") == "guarded"
    assert certify(Support.definition, limits=below, prices=PRICES).verdict("cost") == "guarded"
    assert certify(Support.definition, limits=at).verdict("cost") is None
    assert certify(Support.definition, prices=PRICES).verdict("cost") is None


def test_the_witness_names_its_handoffs():
    """Between two states the first handoff declared is named; without one, the failure edge."""
    definition = road({"a": 1, "b": Stop(5, max_visits=1)}, [("a", "b", "failure"), ("b", "a")], hops=3)

    assert certify(definition).bounds["tokens"].witness.states == ("a", "b", "a")
    assert certify(definition).bounds["tokens"].witness.handoffs == ("h0", "h1")


@given(st.randoms(use_true_random=False))
def test_json_and_back(random):
    """A certificate that was written and read is the same, to its digest."""
    certificate = certify(small(random))

    again = Certificate.load(certificate.dump())

    assert certificate == again
    assert certificate.digest == again.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text: Invalid JSON"),
        ("[]", "the text: "),
        ("{}", "machine: Field required"),
        (("version", 2), "version: Input should be 1"),
        (("more", 1), "more: Extra inputs"),
        (("bounds", "tokens", "total", 7.5), "bounds.tokens.total: .*exact numbers"),
        (("bounds", "tokens", "total", "14/2"), "bounds.tokens.total: .*exact numbers"),
        (("bounds", "tokens", "total", "7/0"), "bounds.tokens.total: .*exact numbers"),
        (("bounds", "tokens", "total", "7"), "bounds.tokens.total: .*exact numbers"),
        (("bounds", "tokens", "total", True), "bounds.tokens.total: .*exact numbers"),
        (("bounds", "tokens", "bound", True), "bounds.tokens.bound: Input should be a valid integer"),
        (("bounds", "words", {}), "bounds.words.*: Input should be"),
        (("limits", "hops", -1), "limits.hops: "),
    ],
)
def test_what_is_no_certificate_is_refused(text, message):
    """Text that no certificate was written as is refused with the place that is wrong."""
    if isinstance(text, tuple):
        document = json.loads(certify(Support.definition).dump())
        *way, last, value = text
        at = document
        for key in way:
            at = at[key]
        at[last] = value
        text = json.dumps(document)

    with pytest.raises(CertificateError, match=rf"This is not a certificate: {message}.*Make one with certify"):
        Certificate.load(text)


def test_no_hops_no_runs():
    """Where nothing can run there is nothing to bound."""
    with pytest.raises(CertificateError, match=r"Support cannot run: even landing takes a hop"):
        certify(Support.definition, limits=Limits(hops=0))
