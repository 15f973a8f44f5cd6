"""Circles: each that was gone round is found, and those that a definition bounds are told apart from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lines_of import lines_of
from support.random_machines import Facts

from fsm_orch import Final, Limits, Machine, Runner, State, Visit
from fsm_orch.kernel.hop import Hop
from fsm_orch.observe.triage.lines import Tally, read
from fsm_orch.observe.triage.loops import Loops, circles, loops
from fsm_orch.observe.triage.machines import by_digest
from fsm_orch.observe.triage.runs import runs
from machines.shop import ShopFloor


def hops(states: str) -> list[Hop]:
    """Give the path along states of one letter each."""
    return [Hop(a, f"{a}_{b}", b) for a, b in pairwise(states)]


def states(lap: Sequence[Hop]) -> str:
    return "".join(hop.source for hop in lap) + lap[-1].target


@pytest.mark.parametrize(
    ("path", "laps"),
    [
        ("", []),
        ("abcd", []),
        ("abbc", ["bb"]),
        ("ababa", ["aba", "aba"]),
        ("abcabd", ["abca"]),
        ("abcbad", ["bcb", "aba"]),
        ("abcdbcae", ["bcdb", "abca"]),
    ],
)
def test_each_lap_of_a_path_is_told_once(path: str, laps: list[str]) -> None:
    """A lap inside another is cut out of it, so that each visits no state twice."""
    assert laps == [states(lap) for lap in circles(hops(path))]


@given(st.text("abcd", max_size=30))
def test_laps_and_the_way_without_them_are_the_path(path: str) -> None:
    """Every hop is in one lap at most, each lap closes, and what is left visits no state twice."""
    walked = hops(path)
    laps = list(circles(walked))
    left = Counter(walked) - Counter(hop for lap in laps for hop in lap)

    assert all(lap[0].source == lap[-1].target for lap in laps)
    assert all(len({hop.source for hop in lap}) == len(lap) for lap in laps)
    assert not (Counter(hop for lap in laps for hop in lap) - Counter(walked))
    assert all(count == 1 for count in Counter(hop.source for hop in left).values())


def line(run_id: str, number: int, hop: Hop, at: float) -> bytes:
    told = {"event": "handed_off", "run_id": run_id, "state": hop.target, "hops": number, "timestamp": at}
    return orjson.dumps({**told, **hop._asdict()})


@given(
    st.lists(st.text("abcde", min_size=1, max_size=6), max_size=8),
    st.permutations("vwxyz").flatmap(lambda order: st.integers(1, 5).map(lambda count: "".join(order[:count]))),
    st.integers(1, 4),
    st.integers(0, 7),
)
def test_a_planted_loop_is_always_found(others: list[str], planted: str, times: int, place: int) -> None:
    """Among any other runs, with as many laps as were planted, and the run that made them."""
    lap = planted + planted[0]
    paths = {f"r{number}": path for number, path in enumerate(others)}
    paths["planted"] = "a" + planted * times + planted[0] + "e"
    order = list(paths)
    order.insert(place, order.pop())
    lines = [line(name, n, hop, 100.0) for name in order for n, hop in enumerate(hops(paths[name]), start=1)]
    found = loops(runs(read(lines, Tally()), Tally()), {}, now_s=150.0)
    (circle,) = [each for each in found.circles if {edge.source for edge in each.edges} & set("vwxyz")]

    assert ("planted", 1, times, times) == (circle.example, circle.runs, circle.laps, circle.most_laps)
    assert (
        states([Hop(*hop) for hop in zip(lap, lap, lap[1:], strict=False)])[:-1]
        in "".join(edge.source for edge in circle.edges) * 2
    )
    assert (100.0, 1) == (circle.last_at, circle.recent)
    assert (len(planted) == 1) <= (found.self_handoffs > 0)


def work(visit: Visit[Facts]) -> None:
    """Do nothing."""


class Circle(Machine[Facts]):
    """Goes round as often as it may."""

    first = State(work, initial=True, max_visits=4)
    second = State(work)
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    back = second.to(first)
    out = second.to(done)
    limits = Limits(hops=20)


class Alone(Machine[Facts]):
    """Hands off to itself."""

    only = State(work, initial=True, max_visits=3)
    done = Final()
    human = Final(fallback=True)
    again = only.to(only)
    out = only.to(done)
    limits = Limits(hops=20)


def looped(machine: Any, *, known: bool = True, **replaced: str) -> Loops:
    lines = lines_of(Runner(machine).run_sync(Facts()).records, at="1970-01-01T00:01:40Z")
    for old, new in replaced.items():
        lines = [each.replace(old.encode(), new.encode()) for each in lines]
    given = by_digest(machine.definition) if known else {}
    return loops(runs(read(lines, Tally()), Tally()), given, now_s=1_000.0)


@pytest.mark.parametrize(("machine", "laps"), [(Circle, 3), (Alone, 2)])
def test_a_declared_circle_is_bounded_exactly(machine: Any, laps: int) -> None:
    """A run that goes round as often as it may reaches the bound, and is not beyond it; each edge says its line."""
    (circle,) = looped(machine).circles

    assert (laps, laps, True) == (circle.most_laps, circle.bound, circle.is_bounded)
    assert {edge.where for edge in circle.edges} == {
        handoff.where for _, handoff in machine.definition.edges if handoff.name in ("on", "back", "again")
    }
    assert (100.0, 0, 1) == (circle.last_at, circle.recent, circle.landed)


def test_what_no_definition_declares_is_not_bounded() -> None:
    """Without the definition nobody knows; with another version, or another edge, it is not marked either."""
    unknown, renamed = looped(Circle, known=False), looped(Circle, back="kcab")
    other = looped(Circle, **{Circle.definition.digest: "0" * 64})

    assert [None, None, None] == [found.circles[0].bound for found in (unknown, renamed, other)]
    assert not any(found.circles[0].is_bounded for found in (unknown, renamed, other))


def test_the_bound_counts_hops_too() -> None:
    """The shop's circle ends by its visits, and a circle without such a bound by the hops of a run."""
    floor = ShopFloor.definition
    visits = {name: state.max_visits for name, state in floor.states.items()}
    lines = [
        orjson.dumps({"event": "run_started", "run_id": "r", "state": "a", "machine": "X", "digest": floor.digest}),
        line("r", 1, Hop("router", "to_inventory", "inventory"), 5),
        line("r", 2, Hop("inventory", "back", "router"), 5),
    ]
    (circle,) = loops(runs(read(lines, Tally()), Tally()), by_digest(floor), now_s=0).circles

    assert circle.bound is not None
    assert circle.bound <= min(n for n in (visits["router"], visits["inventory"], floor.limits.hops // 2) if n)
