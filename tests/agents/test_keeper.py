"""Keepers: a session is opened and closed by one task, whoever uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fsm_orch.agents.keeper import Keeper, Lost

SEEN = list[tuple[str, int]]()


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


class Session:
    """A session."""


@asynccontextmanager
async def opens() -> AsyncIterator[Session]:
    """Open a session, after a moment, and note by which task it is opened and closed."""
    await asyncio.sleep(0)
    SEEN.append(("opened", id(asyncio.current_task())))
    try:
        yield Session()
    finally:
        SEEN.append(("closed", id(asyncio.current_task())))


@asynccontextmanager
async def hangs() -> AsyncIterator[Session]:
    """Be opened never."""
    await asyncio.Event().wait()
    yield Session()


async def test_one_session_serves_all() -> None:
    """Users at once, and one after the other, are given the same; the task that opened it closes it."""
    keeper = Keeper(opens)
    sessions = await asyncio.gather(*[keeper.session() for _ in range(3)], asyncio.create_task(keeper.session()))
    await asyncio.create_task(keeper.close())

    assert len(set(sessions)) == 1
    assert [what for what, _ in SEEN] == ["opened", "closed"]
    assert len({task for _, task in SEEN}) == 1
    assert id(asyncio.current_task()) not in {task for _, task in SEEN}


async def test_a_session_that_was_lost_is_opened_again_once() -> None:
    """Of several users who notice, the first one has it closed, and all are given the same new one."""
    keeper = Keeper(opens)
    old = await keeper.session()
    keeper.lose(old)
    new = await keeper.session()
    keeper.lose(old)

    assert await keeper.session() is new
    assert new is not old
    await keeper.close()
    assert sorted(what for what, _ in SEEN) == ["closed", "closed", "opened", "opened"]


async def test_a_user_who_is_cancelled_takes_nothing_from_others() -> None:
    """One who waits no longer for a session leaves it to those who do."""
    keeper = Keeper(opens)
    cancelled, other = (asyncio.create_task(keeper.session()) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()

    assert isinstance(await other, Session)
    await keeper.close()


async def test_what_cannot_be_opened_is_told_to_each_user() -> None:
    """Each is raised what it raised, and each attempt is a new one."""
    count = 0

    @asynccontextmanager
    async def fails() -> AsyncIterator[Session]:
        nonlocal count
        count += 1
        raise OSError(count)
        yield Session()

    keeper = Keeper(fails)
    for number in (1, 2):
        with pytest.raises(OSError, match=f"^{number}$"):
            await keeper.session()
    await keeper.close()


async def test_a_keeper_is_closed_while_it_opens() -> None:
    """What hangs is given up, and who waits for it is told."""
    keeper = Keeper(hangs)
    waiting = asyncio.create_task(keeper.session())
    await asyncio.sleep(0)
    await keeper.close()

    with pytest.raises(Lost, match=r"^it was closed before it was open$"):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
