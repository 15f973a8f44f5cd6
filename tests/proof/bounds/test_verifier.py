"""The checker believes what follows, and nothing else."""

import ast
import copy
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.claims import Document, altered, claim, numbers, written
from support.desk import Support
from support.roads import GAP, Stop, charged, drawn, paths, road, small

from fsm_orch import Limits
from fsm_orch.amounts import Price
from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds import verifier as module
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.search import WIDEST
from fsm_orch.proof.bounds.skeleton import skeleton
from fsm_orch.proof.bounds.tolls import Tolls
from fsm_orch.proof.bounds.verifier import verify

PRICES = {name: Price(Fraction(1, 4), Fraction(2)) for name in ("triage", "billing")}


def claim_of(definition, path, per_visit):
    """Claim that a path is the most expensive, beside the sum that follows from some tolls of visits."""
    document = claim(definition)
    tokens = document["bounds"]["tokens"]
    tolls = Tolls(skeleton(definition, definition.limits), tokens["worst_case"], per_visit)
    names = {(source, handoff.target.name): handoff.name for source, handoff in definition.edges}
    amount = charged(definition, path)
    tokens |= {
        **{what: written(getattr(tolls, what)) for what in ("total", "to_come", "per_hop")},
        "per_visit": {state: written(price) for state, price in per_visit.items()},
        "witness": {"states": path, "handoffs": [names[pair] for pair in pairwise(path)], "amount": amount},
        "bound": amount,
        "is_exact": True,
    }
    return Document(document)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.sampled_from([1, -1, 7, -1_000, 10**9, Fraction(1, 2), Fraction(-1, 64)]))
def test_altered_in_any_number(random, by):
    """A certificate altered in any single number, or in a yes or no, is refuted."""
    definition = small(random)
    prices = {name: Price(Fraction(random.randint(0, 9), 4), Fraction(3)) for name in definition.states}
    document = claim(definition, prices=prices)
    verify(Document(document), definition, prices=prices)

    for way in numbers(document):
        if len(definition.starts) > 1 and "per_visit" in way:
            continue  # where another start is dearer, a toll may be raised: what is altered proves the same
        with pytest.raises(CertificateError):
            verify(altered(document, way, by), definition, prices=prices)


def test_altered_in_any_number_where_the_search_decides():
    """So is one whose bound is lower than its prices prove."""
    document = claim(GAP)
    assert (document["bounds"]["tokens"]["bound"], document["bounds"]["tokens"]["total"]) == (80, 90)
    verify(Document(document), GAP)

    for way in numbers(document):
        for by in (1, -1, 10, -10, Fraction(1, 3)):
            with pytest.raises(CertificateError):
                verify(altered(document, way, by), GAP)


@pytest.mark.slow
@given(st.randoms(use_true_random=False))
def test_a_witness_of_other_names_is_refuted(random):
    """A witness that is altered in any name is a path that no run can take, or does not say how."""
    definition = small(random)
    document = claim(definition)

    for measure in document["bounds"]:
        for part in ("states", "handoffs"):
            for number in range(len(document["bounds"][measure]["witness"][part])):
                changed = copy.deepcopy(document)
                changed["bounds"][measure]["witness"][part][number] = "human"
                with pytest.raises(CertificateError, match="witness"):
                    verify(Document(changed), definition)


def test_a_witness_keeps_the_limits():
    """A witness with a visit too many, or a hop too many, is refuted, even if its sum is right."""
    definition = road({"a": Stop(5, max_visits=2), "b": 1}, [("a", "a"), ("a", "b"), ("b", "b")], hops=4)
    document = claim(definition)

    def told(states, handoffs, amount):
        document["bounds"]["tokens"]["witness"] = {"states": states, "handoffs": handoffs, "amount": amount}
        return Document(document)

    for witness in [
        (["a", "a", "a"], ["h0", "h0"], 15),
        (["a", "a", "b", "b", "b"], ["h0", "h1", "h2", "h2"], 13),
        (["b", "b"], ["h2"], 2),
        ([], [], 0),
        (["a", "a"], [], 10),
        (["a", "done"], ["h3"], 5),
    ]:
        with pytest.raises(CertificateError, match="witness"):
            verify(told(*witness), definition)


def test_a_path_that_no_run_takes_proves_nothing():
    """A path that no run can take is refused, even if nothing is said of what it would be charged, nor of exactness."""
    for said in ({"bound": None}, {"is_exact": False, "bound": 90}):
        document = claim(GAP)
        document["bounds"]["tokens"] |= {"witness": {"states": ["b"], "handoffs": [], "amount": None}, **said}

        with pytest.raises(CertificateError, match="no run can take its witness"):
            verify(Document(document), GAP)


def test_a_low_bound_needs_the_dearest_path():
    """A bound below what the prices prove is not believed for a path than which another is dearer."""
    document = claim(GAP)
    document["bounds"]["tokens"]["witness"] = {"states": ["a", "b"], "handoffs": ["h0"], "amount": 50}
    document["bounds"]["tokens"]["bound"] = 50

    with pytest.raises(CertificateError, match=r"is_exact is False, not True"):
        verify(Document(document), GAP)


def test_a_bound_that_is_not_exact_says_so():
    """Without a search a certificate may claim what the tolls prove, and not that its witness is the dearest path."""
    document = claim(GAP)
    document["bounds"]["tokens"] |= {"is_exact": False, "bound": 90}
    verify(Document(document), GAP)
    document["bounds"]["tokens"] |= {"witness": {"states": ["a", "b"], "handoffs": ["h0"], "amount": 50}}
    verify(Document(document), GAP)

    document["bounds"]["tokens"] |= {"is_exact": True}

    with pytest.raises(CertificateError, match=r"is_exact is False, not True"):
        verify(Document(document), GAP)


def test_the_search_goes_to_the_last_visit():
    """A path that is dearer by its very last visit alone refutes an exact bound."""
    stops = {"a": 10, "b": Stop(20, max_visits=2), "c": Stop(20, max_visits=2)}
    definition = road(stops, [("a", "c"), ("b", "a"), ("b", "b"), ("c", "a"), ("c", "b")], hops=5)
    document = claim(definition)
    tokens = document["bounds"]["tokens"]
    assert (tokens["bound"], tokens["total"]) == (80, 85)
    verify(Document(document), definition)

    tokens |= {"witness": {"states": list("acbb"), "handoffs": ["h0", "h4", "h2"], "amount": 70}, "bound": 70}

    with pytest.raises(CertificateError, match=r"is_exact is False, not True"):
        verify(Document(document), definition)


def test_the_search_keeps_the_dearer_of_two_ways():
    """Of two ways to the same state the dearer one counts, in whichever order they are declared."""
    stops = {"s": 0, "p": 5, "q": 1, "a": 20, "b": Stop(30, max_visits=2), "c": 20}
    tail = [("p", "a"), ("q", "a"), ("a", "b"), ("a", "c"), ("b", "b")]
    for head, way in (([("s", "p"), ("s", "q")], ["h1", "h3"]), ([("s", "q"), ("s", "p")], ["h0", "h3"])):
        definition = road(stops, [*head, *tail], hops=7)
        document = claim(definition)
        tokens = document["bounds"]["tokens"]
        assert (tokens["bound"], tokens["total"]) == (85, 95)
        verify(Document(document), definition)

        tokens |= {"witness": {"states": list("sqabb"), "handoffs": [*way, "h4", "h6"], "amount": 81}, "bound": 81}

        with pytest.raises(CertificateError, match=r"is_exact is False, not True"):
            verify(Document(document), definition)


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_whatever_the_prices_are(random):
    """Beside any prices of visits, an exact bound is believed if no path is dearer than its witness, and only then."""
    definition = drawn(random, states=random.randint(1, 4), hops=random.randint(1, 5))
    left = skeleton(definition, definition.limits).visits_left
    prices = {name: Fraction(random.randint(0, 6_000), random.randint(1, 9)) for name in left if left[name] > 0}
    *_, dearest = told = sorted(paths(definition), key=lambda path: charged(definition, path))

    path = random.choice(told)

    verify(claim_of(definition, dearest, prices), definition)
    if charged(definition, path) < charged(definition, dearest):
        with pytest.raises(CertificateError, match="is_exact is False, not True"):
            verify(claim_of(definition, path, prices), definition)


def test_the_search_follows_what_first_loses():
    """A path whose first visits are worth less than their prices is followed to where it becomes dearer."""
    prices = {"b": Fraction(3_001, 3)}
    verify(claim_of(GAP, ("a", "b", "b"), prices), GAP)

    with pytest.raises(CertificateError, match="is_exact is False, not True"):
        verify(claim_of(GAP, ("a", "b"), prices), GAP)


def test_the_search_leaves_out_what_cannot_be_dearer(monkeypatch):
    """Of a hundred ways on, only the one that could still become dearer than the witness is followed."""
    many = {f"z{number}": 1 for number in range(100)}
    stops = {"a": Stop(20, max_visits=1), "b": Stop(30, max_visits=2), "c": 20, **many}
    edges = [("a", "b"), ("a", "c"), ("b", "b"), *(("a", name) for name in many), *(("b", name) for name in many)]
    definition = road(stops, edges, hops=5)
    certificate = certify(definition)
    assert certificate.bounds["tokens"].is_exact
    assert certificate.bounds["tokens"].gap == 0 < certificate.bounds["tokens"].total - 81
    monkeypatch.setattr(module, "_MOST_OPEN", 3)

    verify(certificate, definition)


@pytest.mark.parametrize("visits", [None, 6, 7, 100])
def test_the_search_tells_no_ways_apart_that_leave_the_same_open(visits, monkeypatch):
    """Two ways over states whose visits cannot run out are one, and as many as may be open are followed."""
    stops = {"s": 0, "p": Stop(5, max_visits=visits), "q": Stop(4, max_visits=visits), "a": 20, "c": 20}
    edges = [("s", "p"), ("s", "q"), ("p", "a"), ("q", "a"), ("a", "b"), ("a", "c"), ("b", "b")]
    definition = road({**stops, "b": Stop(30, max_visits=2)}, edges, hops=7)
    document = claim(definition)
    assert (document["bounds"]["tokens"]["bound"], document["bounds"]["tokens"]["total"]) == (85, 95)
    monkeypatch.setattr(module, "_MOST_OPEN", 2)

    verify(Document(document), definition)


def test_the_search_is_as_wide_as_the_one_that_finds():
    """The verifier can follow all that the search for the most expensive path can decide."""
    assert WIDEST == module._MOST_OPEN


def test_a_search_that_is_too_wide_is_not_made(monkeypatch):
    """Where more paths are open than are followed, an exact bound is not believed."""
    document = claim(GAP)
    monkeypatch.setattr(module, "_MOST_OPEN", 0)

    with pytest.raises(CertificateError, match="is_exact is False, not True"):
        verify(Document(document), GAP)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"limits": Limits(hops=6, tokens=9_999)}, "limits"),
        ({"limits": Limits(hops=6, tokens=10_000, visit_s=9)}, "limits"),
        ({"models": {"triage": "openai:a", "billing": "openai:c"}}, "models"),
        ({"models": {"triage": "openai:a"}}, "models"),
        ({"models": None}, "models"),
        ({"prices": {**PRICES, "billing": Price(Fraction(1, 4), Fraction(9, 4))}}, "prices"),
        ({"prices": {"triage": PRICES["triage"]}}, "prices"),
        ({"prices": None}, "prices"),
    ],
)
def test_it_is_bound_to_what_it_was_made_for(other, what):
    """A certificate is refused for other limits, models or prices, and the message says which."""
    made_for = {"models": {"triage": "openai:a", "billing": "openai:b"}, "prices": PRICES}
    certificate = certify(Support.definition, **made_for)
    verify(certificate, Support.definition, **made_for)

    with pytest.raises(CertificateError, match=f"made for other {what}: "):
        verify(certificate, Support.definition, **{**made_for, **other})


@pytest.mark.parametrize("own", [None, "openai:own"])
@pytest.mark.parametrize("common", [None, "openai:all"])
def test_models_that_are_not_named_are_those_declared(own, common):
    """A state's own model is meant, or else the machine's, if it has one."""
    definition = replace(road({"a": 1}, []), model=common)
    definition.states["a"].spec = replace(definition.states["a"].spec, model=own)
    document = claim(definition)
    assert document["models"] == {"a": own or common}
    verify(Document(document), definition)

    with pytest.raises(CertificateError, match="made for other models"):
        verify(Document({**document, "models": {"a": "openai:other"}}), definition)


@pytest.mark.parametrize("said", [[], ["all is well"], ["anything but a bound"] * 5])
def test_what_it_assumes_is_what_the_library_states(said):
    """A certificate that promises under fewer conditions, or other ones, is refused."""
    document = claim(Support.definition)
    verify(Document(document), Support.definition)

    with pytest.raises(CertificateError, match="made for other assumptions"):
        verify(Document({**document, "assumptions": said}), Support.definition)


def test_equal_limits_are_equal_however_they_are_written():
    """Five cents are five cents, with a zero more or less."""
    short, long = (Limits(cost_usd=Decimal(text)) for text in ("0.05", "0.050"))

    verify(certify(Support.definition, limits=short), Support.definition, limits=long)
    with pytest.raises(CertificateError, match="made for other limits"):
        verify(certify(Support.definition, limits=short), Support.definition, limits=Limits(cost_usd=Decimal("0.051")))


def test_it_is_bound_to_its_definition():
    """A certificate is refused for a definition of another digest, even if nothing in it changes a bound."""
    mine, other = (road({"a": 1}, [], tokens=tokens) for tokens in (10, 11))

    with pytest.raises(CertificateError, match="made for another definition"):
        verify(certify(mine), other, limits=mine.limits)


def test_a_measure_left_out_is_missed():
    """A certificate that is silent about something that could be bounded is refused."""
    document = claim(Support.definition)
    del document["bounds"]["calls"]

    with pytest.raises(
        CertificateError, match=r"bounds \['hops', 'milliseconds', 'tokens'\]; it could bound \['calls', "
    ):
        verify(Document(document), Support.definition)


def test_prices_on_what_is_never_entered_are_refuted():
    """A price that is negative, or of a state that no run enters again, means nothing and is refused."""
    definition = road({"a": Stop(5, max_visits=1), "b": Stop(5, max_visits=2)}, [("a", "b"), ("b", "b"), ("b", "a")])
    for state, price in [("a", 3), ("b", -1), ("z", 1)]:
        document = claim(definition)
        document["bounds"]["tokens"]["per_visit"][state] = price
        with pytest.raises(CertificateError, match="a toll is negative, or of a state that cannot be entered"):
            verify(Document(document), definition)


def test_large_machines_check():
    """What was found for a machine of a hundred states checks too, whether its bounds are exact or not."""
    definition = drawn(Random(1), states=100, hops=30)

    certificate = certify(definition)

    verify(certificate, definition)
    assert all(bound.witness.amount <= bound.bound for bound in certificate.bounds.values())


def test_it_shares_no_code():
    """It imports data, and what the kernel moves to parts: no rules, and nothing of the maker of certificates."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    inner = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}

    assert inner == {"assumptions", "amounts", "define.definition", "define.worst", "errors", "limits"}
