"""Runs that wait for humans, as they are given out: whoever drove them, and whenever they began to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from support.approvals import Claim, PayBack
from support.asking import Refunds

from fsm_orch import MemoryStore, Runner
from fsm_orch.observe.load import Load
from fsm_orch.observe.prometheus import Metrics
from fsm_orch.observe.waiting import Wait, Waits
from fsm_orch.store.waiting import Waiting

SHOWN = dict[tuple[str, str], Wait]


class Counted:
    """A runner of a machine on a store that counts what it is told."""

    definition = PayBack.definition
    load = Load(running=0, waiting=0, gates={})

    def __init__(self, *found: Waiting, error: Exception | None = None) -> None:
        self.store, self.looks = self, 0
        self._found, self._error = found, error

    async def waiting(self) -> Sequence[Waiting]:
        """Return what was found."""
        self.looks += 1
        if self._error is not None:
            raise self._error
        return self._found


def looking(now: list[float]) -> tuple[Waits, SHOWN]:
    """Return what looks at stores at a time, and what it shows."""
    shown: SHOWN = {}
    return Waits(
        lambda machine, state, wait: shown.update({(machine, state): wait}),
        clock=lambda: now[0],
        wall_clock=lambda: 1_000.0,
    ), shown


async def test_runs_that_wait_are_given_out_by_a_process_that_never_drove_them() -> None:
    """What asked has ended long ago, and so has its count of questions."""
    store, registry = MemoryStore(), CollectorRegistry()
    await Runner(PayBack, store=store).run(Claim(query="a", card="b"), run_id="r")
    await Runner(PayBack, store=store).run(Claim(query="c", card="d"))
    metrics = Metrics(registry)
    metrics.watch(Runner(PayBack, store=store))
    await metrics.exposed()
    labels = {"machine": "PayBack", "agent": "approve"}

    assert 2.0 == registry.get_sample_value("agent_runs_waiting", labels)
    assert registry.get_sample_value("agent_runs_waiting_seconds", labels) is not None


async def test_states_where_none_waits_are_at_zero() -> None:
    """So a figure falls to 0 when the last run is answered, and a version that nobody watches is left out."""
    now, digest = [0.0], PayBack.definition.digest
    waits, shown = looking(now)
    state = next(iter(PayBack.definition.states))
    await waits.look([Counted(Waiting(digest, state, 3, 940.0), Waiting("other", state, 9, 0.0))])

    assert {("PayBack", each): Wait() for each in PayBack.definition.states} | {
        ("PayBack", state): Wait(3, 60.0)
    } == shown
    now[0] = 15.0
    await waits.look([Counted()])
    assert {Wait()} == set(shown.values())


async def test_a_store_is_looked_at_now_and_then() -> None:
    """Not at each scrape, and once for all of its runners; what two stores have is added up."""
    now, digest = [0.0], PayBack.definition.digest
    waits, shown = looking(now)
    state = next(iter(PayBack.definition.states))
    one, other = Counted(Waiting(digest, state, 3, 940.0)), Counted(Waiting(digest, state, 2, 900.0))
    for now[0] in (0.0, 1.0, 14.9, 15.0, 29.9):
        await waits.look([one, one, other])

    assert (2, 2) == (one.looks, other.looks)
    assert Wait(5, 100.0) == shown["PayBack", state]


async def test_a_clock_that_is_behind_shows_no_time_to_come() -> None:
    """A run that was stored a moment from now, by another machine's clock, has waited 0 s."""
    waits, shown = looking([0.0])
    state = next(iter(PayBack.definition.states))
    await waits.look([Counted(Waiting(PayBack.definition.digest, state, 1, 1_001.0))])

    assert Wait(1, 0.0) == shown["PayBack", state]


async def test_a_store_that_raises_ends_no_scrape(caplog: pytest.LogCaptureFixture) -> None:
    """What was counted stays; it is logged which store it was, and not what it said."""
    waits, shown = looking(now := [0.0])
    state = next(iter(PayBack.definition.states))
    await waits.look([Counted(Waiting(PayBack.definition.digest, state, 1, 999.0))])
    now[0] = 15.0
    await waits.look([Counted(error=OSError("sk-secret"))])

    assert ["what waits in test_waits.Counted is not counted: it raised OSError"] == caplog.messages
    assert Wait(1, 1.0) == shown["PayBack", state]


async def test_a_store_that_does_not_come_back_holds_no_scrape_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is given what there is; the next does not ask the store again while it is asked."""
    monkeypatch.setattr("fsm_orch.observe.waiting._PATIENCE_S", 0.01)
    waits, shown = looking(now := [0.0])
    held = asyncio.Event()

    class Slow(Counted):
        async def waiting(self) -> Sequence[Waiting]:
            self.looks += 1
            await held.wait()
            return ()

    slow = Slow()
    await waits.look([slow])
    now[0] = 15.0
    await waits.look([slow])

    assert (1, {}) == (slow.looks, shown)
    held.set()
    for _ in range(9):
        await asyncio.sleep(0)
    assert {Wait()} == set(shown.values())


@pytest.mark.parametrize("how", ["raises", "hangs", "says nonsense"])
async def test_a_store_that_cannot_say_hides_no_other(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits in the others is shown, and it is logged which could not; it is asked again the next time."""
    monkeypatch.setattr("fsm_orch.observe.waiting._MOST_S", 0.01)

    class Bad(Counted):
        definition = Refunds.definition

        async def waiting(self) -> Sequence[Waiting]:
            self.looks += 1
            if how == "raises":
                raise OSError
            if how == "hangs":
                await asyncio.sleep(3_600)
            return [None]  # type: ignore[list-item]

    waits, shown = looking(now := [0.0])
    state, bad = next(iter(PayBack.definition.states)), Bad()
    for now[0] in (0.0, 15.0):
        await waits.look([bad, Counted(Waiting(PayBack.definition.digest, state, 1, 999.0))])

    assert Wait(1, 1.0) == shown["PayBack", state]
    assert {"PayBack"} == {machine for machine, _ in shown}
    assert 2 == bad.looks
    assert all("Bad is not counted" in each for each in caplog.messages)
    assert caplog.messages


def test_a_loop_that_was_stopped_holds_up_no_look() -> None:
    """What was begun on it never ends."""
    waits, shown = looking(now := [0.0])
    state = next(iter(PayBack.definition.states))

    class Slow(Counted):
        async def waiting(self) -> Sequence[Waiting]:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(3_600)
            return ()

    stopped = asyncio.new_event_loop()
    begun = stopped.create_task(waits.look([Slow()]))
    stopped.run_forever()
    now[0] = 15.0
    asyncio.run(waits.look([Counted(Waiting(PayBack.definition.digest, state, 1, 999.0))]))

    assert Wait(1, 1.0) == shown["PayBack", state]
    left = [begun, *asyncio.all_tasks(stopped)]
    for each in left:
        each.cancel()
    stopped.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    stopped.close()


async def test_a_runner_without_a_store_that_counts_is_let_be() -> None:
    """Stores of others need not count; nothing is shown of their runs."""
    waits, shown = looking([0.0])
    strange: Any = Counted()
    strange.store = object()
    await waits.look([strange, Runner(PayBack)])

    assert {} == shown
