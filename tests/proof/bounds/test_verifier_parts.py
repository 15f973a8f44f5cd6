"""The checker adds up the certificates of machines that run inside visits, and believes only those it is given."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.claims import Document, altered, claim, numbers
from support.roads import GAP, Stop, drawn, road

from fsm_orch import Limits
from fsm_orch.amounts import Price
from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds.assumptions import assumed
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

PRICE = Price(Fraction(1, 4), Fraction(2))


def test_parts_are_those_of_states():
    """A part in the place of a call of no state is refused, by whoever makes a certificate and whoever checks one."""
    part = certify(road({"p": 5}, []))
    document = claim(GAP)
    document["parts"], document["assumptions"] = {"z": [part.digest]}, list(assumed(["z"]))

    with pytest.raises(CertificateError, match="'z'"):
        certify(GAP, parts={"z": (part,)})
    with pytest.raises(CertificateError, match="'z'"):
        verify(Document(document), GAP, parts={"z": (part,)})


@pytest.fixture(scope="module")
def known():
    """Parts with and without a bound on cost, of which some need more than the share of a call."""
    machines = [road({"x": Stop(grant, calls=calls)}, []) for grant, calls in ((10, 3), (300, 2), (5_000, 1))]
    return [certify(m, prices={"x": price} if price else None) for m in machines for price in (PRICE, None)]


@settings(max_examples=40)
@given(random=st.randoms(use_true_random=False))
def test_a_whole_adds_up_its_parts(known, random):
    """Whatever runs in the place of its calls, a whole is believed as it was made, and refuted altered in a number."""
    definition = drawn(random, states=random.randint(1, 3), hops=random.randint(1, 4))
    prices = {name: PRICE for name in definition.states if random.random() < 0.9}
    pool = random.choice([known, known[::2]])
    parts = {n: random.choices(pool, k=random.randint(0, s.spec.calls)) for n, s in definition.states.items()}
    document = claim(definition, prices=prices, parts=parts)

    verify(Document(document), definition, prices=prices, parts=parts)

    with pytest.raises(CertificateError):
        verify(altered(document, random.choice([*numbers(document)]), 1), definition, prices=prices, parts=parts)


@pytest.mark.parametrize(
    "said",
    [
        {"limits": Limits(cost_usd="0.05")},
        {"models": {"prüfung": "openai:größer"}},
        {"models": {"prüfung": "openai:\ud800"}},
    ],
    ids=["money", "beyond ASCII", "half a surrogate pair"],
)
def test_a_part_is_named_by_all_that_it_says(said):
    """A whole names its parts by digests that both sides take alike, whatever is written in them."""
    inner, outer = road({"prüfung": 1}, []), road({"a": 9}, [])
    part, other = certify(inner, **said), certify(inner)
    whole = certify(outer, parts={"a": (part,)})

    verify(whole, outer, parts={"a": (part,)})

    with pytest.raises(CertificateError, match="made for other parts"):
        verify(whole, outer, parts={"a": (other,)})


def test_a_wrong_part_is_refuted():
    """A whole is refused with parts of another certificate, and with parts for which its state has no calls."""
    part, other = certify(road({"x": 1}, [])), certify(road({"x": 2}, []))
    outer = road({"a": Stop(9, calls=1)}, [])
    whole = certify(outer, parts={"a": (part,)})

    with pytest.raises(CertificateError, match="made for other parts"):
        verify(whole, outer, parts={"a": (other,)})
    with pytest.raises(CertificateError, match="made for other parts"):
        verify(whole, outer)
    document = json.loads(whole.dump())
    document["parts"] = {"a": [part.digest] * 2}
    with pytest.raises(CertificateError, match="'a' makes 1 calls, and cannot run 2 parts"):
        verify(Document(document), outer, parts={"a": (part, part)})


def test_code_runs_no_parts():
    """A part in a state without any call is refuted."""
    part, outer = certify(road({"x": 1}, [])), road({"a": Stop(0, calls=0)}, [])
    document = claim(outer)
    document["parts"], document["assumptions"] = {"a": [part.digest]}, list(assumed(["a"]))

    with pytest.raises(CertificateError, match="'a' makes 0 calls, and cannot run 1 parts"):
        verify(Document(document), outer, parts={"a": (part,)})
