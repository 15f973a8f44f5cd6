"""The verifier checks a whole with the certificates of its parts, and believes none that it has not verified."""

import copy
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.claims import Document, altered, claim, numbers
from support.roads import Stop, nested, road

from fsm_orch.amounts import Price
from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

PRICE = Price(Fraction(1, 4), Fraction(2))


def priced(definition):
    """Price every state of a tree of machines, by its place."""
    found = dict.fromkeys(definition.states, PRICE)
    for name, state in definition.states.items():
        for part in state.spec.parts:
            found |= {f"{name}.{part.name}.{place}": price for place, price in priced(part.definition).items()}
    return found


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), random=st.randoms(use_true_random=False))
def test_a_whole_is_believed_as_it_was_made_and_refuted_altered_in_a_number(seed, random):
    """Whatever runs inside, however deep, no number at any level can be another."""
    definition = nested(Random(seed), depth=2)
    prices = priced(definition)
    if prices and random.random() < 0.3:
        del prices[random.choice([*prices])]
    document = claim(definition, prices=prices)

    verify(Document(document), definition, prices=prices)

    with pytest.raises(CertificateError):
        verify(altered(document, random.choice([*numbers(document)]), 1), definition, prices=prices)


INNER, OTHER = road({"x": 5}, []), road({"x": 6}, [])
WHOLE = road({"a": Stop(9, runs={"one": (INNER, 1), "two": (OTHER, 1)})}, [])


def test_the_certificate_of_another_part_is_refused():
    """A part is known by the digest of its machine: a true certificate of another one is none for it."""
    document = claim(WHOLE)
    document["parts"]["a.one"] = copy.deepcopy(document["parts"]["a.two"])

    with pytest.raises(CertificateError, match=r"In the part 'a\.one': .*made for another definition"):
        verify(Document(document), WHOLE)


def test_a_whole_needs_the_certificate_of_each_part():
    """One that is missing, and one too many, are refused."""
    missing, strange = claim(WHOLE), claim(WHOLE)
    del missing["parts"]["a.one"]
    strange["parts"]["a.three"] = strange["parts"]["a.one"]

    for document in (missing, strange):
        with pytest.raises(CertificateError, match="made for other parts"):
            verify(Document(document), WHOLE)


def test_a_part_that_claims_too_little_is_found_in_it():
    """A whole that adds up a false claim of its part is refuted in the part."""
    document = claim(WHOLE)
    document["parts"]["a.one"]["bounds"]["tokens"]["bound"] -= 1

    with pytest.raises(CertificateError, match=r"In the part 'a\.one': .*refuted: in tokens"):
        verify(Document(document), WHOLE)


def test_a_part_has_the_limits_that_its_machine_declares():
    """Limits of the whole may be overridden, and those of a part are its own."""
    document = claim(WHOLE)
    document["parts"]["a.one"]["limits"]["tokens"] = 3

    with pytest.raises(CertificateError, match=r"In the part 'a\.one': .*made for other limits"):
        verify(Document(document), WHOLE)


def test_models_and_prices_of_parts_are_named_by_their_place():
    """A part that would use another model, or the same at another price, is refused."""
    models, prices = {"a": "m:one", "a.one.x": "m:two", "a.two.x": "m:two"}, {"a.one.x": PRICE, "a.two.x": PRICE}
    whole = certify(WHOLE, models=models, prices=prices)

    verify(whole, WHOLE, models=models, prices=prices)

    assert whole.parts["a.one"].models == {"x": "m:two"}
    with pytest.raises(CertificateError, match=r"In the part 'a\.two': .*made for other models"):
        verify(whole, WHOLE, models=models | {"a.two.x": "m:three"}, prices=prices)
    with pytest.raises(CertificateError, match=r"In the part 'a\.one': .*made for other prices"):
        verify(whole, WHOLE, models=models, prices={"a.two.x": PRICE})
