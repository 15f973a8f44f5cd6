"""Options: what is no number, or none that makes sense, is refused where it is given, and the message names it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.serving import Query, deps, desk

from fsm_orch import MemoryStore, Retry
from fsm_orch.define.options import one_of, positive, whole
from fsm_orch.resilience import Admission, Breaker, Bulkhead, CachedAnswers, Gate, Pace, Quota
from fsm_orch.resilience.shared import SharedGates
from fsm_orch.service import Webhooks, router

GATES = SharedGates("redis://localhost:1", namespace="x")
RUNNER = desk()


def hooks(**options: Any) -> Webhooks:
    return Webhooks("https://example.org", secret="whsec_" + "A" * 32, **options)


def routes(**options: Any) -> Any:
    return router(RUNNER, deps=deps, **options)


def cached(**options: Any) -> Any:
    return CachedAnswers(RUNNER, key=str, answer=Query.answer, **options)


WHOLE: list[tuple[Callable[..., Any], str, int]] = [
    (lambda **o: Pace(1, **o), "burst", 1),
    (Breaker, "failures", 1),
    (Admission, "most", 1),
    (lambda **o: Admission(1, **o), "queue", 0),
    (Bulkhead, "at_once", 1),
    (lambda **o: Bulkhead(1, **o), "queue", 0),
    (lambda **o: Gate(at_once=1, **o), "queue", 0),
    (Quota, "tokens", 0),
    (cached, "keep", 1),
    (MemoryStore, "runs", 1),
    (lambda **o: SharedGates("redis://localhost:1", namespace="x", **o), "processes", 1),
    (lambda **o: GATES.pace("p", 1, **o), "burst", 1),
    (lambda **o: GATES.breaker("b", **o), "failures", 1),
    (lambda **o: GATES.places("s", **o), "at_once", 1),
    (lambda **o: GATES.places("s", 1, **o), "queue", 0),
    (hooks, "concurrency", 1),
    (hooks, "tries", 1),
    (routes, "works", 0),
    (routes, "max_body", 1),
]
"""What takes a whole number: how it is made, the option, and the least that it may be."""

PARTS: list[tuple[Callable[..., Any], str, bool]] = [
    (Pace, "calls", False),
    (lambda **o: Pace(1, **o), "per_s", False),
    (Breaker, "window_s", False),
    (Breaker, "open_s", False),
    (lambda **o: Admission(1, **o), "wait_s", True),
    (lambda **o: Admission(1, **o), "expected_s", False),
    (lambda **o: Quota(tokens=1, **o), "per_s", False),
    (Retry, "initial_s", True),
    (Retry, "max_s", True),
    (Retry, "jitter_s", True),
    (cached, "max_age_s", False),
    (lambda **o: SharedGates("redis://localhost:1", namespace="x", **o), "lease_s", False),
    (lambda **o: SharedGates("redis://localhost:1", namespace="x", **o), "beat_s", False),
    (lambda **o: SharedGates("redis://localhost:1", namespace="x", **o), "timeout_s", False),
    (lambda **o: GATES.pace("q", **o), "calls", False),
    (lambda **o: GATES.pace("q", 1, **o), "per_s", False),
    (lambda **o: GATES.breaker("c", **o), "window_s", False),
    (lambda **o: GATES.breaker("c", **o), "open_s", False),
    (hooks, "timeout_s", False),
    (hooks, "poll_s", False),
    (hooks, "initial_s", True),
    (hooks, "max_s", True),
    (hooks, "give_up_s", True),
    (hooks, "drain_s", True),
    (routes, "heartbeat_s", False),
    (routes, "grace_s", True),
    (routes, "drain_s", True),
]
"""What takes any number: how it is made, the option, and whether it may be 0."""

NO_NUMBERS: st.SearchStrategy[Any] = st.sampled_from(["60", "hour", b"1", True, False, [1], {}, int, len, 1j])


@pytest.mark.parametrize(("make", "option", "least"), WHOLE)
@settings(max_examples=30)
@given(data=st.data())
def test_a_whole_number_is_one(make: Callable[..., Any], option: str, least: int, data: st.DataObject) -> None:
    """Nothing else is taken, be it another kind, a float or a number below the least; and the option is named."""
    wrong = data.draw(st.one_of(NO_NUMBERS, st.floats(), st.integers(max_value=least - 1), st.just(-(10**5_000))))

    with pytest.raises(ValueError if type(wrong) is int else TypeError, match=rf"^{option}=.* takes a whole number"):
        make(**{option: wrong})


@pytest.mark.parametrize(("make", "option", "or_zero"), PARTS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_number_is_one(make: Callable[..., Any], option: str, or_zero: bool, data: st.DataObject) -> None:
    """Nothing else is taken, be it another kind, what is no number, or too small a one; and the option is named."""
    below = st.one_of(st.floats(max_value=0, exclude_max=or_zero), st.integers(max_value=-1), st.just(10**400))
    wrong = data.draw(st.one_of(NO_NUMBERS, below, st.just(math.nan)))

    kind = ValueError if type(wrong) in (int, float) else TypeError
    with pytest.raises(kind, match=rf"^{option}=.* takes a (finite )?number") as refused:
        make(**{option: wrong})
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize(("make", "option", "least"), WHOLE)
def test_the_least_is_taken(make: Callable[..., Any], option: str, least: int) -> None:
    """And so is what is more."""
    make(**{option: least})


@given(st.integers(), st.integers(-5, 5))
def test_a_whole_number_is_given_back(number: int, least: int) -> None:
    """Whatever is at least the least."""
    if number >= least:
        assert number == whole("x=", number, least=least)
    else:
        with pytest.raises(ValueError, match=re.escape(f"x= takes a whole number of {least} or more, not")):
            whole("x=", number, least=least)


@example(math.inf, False, True)
@given(st.one_of(st.floats(allow_nan=False), st.integers(-(10**20), 10**20)), st.booleans(), st.booleans())
def test_a_number_is_given_back(number: float, or_zero: bool, or_endless: bool) -> None:
    """As a float, if it is within its bounds."""
    is_in = (number > 0 or (or_zero and number == 0)) and (or_endless or number < math.inf)
    if is_in:
        assert float(number) == positive("x=", number, or_zero=or_zero, or_endless=or_endless)
    else:
        with pytest.raises(ValueError, match=r"^x= takes a"):
            positive("x=", number, or_zero=or_zero, or_endless=or_endless)


@pytest.mark.parametrize("wrong", ["run", "", None, 3])
def test_a_word_is_a_known_one(wrong: Any) -> None:
    """Else it is said which are."""
    with pytest.raises(ValueError, match=r"^x= takes one of 'runs', 'tokens', not "):
        one_of("x=", wrong, ("runs", "tokens"))


@pytest.mark.parametrize("options", [{"on_disconnect": "stop"}, {"multitask": None}])
def test_a_router_knows_its_words(options: dict[str, Any]) -> None:
    """What is misspelt does not mean the other of two."""
    with pytest.raises(ValueError, match=f"^{next(iter(options))}= of a router takes one of"):
        routes(**options)
