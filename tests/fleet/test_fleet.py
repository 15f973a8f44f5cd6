"""A fleet over one store: whatever happens to its hosts, no run is lost, none is driven twice, and the books are right.

What is watched at every moment is in `support.simulated.rules`; what can happen, in `plans` and `network` beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.lanes import in_both_lanes
from support.simulated.plans import Host, Job, Plan, Trouble, plans
from support.simulated.simulation import simulate
from support.simulated.stores import InMemory, InSqlite

HUNT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@in_both_lanes(few=15, many=200, most=1_000)
def test_a_small_fleet_keeps_its_promises(examples: int) -> None:
    """Up to four hosts and four runs: short stories, if one is broken."""

    @settings(HUNT, max_examples=examples)
    @given(plans())
    def holds(plan: Plan) -> None:
        simulate(plan)

    holds()


@in_both_lanes(few=2, many=40, most=200)
def test_a_large_fleet_keeps_its_promises(examples: int) -> None:
    """Up to twelve hosts, twelve runs and twelve troubles."""

    @settings(HUNT, max_examples=examples)
    @given(plans(hosts=12, jobs=12, troubles=12))
    def holds(plan: Plan) -> None:
        simulate(plan)

    holds()


@in_both_lanes(few=3, many=40, most=200)
def test_a_fleet_on_sqlite_keeps_its_promises(examples: int, tmp_path: Path) -> None:
    """Its statements say the same as the store in memory."""
    files = iter(range(1 << 20))

    @settings(HUNT, max_examples=examples)
    @given(plans())
    def holds(plan: Plan) -> None:
        stores: list[InSqlite] = []
        try:
            simulate(plan, store=lambda clock: stores.append(InSqlite(clock, tmp_path / str(next(files)))) or stores[0])
        finally:
            for store in stores:
                store.close()

    holds()


def test_a_quiet_fleet_does_each_thing_once() -> None:
    """Nobody is hindered: each request is sent once, and the bank pays once for each order."""
    came = simulate(Plan((Host(), Host(180.0)), (Job(0.0), Job(1.0, is_order=False), Job(2.0)), (), False, 1))

    assert {"r0:3": 1, "r2:3": 1} == came.rules.bank
    assert [3, 2, 3] == [came.rules.runs[run].sent.total() for run in ("r0", "r1", "r2")]
    assert came.seconds < 10


def test_a_story_is_told_again_word_for_word() -> None:
    """A plan decides all that happens, so that a counterexample stays one."""
    plan = Plan(
        (Host(20.0), Host(-20.0, is_busy=True)),
        (Job(0.0), Job(0.5, cancel_at=20.0)),
        (Trouble(1.0, 0, "crash", 5.0), Trouble(3.0, 1, "cut", 9.0), Trouble(9.0, 1, "stop", 20.0)),
        True,
        7,
    )
    stories = [[(line.at, line.who) for line in simulate(plan, store=InMemory).story.lines] for _ in range(2)]

    assert stories[0] == stories[1]
    assert len(stories[0]) > 50


@pytest.mark.parametrize("kind", ["crash", "stop", "cut", "slow", "drain", "restart"])
def test_each_trouble_is_survived(kind: str) -> None:
    """Wherever in a run it comes, for as long as three leases, with another host to go on or none."""
    for hosts in (1, 2):
        for quarters in range(0, 40, 7):
            plan = Plan(
                (Host(),) * hosts,
                (Job(0.0), Job(0.0, is_order=False)),
                (Trouble(quarters / 4, 0, kind, 18.0),),
                False,
                3,  # type: ignore[arg-type]
            )
            simulate(plan)
