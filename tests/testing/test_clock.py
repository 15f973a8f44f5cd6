"""Virtual time: waiting takes none."""

from __future__ import annotations

import asyncio

import pytest

from fsm_orch.testing import virtual_time


def test_time_skips_to_what_is_due() -> None:
    """A day of sleep passes at once, and the loop's clock shows it."""

    async def sleep() -> float:
        await asyncio.sleep(86_400 * 3)
        return asyncio.get_running_loop().time()

    with virtual_time() as loop:
        assert pytest.approx(86_400 * 3) == loop.run(sleep())


def test_order_is_kept() -> None:
    """What is due first happens first, and a timeout beats what takes longer."""
    happened: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        happened.append(name)

    async def race() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(after(2, "b"), after(1, "a"), after(11, "late"))

    with virtual_time() as loop:
        loop.run(race())

    assert ["a", "b"] == happened


def test_threads_are_waited_for_when_nothing_is_due() -> None:
    """A thread's answer arrives, though no time passes."""
    with virtual_time() as loop:
        assert 7 == loop.run(asyncio.to_thread(lambda: 7))
