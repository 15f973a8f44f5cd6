"""The sweep over tickets of DBOS, which is played here: in virtual time, with executors that die at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any, cast

import looptime
import pytest
from dbos import DBOSClient
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kept import keep
from support.lanes import in_both_lanes
from support.working import Job, Works, kept, runner

from fsm_orch import Runner
from fsm_orch.durable.base import Runners, run_of, ticket_of
from fsm_orch.durable.sweep import Sweep
from fsm_orch.kernel import inputs
from fsm_orch.store import Listed

LEASE_S = 15


class Tickets:
    """What DBOS would hold, by name; the version is that of the app."""

    latest = "2"

    def __init__(self) -> None:
        self.rows: dict[str, SimpleNamespace] = {}
        self._changes = 0

    def put(self, name: str, status: str, version: str | None = None) -> None:
        """Make a ticket, or change it."""
        self._changes += 1
        self.rows[name] = SimpleNamespace(
            workflow_id=name, status=status, updated_at=self._changes, app_version=version
        )

    async def hand(self, row: Listed) -> None:
        """Make the ticket of a run, unless it is there."""
        if ticket_of(row) not in self.rows:
            self.put(ticket_of(row), "ENQUEUED")

    async def list_workflows_async(
        self, *, workflow_ids: Collection[str] | None = None, status: str | None = None, **_: Any
    ) -> list[SimpleNamespace]:
        """List them as DBOS does."""
        return [
            row
            for name, row in self.rows.items()
            if (workflow_ids is None or name in workflow_ids) and status in (None, row.status)
        ]

    async def delete_workflows_async(self, names: Collection[str]) -> None:
        """Forget some."""
        for name in names:
            self.rows.pop(name, None)

    async def get_latest_application_version_async(self) -> dict[str, str]:
        """Return which version is the latest."""
        return {"version_name": self.latest}


class Played:
    """A worker that sweeps, over a store in virtual time."""

    def __init__(self) -> None:
        self.store, self.tickets = kept(), Tickets()
        self.runners = Runners(runner(self.store), deps=lambda run: "deps")
        self.sweep = Sweep(self.runners, cast("DBOSClient", self.tickets), ["q"], self.tickets.hand)

    async def sweeps(self, seconds: float) -> None:
        """Sweep once a second."""
        for _ in range(int(seconds)):
            await self.sweep("2")
            await asyncio.sleep(1)

    def statuses(self) -> dict[str, str]:
        """Return what became of each ticket."""
        return {name: row.status for name, row in self.tickets.rows.items()}

    async def row(self, run_id: str) -> Listed:
        """Return where a run stands."""
        (row,) = await self.store.list(run_id=run_id)
        return row

    async def leave(self, run_id: str) -> None:
        """Leave a run as a worker does that dies in it."""
        whole = await Runner(Works).run(Job(), run_id=run_id, deps="")
        place = next(n for n, event in enumerate(whole.journal) if isinstance(event, inputs.Replied))
        await keep(runner(self.store), run_id, whole.journal[: place + 1])


pytestmark = pytest.mark.looptime


async def test_what_nobody_has_handed_over_is_handed_over() -> None:
    """A run whose process ended between storing it and telling DBOS is found by the next sweep."""
    played = Played()
    await runner(played.store).enqueue(Job(), run_id="a:b")
    await played.sweep("2")

    assert {"a:b:1": "ENQUEUED"} == played.statuses()
    assert "a:b" == run_of("a:b:1")


async def test_the_ticket_of_a_dead_executor_is_forgotten_after_a_lease_and_no_sooner() -> None:
    """Its run is handed over as it stands once nobody drives it; the old ticket takes no place any more."""
    played = Played()
    await played.leave("r")
    played.tickets.put("r:1", "PENDING")
    await played.sweeps(LEASE_S - 1)
    before = played.statuses()
    await played.sweeps(3)

    assert "PENDING" == before["r:1"]
    assert {ticket_of(await played.row("r")): "ENQUEUED"} == played.statuses()


@pytest.mark.parametrize("status", ["PENDING", "SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"])
async def test_a_ticket_that_came_to_nothing_is_made_anew_after_a_lease(status: str) -> None:
    """Whatever became of it, the run stands where it stood, and nobody drives it."""
    played = Played()
    await runner(played.store).enqueue(Job(), run_id="r")
    played.tickets.put("r:1", status)
    await played.sweeps(LEASE_S)
    before = played.statuses()
    await played.sweeps(1)

    assert ({"r:1": status}, {"r:1": "ENQUEUED"}) == (before, played.statuses())


async def test_a_ticket_that_somebody_took_again_is_given_a_lease_from_then_on() -> None:
    """Whatever happens to it shows that somebody is there."""
    played = Played()
    await runner(played.store).enqueue(Job(), run_id="r")
    played.tickets.put("r:1", "PENDING")
    await played.sweeps(LEASE_S - 1)
    played.tickets.put("r:1", "PENDING")
    await played.sweeps(LEASE_S - 1)

    assert {"r:1": "PENDING"} == played.statuses()


async def test_the_ticket_of_a_run_that_is_driven_stays_however_long_that_takes() -> None:
    """Nothing happens to it meanwhile: that its worker is alive is told by the store."""
    played = Played()
    driving = runner(played.store)
    await driving.store.beat()
    await keep(driving, "r", (await Runner(Works).run(Job(), run_id="r", deps="")).journal[:1])
    played.tickets.put("r:1", "PENDING")
    for _ in range(20):
        await played.sweeps(10)
        await driving.store.beat()

    assert {"r:1": "PENDING"} == played.statuses()


@pytest.mark.parametrize(("latest", "becomes"), [("2", None), ("1", "1")])
async def test_what_waits_for_a_version_that_is_no_more_is_taken_over_by_the_latest(
    latest: str, becomes: str | None
) -> None:
    """No other version does: else two would take it from each other, and neither begin it."""
    played = Played()
    played.tickets.latest = latest
    await runner(played.store).enqueue(Job(), run_id="r")
    played.tickets.put("r:1", "ENQUEUED", "1")
    await played.sweeps(LEASE_S + 2)

    assert becomes == played.tickets.rows["r:1"].app_version


async def test_what_waits_in_a_long_queue_hides_no_run() -> None:
    """A run that began last, of which DBOS knows nothing, is handed over although all others wait in order."""
    played = Played()
    for n in range(300):
        await runner(played.store).enqueue(Job(), run_id=f"r{n:03}")
        if n < 299:
            played.tickets.put(f"r{n:03}:1", "ENQUEUED")
    await played.sweeps(4)

    assert "r299:1" in played.tickets.rows


@in_both_lanes(few=10, many=200)
@pytest.mark.looptime(False)
def test_no_run_is_lost_whatever_dies(examples: int) -> None:
    """Executors die before they claim, while they drive, and before they say so; tickets vanish: every run ends."""
    deaths = st.lists(st.sampled_from(["lives", "dies before", "dies after", "dies in it", "vanishes"]), max_size=12)

    @settings(max_examples=examples)
    @given(deaths)
    def every_run_ends(deaths: Sequence[str]) -> None:
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as loop:
            loop.run(_played(list(deaths)))

    every_run_ends()


async def _played(deaths: list[str]) -> None:
    played = Played()
    for n in range(3):
        await runner(played.store).enqueue(Job(), run_id=f"r{n}")
    for _ in range(200):
        await played.sweep("2")
        for name, row in list(played.tickets.rows.items()):
            if row.status == "ENQUEUED":
                await _worked_off(played, name, deaths.pop() if deaths else "lives")
        rows = await played.store.list()
        if all(row.head.status == "finished" for row in rows):
            break
        await asyncio.sleep(1)
    else:
        pytest.fail(f"{rows}, {played.statuses()}")
    await played.sweeps(2 * LEASE_S)

    assert {"end"} == {row.head.state for row in rows}
    assert not {"PENDING", "ENQUEUED"} & set(played.statuses().values())


async def _worked_off(played: Played, name: str, how: str) -> None:
    """Work a ticket off, as an executor does that may die."""
    played.tickets.put(name, "PENDING")
    if how == "vanishes":
        await played.tickets.delete_workflows_async([name])
    elif how == "dies in it":  # it claims the run, and beats no more
        await played.store.beside(lease_s=LEASE_S).claim(run_of(name))
    elif how != "dies before":
        await Runners(runner(played.store), deps=lambda run: "deps").deliver(run_of(name))
        if how == "lives":
            played.tickets.put(name, "SUCCESS")
