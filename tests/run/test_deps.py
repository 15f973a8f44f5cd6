"""The dependencies of a run that a worker drives: opened and closed with it, and what they do stops no other run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from support.working import Job, finished, kept, runner, working

from fsm_orch.run.worker import GRACE_S
from fsm_orch.store import Listed

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("raises", [ValueError("password"), KeyboardInterrupt("password"), SystemExit("password")])
async def test_dependencies_that_raise_stop_no_other_run(
    raises: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Their run is left alone, and stays free; of the error its kind alone is told."""
    store = kept()

    def factory(run: Listed) -> str:
        if run.tenant == "bad":
            raise raises
        return f"{run.run_id} of {run.tenant}"

    for tenant in ("bad", "good"):
        await runner(store).enqueue(Job(), run_id=f"for {tenant}", tenant=tenant)
    async with working(runner(store), deps=factory, concurrency=1):
        await finished(store, 1)
        (free,) = await store.list(status="running")
    result = runner(store).replay(await store.load("for good"))

    assert ("for good of good", "for bad", None) == (result.context.by, free.run_id, free.owner)
    assert f"run for bad could not go on: {type(raises).__name__}. " in caplog.text
    assert "password" not in caplog.text


@pytest.mark.parametrize("is_async", [True, False])
async def test_dependencies_are_opened_and_closed_with_their_run(is_async: bool) -> None:
    """A context manager is entered for each run and left when it has ended, whatever else is under way."""
    store, told = kept(), list[str]()

    @contextmanager
    def shop(run: Listed) -> Iterator[str]:
        told.append(f"open {run.run_id}")
        yield run.run_id
        told.append(f"close {run.run_id}")

    @asynccontextmanager
    async def async_shop(run: Listed) -> AsyncIterator[str]:
        await asyncio.sleep(0.1)
        with shop(run) as deps:
            yield deps

    for n in range(2):
        await runner(store).enqueue(Job(), run_id=f"r{n}")
    async with working(runner(store), deps=async_shop if is_async else shop, concurrency=1):
        await finished(store, 2)
        await asyncio.sleep(0.1)

    assert ["open r0", "close r0", "open r1", "close r1"] == told


async def test_dependencies_that_must_be_awaited_are_refused_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """It is said what to write; nothing is driven without them."""
    store = kept()

    async def factory(run: Listed) -> str:
        return ""

    await runner(store).enqueue(Job())
    async with working(runner(store), deps=factory):
        await asyncio.sleep(3)

    assert "Works are made by an async function, or by a bare generator: write a plain function" in caplog.text
    assert (None, 1) == ((await store.list())[0].owner, (await store.list())[0].inputs)


@pytest.mark.parametrize("when", ["opened", "closed"])
async def test_dependencies_that_hang_keep_no_process_from_ending(when: str) -> None:
    """They have the grace to be opened or closed; the run goes on elsewhere, unless it has ended."""
    store, loop = kept(), asyncio.get_running_loop()
    worker = runner(store)
    await worker.enqueue(Job(), run_id="r")

    @asynccontextmanager
    async def hanging(run: Listed) -> AsyncIterator[str]:
        if when == "opened":
            await asyncio.sleep(1_000_000)
        yield "x"
        await asyncio.sleep(1_000_000)

    task = asyncio.ensure_future(worker.work(deps=hanging))
    await asyncio.sleep(5)
    await worker.drain()
    await asyncio.wait({task}, timeout=3 * GRACE_S)

    assert task.done()
    assert loop.time() < 5 + 2 * GRACE_S
    async with working(runner(store)):
        assert ["end"] == [row.head.state for row in await finished(store, 1)]
