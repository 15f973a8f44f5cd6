"""The most expensive path, against every path listed one by one."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.roads import Stop, charged, paths, road, small

from fsm_orch.proof.bounds.program import best_tolls
from fsm_orch.proof.bounds.search import dearest_path
from fsm_orch.proof.bounds.skeleton import skeleton, worst_cases
from fsm_orch.proof.bounds.tolls import Tolls

A, B, C = "abc"
HAND_MADE = {
    "alone": (road({A: 7}, []), 7),
    "one hop": (road({A: 7, B: 9}, [(A, B)], hops=1), 7),
    "chain": (road({A: 1, B: 20, C: 300}, [(A, B), (B, C)]), 321),
    "fork": (road({A: 1, B: 20, C: 300}, [(A, B), (A, C)]), 301),
    "loop": (road({A: Stop(5, max_visits=3)}, [(A, A)]), 15),
    "loop as long as hops last": (road({A: 5}, [(A, A)], hops=4), 20),
    "the first visit counts": (road({A: Stop(5, max_visits=1), B: 1}, [(A, B), (B, A)]), 6),
    "ping-pong": (road({A: 1, B: Stop(100, max_visits=2)}, [(A, B), (B, A)]), 203),
    "a failure edge is an edge": (road({A: Stop(1, calls=2), B: 50}, [(A, B, "failure")]), 52),
    "there and back is dearer": (
        road({A: 1, B: Stop(100, max_visits=2), C: 60}, [(A, B), (B, C), (C, B), (A, C)], hops=4),
        261,
    ),
}


def tolls(definition, **options):
    numbers = skeleton(definition, definition.limits)
    cost = worst_cases(definition, definition.limits, {}, {})["tokens"]
    return Tolls(numbers, cost, best_tolls(numbers, cost, **options))


@pytest.mark.parametrize(("definition", "worst"), HAND_MADE.values(), ids=HAND_MADE.keys())
def test_ten_machines_by_hand(definition, worst):
    """Ten machines whose worst case is seen at a glance: brute force and search both find it."""
    found = dearest_path(tolls(definition))

    assert worst == max(charged(definition, path) for path in paths(definition))
    assert (worst, True) == (found.amount, found.is_dearest)


@given(st.randoms(use_true_random=False))
def test_the_search_agrees_with_brute_force(random):
    """On random machines the path found is one of all paths, and none of them is dearer."""
    definition = small(random)

    found = dearest_path(tolls(definition))

    assert found.is_dearest
    assert found.states in set(paths(definition))
    assert found.amount == charged(definition, found.states)
    assert found.amount == max(charged(definition, path) for path in paths(definition))


@given(st.randoms(use_true_random=False))
def test_poor_prices_make_the_search_longer_not_wrong(random):
    """With any tolls at all, what is called the most expensive path is."""
    definition = small(random)
    best = tolls(definition)
    poor = Tolls(best.skeleton, best.worst_case, {state: price * 3 + 1 for state, price in best.per_visit.items()})

    found = dearest_path(poor)

    assert not found.is_dearest or found.amount == max(charged(definition, path) for path in paths(definition))


@given(st.randoms(use_true_random=False))
def test_a_narrow_search_finds_a_witness(random):
    """A search that may follow one path alone finds a path that can be taken, and says when it is not sure."""
    definition = small(random)
    best = tolls(definition, layered_up_to=0)
    poor = Tolls(best.skeleton, best.worst_case, {})

    found = dearest_path(poor, widest=1)
    worst = max(charged(definition, path) for path in paths(definition))

    assert found.states in set(paths(definition))
    assert found.amount == charged(definition, found.states) <= worst
    assert not found.is_dearest or found.amount == worst


def test_the_dearer_of_two_ways_is_kept():
    """Of two ways to the same state the dearer one counts, in whichever order they are declared."""
    stops = {"s": 0, "p": 5, "q": 1, "a": 20, "b": Stop(30, max_visits=2), "c": 20}
    tail = [("p", "a"), ("q", "a"), ("a", "b"), ("a", "c"), ("b", "b")]

    for head in ([("s", "p"), ("s", "q")], [("s", "q"), ("s", "p")]):
        found = dearest_path(tolls(road(stops, [*head, *tail], hops=7)))
        assert (tuple("spabb"), 85, True) == found


def test_what_was_lost_is_said():
    """Where one path is too few to follow, the search does not call what it found the most expensive."""
    lost = [dearest_path(Tolls(p.skeleton, p.worst_case, {}), widest=1) for p in _many()]

    assert not all(found.is_dearest for found in lost)


def _many():
    return [tolls(small(Random(seed))) for seed in range(40)]
