"""What a certificate says in sentences is true."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from hypothesis import given
from hypothesis import strategies as st
from support.desk import Support
from support.roads import GAP, charged, paths, small

from fsm_orch import Limits
from fsm_orch.amounts import Price
from fsm_orch.define.sealed import remade
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.words import bound_in_words, limits_as_written, shown, tolls_in_words, verdict_in_words

PRICES = {name: Price(Fraction(1, 4), Fraction(2)) for name in ("triage", "billing")}


def test_amounts_have_units():
    """Amounts are written in what people count in."""
    assert shown(1_234, "tokens") == "1,234 tokens"
    assert shown(1, "hops") == "1 hop"
    assert shown(4_500, "cost") == "$0.004500"
    assert shown(1_500, "milliseconds") == "1.5 s"


def test_limits_are_written_as_they_are_declared():
    """What was set stays as it is beside what is changed, so that the line can be taken as it stands."""
    assert limits_as_written(Limits()) == "Limits()"
    assert limits_as_written(Limits(cost_usd=None), hops=3) == "Limits(hops=3)"
    assert limits_as_written(Limits(tokens=12_000, deadline_s=0.25, visit_s=90), cost_usd=Decimal("1E-6")) == (
        'Limits(tokens=12_000, cost_usd="0.000001", deadline_s=0.25, visit_s=90)'
    )


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "hops": st.integers(0, 10_000),
            "tokens": st.integers(0, 10**12),
            "cost_usd": st.decimals(0, 10**9, allow_nan=False),
            "deadline_s": st.floats(0, exclude_min=True, allow_infinity=False),
            "visit_s": st.floats(0, exclude_min=True, allow_infinity=False),
        },
    )
)
def test_written_limits_are_the_same_limits(values):
    """What is written is read back, in what was set too."""
    limits = Limits(**values)
    read = eval(limits_as_written(limits))

    assert read == limits
    assert read.model_fields_set == limits.model_fields_set


def test_a_bound_is_told_with_its_path():
    """An exact bound is shown with the path that reaches it, another with the most expensive path that was found."""
    exact = certify(GAP)
    tokens = exact.bounds["tokens"].model_copy(update={"bound": 90, "is_exact": False})
    proved = exact.model_copy(update={"bounds": {**exact.bounds, "tokens": tokens}})

    assert bound_in_words(exact, "tokens") == "at most 80 tokens, visiting a -> b -> b"
    assert bound_in_words(proved, "tokens") == "at most 90 tokens; found 80 tokens, visiting a -> b -> b"


def test_the_verdict_is_told_with_the_limit():
    """Slack and guarded are told with how far the limit is."""
    tight = Limits(hops=6, tokens=8_000, cost_usd="0.1")

    assert verdict_in_words(certify(Support.definition), "tokens") == (
        "slack: within the limit of 10,000 tokens, so no run is ever cut short for lack of tokens"
    )
    assert verdict_in_words(certify(Support.definition, limits=tight), "tokens") == (
        "guarded: 200 tokens above the limit of 8,000 tokens, so a run may be cut short and landed; "
        "leave it if that is meant, else make it fit, and have --require-slack keep it so"
    )
    assert verdict_in_words(certify(Support.definition, limits=tight, prices=PRICES), "cost") == (
        "slack: within the limit of $0.100000, so no run is ever cut short for lack of money"
    )
    assert verdict_in_words(certify(Support.definition), "cost") is None


def test_prices_are_told_state_by_state():
    """What binds is told with what it would add, and what does not is said not to."""
    assert list(tolls_in_words(certify(Support.definition), "tokens")) == [
        "each further visit of 'billing' adds at most 2,000 tokens",
        "one more hop adds at most 1,400 tokens",
    ]
    assert list(tolls_in_words(certify(Support.definition), "hops")) == [
        "max_visits of 'billing' is not binding",
        "one more hop adds at most 1 hop",
    ]
    assert next(tolls_in_words(certify(GAP), "tokens")) == "one more visit of 'b' adds at most 35 tokens"


@given(st.randoms(use_true_random=False))
def test_a_limit_that_is_raised_adds_no_more(random):
    """One more visit of a state, or one more hop, adds to the worst case what was told at most."""
    definition = small(random)
    bound = certify(definition).bounds["tokens"]
    unproved = floor(bound.total) - bound.bound

    for name, price in bound.per_visit.items():
        state = remade(definition.states[name], max_visits=(definition.states[name].max_visits or 0) + 1)
        raised = replace(definition, states={**definition.states, name: state})
        assert _worst(raised) <= bound.bound + unproved + ceil(price)
    limits = definition.limits
    raised = replace(definition, limits=Limits(hops=limits.hops + 1, tokens=limits.tokens))
    assert _worst(raised) <= bound.bound + unproved + ceil(bound.per_hop)


def _worst(definition):
    return max(charged(definition, path) for path in paths(definition))
